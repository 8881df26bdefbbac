"""Periodic: rare exact averages between many local steps."""

from __future__ import annotations

from simnet.algorithms.collectives import server_program
from simnet.algorithms.dynamic_averaging import dynamic_averaging
from simnet.algorithms.final_merging import final_merging
from simnet.algorithms.gossip_aga import gossip_aga
from simnet.algorithms.gossip_pga import gossip_pga
from simnet.algorithms.local_sgd import local_sgd
from simnet.algorithms.table import Entry

PERIODIC: tuple[Entry, ...] = (
    Entry(
        local_sgd,
        "Stich 2019",
        "an all-reduce of 1 vector every H steps",
        uses_topology=False,
        server=server_program,
        overlap={
            "exchange=ring": "c + 2 * (n - 1) * T / period",
            "exchange=halving_doubling": "c + 2 * log2(n) * T / period",
            "exchange=parameter_server": "c + 2 * T / period",
        },
        use="When all-reduce is affordable now and then, and nodes' data are alike.",
        avoid="With different data and many local steps: the nodes drift apart, and the cycle's mean is not the optimum.",
        exceptions={"sgd": "several local steps between averages are not one step of SGD"},
    ),
    Entry(
        gossip_pga,
        "Chen et al. 2021",
        "1 vector to each neighbor, every H-th step an all-reduce instead",
        server=server_program,
        overlap={
            "exchange=ring": "c + ((period - 1) + 2 * (n - 1)) * T / period",
            "exchange=halving_doubling": "c + ((period - 1) + 2 * log2(n)) * T / period",
            "exchange=parameter_server": "c + ((period - 1) + 2) * T / period",
        },
        use="On sparse graphs, with H < 1 / (1 - rho): a global average undoes what slow mixing has left.",
        avoid="On dense graphs, where gossip mixes well without it.",
    ),
    Entry(
        gossip_aga,
        "Chen et al. 2021",
        "1 vector to each neighbor, now and then an all-reduce of 1 vector and of 1 number instead",
        server=server_program,
        overlap={
            "exchange=ring": "c + ((max_period - 1) + 4 * (n - 1)) * T / max_period",
            "exchange=halving_doubling": "c + ((max_period - 1) + 4 * log2(n)) * T / max_period",
            "exchange=parameter_server": "c + ((max_period - 1) + 4) * T / max_period",
        },
        recalled="the formula of the period and the running average of the first losses",
        use="As Gossip-PGA, when the start needs averages more often than the end.",
        avoid="When the loss has a large floor: then the period hardly grows.",
    ),
    Entry(
        dynamic_averaging,
        "Kamp et al. 2018",
        "an all-reduce of 1 number every b steps, and of 1 vector when some node has gone far",
        uses_topology=False,
        server=server_program,
        overlap={
            "exchange=ring": "c + 2 * (n - 1) * T / period",
            "exchange=halving_doubling": "c + 2 * log2(n) * T / period",
            "exchange=parameter_server": "c + 2 * T / period",
        },
        recalled="the protocol, which is simplified: the coordinator does not ask single nodes first",
        use="When bits are dear and latency is not: quiet times cost almost nothing.",
        avoid="With high latency, since telling that nothing has happened takes as long as an average.",
        exceptions={
            "sgd": "several local steps between averages are not one step of SGD",
            "consensus": "nodes that do not move never leave their references",
        },
    ),
    Entry(
        final_merging,
        "Zhu et al. 2025",
        "1 vector to each neighbor, and an all-reduce in the end",
        server=server_program,
        overlap="c + T",
        use="When communication is scarce and data differ: spend it late, and merge in the end.",
        avoid="When good models are needed all along.",
    ),
)
