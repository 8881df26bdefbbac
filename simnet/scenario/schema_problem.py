"""What a scenario says about the problem: loss, data, model, partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simnet.part import Choice, Part
from simnet.scenario.quantities import Text
from simnet.scenario.rows import Rows, read_rows
from simnet.sentences import Complaint, refusal, shown

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]


def _import_path(text: str) -> str:
    module, _, name = text.partition(":")
    if not all(word.isidentifier() for word in [*module.split("."), name]):
        raise ValueError(f"found {shown(text)}; allowed: module:function, such as my_package.my_module:my_function")
    return text


ImportPath = Annotated[str, AfterValidator(_import_path)]


class Linear(Part):
    """Softmax regression: one layer."""

    kind: Literal["linear"] = "linear"


class Mlp(Part):
    """A multi-layer perceptron.

    Args:
        hidden: the width of each hidden layer.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (64,)


class Cnn(Part):
    """A small convolutional network.

    Args:
        channels: of each convolution.
    """

    kind: Literal["cnn"] = "cnn"
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] = (8, 16)


class Factory(Part):
    """Any torch module: ``{factory: "package.module:function", width: 3}`` calls ``function(width=3)``.

    Args:
        factory: the function's import path.
        **keywords: its arguments.
    """

    model_config = ConfigDict(extra="allow")

    kind: Literal["factory"] = "factory"
    factory: ImportPath

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments of the function."""
        return dict(self.__pydantic_extra__ or {})

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The key ``factory`` says enough; ``kind`` is not needed."""
        reference = super().__get_pydantic_json_schema__(core, handler)
        handler.resolve_ref_schema(reference)["required"] = ["factory"]
        return reference


def _factory(given: Mapping[str, Any]) -> str | None:
    return "factory" if "factory" in given else None


Model = Annotated[Linear | Mlp | Cnn | Factory, Choice("kind", fallback=_factory)]


class Iid(Part):
    """Samples are dealt out at random."""

    kind: Literal["iid"] = "iid"


class LabelSorted(Part):
    """Samples sorted by label are cut evenly, after a part of them was shuffled (Lu and De Sa, 2021, section 6).

    Args:
        shuffled: the share of the sorted samples that is shuffled; 0: each node has few classes.
    """

    kind: Literal["label_sorted"] = "label_sorted"
    shuffled: Annotated[float, Field(ge=0, le=1)] = 0.0


class Dirichlet(Part):
    """Each class is divided among the nodes in proportions drawn from a Dirichlet distribution (Hsu et al., 2019).

    Args:
        concentration: large: every node has every class; small: few.
    """

    kind: Literal["dirichlet"] = "dirichlet"
    concentration: Annotated[float, Field(gt=0)]


Partition = Annotated[Iid | LabelSorted | Dirichlet, Choice("kind")]


class WithReplacement(Part):
    """Each mini-batch is drawn anew from all of the node's examples: gradients are independent and unbiased."""

    kind: Literal["with_replacement"] = "with_replacement"


class RandomReshuffling(Part):
    """Each epoch visits all of the node's examples once, in a new random order."""

    kind: Literal["random_reshuffling"] = "random_reshuffling"


class ShuffleOnce(Part):
    """All epochs visit the node's examples in one random order."""

    kind: Literal["shuffle_once"] = "shuffle_once"


class Fixed(Part):
    """All epochs visit the node's examples in the order of the partition."""

    kind: Literal["fixed"] = "fixed"


class Herding(Part):
    """Greedy herding of the last epoch's gradients of single examples (Welling, 2009; Lu, Meng and De Sa, 2022)."""

    kind: Literal["herding"] = "herding"


class Grab(Part):
    """GraB: the last epoch's gradients of single examples, with signs that balance them (Lu, Guo and De Sa, 2022).

    Args:
        balance: ``mean``: the gradients less the mean of the epoch before; ``pair``: differences of consecutive ones.
    """

    kind: Literal["grab"] = "grab"
    balance: Literal["mean", "pair"] = "mean"


Order = Annotated[WithReplacement | RandomReshuffling | ShuffleOnce | Fixed | Herding | Grab, Choice("kind")]


_RANDOM_ONLY = ("dimension", "heterogeneity", "conditioning")


class Quadratic(Part):
    """``f_i(x) = 1/2 sum_c a_ic (x_c - b_ic)^2`` with the rows a_i of ``curvature`` and b_i of ``optimum``, or random.

    Args:
        curvature: n rows of D numbers, or one row for all; by default all ones.
        optimum: n rows of D numbers, or one row for all; by default all zeros.
        dimension: D of a random problem.
        heterogeneity: standard deviation of the optima between nodes, of a random problem.
        conditioning: largest curvature divided by the smallest, of a random problem.
        noise: standard deviation of the normal noise on each entry of a gradient.
    """

    kind: Literal["quadratic"] = "quadratic"
    curvature: Rows | None = None
    optimum: Rows | None = None
    dimension: Count | None = None
    heterogeneity: NonNegative = 1.0
    conditioning: Annotated[float, Field(ge=1)] = 10.0
    noise: NonNegative = 0.0

    @classmethod
    def objections(cls, given: Mapping[str, Any]) -> Iterable[Complaint]:
        """Explicit or random."""
        explicit = [key for key in ("curvature", "optimum") if given.get(key) is not None]
        random = [key for key in _RANDOM_ONLY if given.get(key) is not None]
        if explicit and random:
            yield (
                (random[0],),
                f"found {random[0]} and {explicit[0]}; allowed: explicit arrays or a random problem, not both",
            )
        elif not explicit and given.get("dimension") is None:
            yield ("dimension",), "missing; allowed: curvature and optimum, or dimension for a random problem"

    @classmethod
    def spelled_out(cls, given: Any, info: ValidationInfo) -> Any:
        """Of two arrays one may be left out."""
        del info
        if not isinstance(given, Mapping) or (given.get("curvature") is None) == (given.get("optimum") is None):
            return given
        absent, present, number = (
            ("curvature", "optimum", 1.0) if given.get("curvature") is None else ("optimum", "curvature", 0.0)
        )
        try:
            width = len(read_rows(given[present])[0])
        except ValidationError:
            return given
        return {**given, absent: [number] * width}

    @field_validator("optimum")
    @classmethod
    def _same_width(cls, optimum: Rows | None, info: ValidationInfo) -> Rows | None:
        curvature = info.data.get("curvature")
        if optimum and curvature and len(optimum[0]) != len(curvature[0]):
            raise refusal(((), f"found rows of {len(optimum[0])} numbers; allowed: {len(curvature[0])}, as in curvature"))
        return optimum

    @property
    def is_random(self) -> bool:
        """Whether the arrays are drawn instead of given."""
        return self.dimension is not None

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what applies to explicit arrays or to random ones."""
        return {
            key: value
            for key, value in handler(self).items()
            if value is not None and (self.is_random or key not in _RANDOM_ONLY)
        }


class DataSet(Part):
    """What all problems with data have in common.

    Args:
        model: what is trained.
        partition: who has which samples.
        batch_size: samples in a mini-batch; ``full``: all of a node's samples.
        order: in which a node visits its examples. All but ``with_replacement`` are passes, each mini-batch the next
            ``batch_size`` examples, the last one of a pass what is left; an epoch is one pass. To decide takes no time.
        l2: adds ``l2/2 ||x||^2`` to the loss.
    """

    model: Model = Linear()
    partition: Partition = Iid()
    batch_size: Count | Literal["full"] = 16
    order: Order = WithReplacement()
    l2: NonNegative = 0.0


TestFraction = Annotated[float, Field(ge=0, le=0.9)]


class Digits(DataSet):
    """Scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels in 10 classes.

    Args:
        test_fraction: share of the samples kept for testing.
    """

    dataset: Literal["digits"] = "digits"
    test_fraction: TestFraction = 0.2


class GaussianMixture(DataSet):
    """Synthetic classes, each normal around its own centre.

    Args:
        features: of a sample.
        classes: how many.
        samples_per_node: training samples of each node.
        test_samples: of all.
        separation: distance between the centres, in standard deviations of a class.
    """

    dataset: Literal["gaussian_mixture"] = "gaussian_mixture"
    features: Count = 64
    classes: Annotated[int, Field(ge=2)] = 10
    samples_per_node: Count = 128
    test_samples: Annotated[int, Field(ge=0)] = 1000
    separation: NonNegative = 3.0


class Logistic(DataSet):
    """Synthetic logistic regression (Yuan, Alghunaim and Huang, 2023): two classes, each node with its own true model.

    Args:
        features: of a sample.
        samples_per_node: training samples of each node.
        heterogeneity: variance (the paper's sigma_h^2) of the true models' coordinates between nodes.
        test_samples: of all.
    """

    dataset: Literal["logistic"] = "logistic"
    features: Count = 10
    samples_per_node: Count = 1000
    heterogeneity: NonNegative = 0.2
    test_samples: Annotated[int, Field(ge=0)] = 1000


class Csv(DataSet):
    """A table of the user's: one row for each sample.

    Args:
        path: relative to the scenario's folder.
        label: the column that holds the class.
        test_fraction: share of the samples kept for testing.
    """

    dataset: Literal["csv"] = "csv"
    path: Text
    label: Text = "label"
    test_fraction: TestFraction = 0.2


class Npz(DataSet):
    """NumPy arrays of the user's: ``x``, ``y`` and perhaps ``x_test``, ``y_test``.

    Args:
        path: relative to the scenario's folder.
        test_fraction: share of the samples kept for testing where the file has no test arrays.
    """

    dataset: Literal["npz"] = "npz"
    path: Text
    test_fraction: TestFraction = 0.2


Problem = Annotated[Digits | GaussianMixture | Logistic | Csv | Npz | Quadratic, Choice("dataset", "kind")]
