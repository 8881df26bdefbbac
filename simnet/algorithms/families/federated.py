"""Federated: a server on a star, and what else the founding documents name."""

from __future__ import annotations

from simnet.algorithms.fedavg import fedavg
from simnet.algorithms.feddkd import feddkd
from simnet.algorithms.federation import federation_of
from simnet.algorithms.ntk_dfl import ntk_dfl
from simnet.algorithms.table import Entry

FEDERATED: tuple[Entry, ...] = (
    Entry(
        fedavg,
        "McMahan et al. 2017",
        "1 vector each way between the server and each node of a round",
        uses_topology=False,
        server=federation_of,
        overlap="c + 2 * T / local_steps",
        use="As the reference with a server: few messages, and nodes that take turns.",
        avoid="Where the server's link is the narrow one, or the nodes' data differ much over many local steps.",
        exceptions={
            "sgd": "several local steps between averages are not one step of SGD",
            "mean": "the server averages the models of some nodes only",
        },
    ),
    Entry(
        feddkd,
        "Li, Chen, Lu 2022",
        "1 vector each way between the server and each node of a round, 1 + J times",
        uses_topology=False,
        server=federation_of,
        overlap="c + 2 * (1 + distillation_steps) * T / (local_steps + distillation_steps)",
        recalled="the form of the distillation step, and that its divergence is that of the class probabilities",
        use="When nodes' data differ so much that the mean of their models says something else than they do on average.",
        avoid="Where messages are slow: each distillation step costs as many as a round of FedAvg.",
        exceptions={
            "sgd": "distillation steps follow the nodes' models instead of their data",
            "mean": "the server averages the models of some nodes only",
            "single": "distillation steps teach a lone node what it knows",
        },
    ),
    Entry(
        ntk_dfl,
        "Thompson et al. 2025",
        "2 vectors, then b C (D + 2) numbers to each neighbor",
        linearizes=True,
        overlap="(degree + 1) * outputs * c + 3 * T",
        fixed_topology="the reply to an average comes in the same step",
        recalled="the paper's text; the formulas are those of its authors' code",
        use="Few rounds on very heterogeneous data, where bandwidth is plentiful.",
        avoid="Slow links: a message is as large as b C models; it needs fewer rounds, not less time.",
        exceptions={
            "sgd": "the model evolves for a while on the data of the neighborhood",
            "single": "alone it evolves by exponentials, not by gradient steps",
        },
    ),
)
