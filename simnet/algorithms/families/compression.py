"""Compression: gossip with a few bits per number."""

from __future__ import annotations

from simnet.algorithms.cd_adam import cd_adam
from simnet.algorithms.choco import choco
from simnet.algorithms.dcd import dcd
from simnet.algorithms.deepsqueeze import deepsqueeze
from simnet.algorithms.ecd import ecd
from simnet.algorithms.modulo import check_bits
from simnet.algorithms.moniqua import moniqua
from simnet.algorithms.moniqua_adpsgd import moniqua_adpsgd
from simnet.algorithms.moniqua_d2 import moniqua_d2
from simnet.algorithms.naive_quantized import naive_quantized
from simnet.algorithms.powergossip import powergossip
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
        use="where bandwidth and memory are scarce, and a bound on the distance of neighbors is known or found by trial.",
        avoid="where neighbors may drift apart by more than theta, as with rare or heterogeneous data and large steps.",
        exceptions={"sgd": OWN_STEP},
    ),
    Entry(
        moniqua_d2,
        "Lu, De Sa 2020",
        "b bits per number to each neighbor",
        check=check_bits,
        lowest_eigenvalue=-1 / 3,
        fixed_topology="the correction belongs to the weights of the step before",
        recalled="the listing, and the paper's theta and delta for it",
        use="where bandwidth is scarce and the nodes' data differ much.",
        avoid="where W has eigenvalues near -1/3, or theta cannot be bounded.",
        exceptions={"sgd": "what is rounded away keeps models apart"},
    ),
    Entry(
        moniqua_adpsgd,
        "Lu, De Sa 2020",
        "b bits per number each way per average",
        tolerates=(),
        asynchronous=True,
        sums="any",
        check=check_bits,
        fixed_topology="its averages belong to no step",
        overlap="max(c, T)",
        recalled="the listing, and the paper's theta and delta for it",
        use="where bandwidth is scarce and some nodes are slow.",
        avoid="where neighbors may drift apart by more than theta.",
        exceptions={
            "clock": "what is averaged depends on who comes first",
            "sgd": "the nodes' own gradients are not averaged in the step that they are taken in",
        },
    ),
    Entry(
        choco,
        "Koloskova et al. 2019",
        "1 compressed difference to each neighbor",
        overlap={"order=compress_first": "c + T", "order=average_first": "max(c, T)"},
        fixed_topology=REPLICAS,
        use="where messages have to be much smaller than models: it works with any compressor, even one number in a hundred.",
        avoid="where the topology changes, messages get lost, or consensus_lr cannot be tuned.",
        exceptions={"sgd": LOSSY},
    ),
    Entry(
        deepsqueeze,
        "Tang et al. 2019",
        "1 compressed vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        use="where compression is strong and nothing may be kept of neighbors, so that topologies may change.",
        avoid="where differences shrink while models do not: choco then keeps much more of each message.",
        exceptions={"sgd": LOSSY},
    ),
    Entry(
        dcd,
        "Tang et al. 2018",
        "1 compressed difference to each neighbor",
        overlap="max(c, T)",
        fixed_topology=REPLICAS,
        recalled="the condition on the compressor's error",
        use="where compression is mild and unbiased, such as 8 bits per number.",
        avoid="where compression is strong: it diverges where choco does not.",
        exceptions={"mean": "the mean moves by that of the compressed differences", "sgd": OWN_STEP, "single": ALONE},
    ),
    Entry(
        ecd,
        "Tang et al. 2018",
        "1 compressed extrapolation to each neighbor",
        overlap="max(c, T)",
        fixed_topology=REPLICAS,
        recalled="how the replicas' error falls with the steps",
        use="where the compressor's error is bounded whatever it compresses, and the run is short.",
        avoid="where the run is long: what it compresses grows with the steps.",
        exceptions={"mean": "the mean of the replicas is not that of the models", "sgd": OWN_STEP, "single": ALONE},
    ),
    Entry(
        naive_quantized,
        "Lu, De Sa 2020",
        "1 compressed vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        overlap="max(c, T)",
        recalled="the bound on what it reaches",
        use="to show what the others repair.",
        avoid="for anything else.",
        exceptions={"mean": "compressed models have another mean than the models", "sgd": OWN_STEP},
    ),
    Entry(
        quantized_push_sum,
        "Taheri et al. 2020",
        "1 compressed difference and 1 number to each listener",
        sums="columns",
        fixed_topology=REPLICAS,
        recalled="the listing; its step and noise conditions are left out",
        use="where links have one direction and bandwidth is scarce.",
        avoid="where links have two directions: choco needs no second number.",
        exceptions={"sgd": OWN_STEP},
    ),
    Entry(
        powergossip,
        "Vogels et al. 2020",
        "rank columns of each matrix, others to each neighbor",
        overlap={"order=cta": "max(c, iterations * T)", "order=atc": "c + iterations * T"},
        fixed_topology="both ends of an edge carry what they have found from step to step",
        use="where models have large matrices and nothing is to be tuned.",
        avoid="where models are vectors, or different messages to neighbors are costly.",
        exceptions={"sgd": OWN_STEP},
    ),
    Entry(
        cd_adam,
        "Gao, Huang 2020",
        "1 compressed difference to each neighbor in every p-th step",
        overlap="c + T / period",
        fixed_topology=REPLICAS,
        recalled="the listing, that Adam's bias corrections are in it, and that replicas are renewed before the average",
        use="where Adam is wanted and bandwidth is scarce.",
        avoid="on heterogeneous data, where each node's own denominators move the limit.",
        exceptions={
            "single": "alone it is Adam, whose steps are not along the gradient",
            "sgd": "every node divides its own gradients before they are averaged",
        },
    ),
)
