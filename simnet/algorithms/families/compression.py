"""Compression: gossip with a few bits per number."""

from __future__ import annotations

from simnet.algorithms.choco import choco
from simnet.algorithms.dcd import dcd
from simnet.algorithms.deepsqueeze import deepsqueeze
from simnet.algorithms.ecd import ecd
from simnet.algorithms.moniqua import check_bits, moniqua
from simnet.algorithms.naive_quantized import naive_quantized
from simnet.algorithms.quantized_push_sum import quantized_push_sum
from simnet.algorithms.table import Entry

REPLICAS = "replicas of the neighbors are kept as one sum, with the weights of the first step"
LOSSY = "what is compressed away keeps models apart"
OWN_STEP = "combines before it adapts, as dpsgd does"
ALONE = "alone, it still moves by what compression leaves"

COMPRESSION: tuple[Entry, ...] = (
    Entry(
        moniqua,
        "Lu, De Sa 2020",
        "b bits per number to each neighbor",
        tolerates=("all", "deadline"),
        check=check_bits,
        overlap="max(c, T)",
        exceptions={"sgd": OWN_STEP},
    ),
    Entry(
        choco,
        "Koloskova et al. 2019",
        "1 compressed difference to each neighbor",
        overlap={"order=compress_first": "c + T", "order=average_first": "max(c, T)"},
        fixed_topology=REPLICAS,
        exceptions={"sgd": LOSSY},
    ),
    Entry(
        deepsqueeze,
        "Tang et al. 2019",
        "1 compressed vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        exceptions={"sgd": LOSSY},
    ),
    Entry(
        dcd,
        "Tang et al. 2018",
        "1 compressed difference to each neighbor",
        overlap="max(c, T)",
        fixed_topology=REPLICAS,
        recalled="the condition on the compressor's error",
        exceptions={"mean": "the mean moves by that of the compressed differences", "sgd": OWN_STEP, "single": ALONE},
    ),
    Entry(
        ecd,
        "Tang et al. 2018",
        "1 compressed extrapolation to each neighbor",
        overlap="max(c, T)",
        fixed_topology=REPLICAS,
        recalled="how the replicas' error falls with the steps",
        exceptions={"mean": "the mean of the replicas is not that of the models", "sgd": OWN_STEP, "single": ALONE},
    ),
    Entry(
        naive_quantized,
        "Lu, De Sa 2020",
        "1 compressed vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        overlap="max(c, T)",
        recalled="the bound on what it reaches",
        exceptions={"mean": "compressed models have another mean than the models", "sgd": OWN_STEP},
    ),
    Entry(
        quantized_push_sum,
        "Taheri et al. 2020",
        "1 compressed difference and 1 number to each listener",
        sums="columns",
        fixed_topology=REPLICAS,
        recalled="the listing; its step and noise conditions are left out",
        exceptions={"sgd": OWN_STEP},
    ),
)
