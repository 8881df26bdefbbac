"""What a node says of vectors alone: nothing here takes time or sends anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simnet.clock import Machine, Payload
from simnet.values import ZERO, Kernel, Recorder, Row, Scalar, Vector
from simnet.values.compressors import CompressorPart, prepared


class Calculator(Machine):
    """A machine that computes with deferred vectors.

    Attributes:
        layers: the shapes of the model's tensors, in the order in which they lie in a flat vector.
        number_bits: what one number takes on the wire in full precision.
        rng: this node's own random numbers.
        shared_key: the function ``(*names) -> int``: a random key that is the same at all nodes for the same names.
    """

    layers: tuple[tuple[int, ...], ...]
    number_bits: float
    rng: np.random.Generator
    shared_key: Callable[..., int]
    _recorder: Recorder

    @property
    def zeros(self) -> Vector:
        """The zero vector."""
        return ZERO

    def keep(self, vector: Vector) -> Row:
        """The vector as one row: for what is carried from step to step, which would otherwise grow into a long sum.

        Args:
            vector: a sum of vectors, ``[D]``.

        Returns:
            The same vector, as a row.
        """
        return self._recorder.row(vector)

    def apply(self, kernel: Kernel, *vectors: Vector, constants: tuple[float, ...] = ()) -> Row:
        """A row kernel applied to vectors.

        Args:
            kernel: a pure function of batches of rows (see `simnet.values.Kernel`); a frozen dataclass.
            vectors: its inputs, ``[D]`` each.
            constants: numbers of this one call: a random key, a scale.

        Returns:
            The result, ``[D]``, deferred like everything.
        """
        return self._recorder.apply(kernel, *vectors, constants=constants)

    def compress(self, compressor: CompressorPart, vector: Vector) -> Payload:
        """What goes over the wire for a compressed vector: what the receivers make of it, and its exact size.

        Args:
            compressor: from the scenario; a random one gets a key of this node, or, if its randomness is shared, of the step.
            vector: ``[D]``.

        Returns:
            Something to send; its `content` is C(vector), a row.
        """
        kernel, bits = prepared(compressor, self.layers, self.number_bits)
        keys: tuple[int, ...] = ()
        if compressor.is_random:
            keys = (self.shared_key("compress", self.step) if compressor.is_shared else self.random_key(),)
        return Payload(self.apply(kernel, vector, constants=keys), bits)

    def same_for_all(self, vector: Vector) -> Row:
        """A sum that every node arrives at, such as an all-reduced mean: computed once, whoever asks for it.

        Args:
            vector: the sum, in whatever order each node has its terms.

        Returns:
            One row for all nodes.
        """
        return self._recorder.shared(vector)

    def random_key(self) -> int:
        """A random key of this node alone, for a kernel that rounds or chooses at random."""
        return int(self.rng.integers(1 << 62))

    def measure(self, kernel: Kernel, *vectors: Vector) -> Scalar:
        """A deferred number out of vectors, for `number` or `tally`.

        Args:
            kernel: a kernel that reduces each row to a number.
            vectors: its inputs, ``[D]`` each.

        Returns:
            The number, deferred.
        """
        return self._recorder.measure(kernel, *vectors)
