"""Gossip: neighbors average their models, and what corrects the bias that heterogeneous data give it."""

from __future__ import annotations

from simnet.algorithms.accelerated_gossip import check_eta
from simnet.algorithms.d2 import d2
from simnet.algorithms.defacto import defacto
from simnet.algorithms.detag import detag
from simnet.algorithms.dpsgd import dpsgd
from simnet.algorithms.exact_diffusion import check_rounds, exact_diffusion
from simnet.algorithms.extra import extra
from simnet.algorithms.gradient_tracking import gradient_tracking
from simnet.algorithms.gut import gut
from simnet.algorithms.relaysgd import relaysgd
from simnet.algorithms.table import Entry

GOSSIP: tuple[Entry, ...] = (
    Entry(
        dpsgd,
        "Lian et al. 2017",
        "1 vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        overlap={"order=cta": "max(c, T)", "order=atc": "c + T"},
        use="As the baseline, and wherever the nodes' data are alike: it is the cheapest, and bears what goes wrong.",
        avoid="Where data differ between nodes and the graph is sparse: at a constant rate it stops beside the optimum.",
        exceptions={"sgd": "cta keeps each node's last gradient step apart, even on a complete graph"},
    ),
    Entry(
        detag,
        "Lu, De Sa 2023",
        "2 vectors to each neighbor",
        check=check_eta,
        overlap={"order=listing": "max(c, T)", "order=proof": "c + T", "order=star": "c + T"},
        recalled="that DeTAG* adds a phase's gradients to the tracker before the gossip",
        use="On sparse graphs with very different data, with R near 1 / sqrt(1 - rho) and eta: auto; latency is hidden.",
        avoid="On dense graphs, where one round is enough; where bandwidth is scarce, since it sends two vectors in each step.",
        exceptions={"sgd": "the mean uses the gradient of the phase before"},
    ),
    Entry(
        d2,
        "Tang et al. 2018",
        "1 vector to each neighbor",
        lowest_eigenvalue=-1 / 3,
        use="Where data differ between nodes: no bias, for the message of D-PSGD, and large learning rates.",
        avoid="Where W has eigenvalues below -1/3, or changes from step to step: it may diverge at any rate.",
    ),
    Entry(
        exact_diffusion,
        "Yuan et al. 2019",
        "1 vector to each neighbor",
        check=check_rounds,
        use="As d2, on any graph and at any rate that gradient descent bears; several rounds where latency is small.",
        avoid="Where latency is large: messages wait for gradients; extra hides it at half the largest learning rate.",
        exceptions={"sgd": "half of each node's own step stays with it, even on a complete graph"},
    ),
    Entry(
        extra,
        "Shi et al. 2015",
        "1 vector to each neighbor",
        overlap="max(c, T)",
        use="Where data differ between nodes and latency is large: no bias, one vector, hidden behind the gradient.",
        avoid="With large learning rates: its limit is (5 + 3 lambda_n) / (4 L), that of exact_diffusion 2 / L.",
        exceptions={"sgd": "combines before it adapts, as dpsgd does"},
    ),
    Entry(
        gradient_tracking,
        "Nedic, Olshevsky, Shi 2017",
        "2 vectors to each neighbor",
        fixed_topology="a model may be sent in the step before the one that mixes it",
        overlap={"form=awc": "max(c, T)", "form=atc": "c + T", "form=full": "c + 2 * T"},
        recalled="which papers use the forms atc and full",
        use="Where data differ; awc where latency is large, atc where the learning rate has to be.",
        avoid="Where bandwidth is scarce: two vectors; awc on rings without lazy weights, where only 0.22 / L is stable.",
        exceptions={"sgd": "awc keeps each node's last step apart, even on a complete graph"},
    ),
    Entry(
        gut,
        "Aketi et al. 2023",
        "1 vector to each neighbor",
        tolerates=("all", "none", "deadline"),
        fixed_topology="how neighbors have moved follows from what they sent in the step before",
        use="Where data differ and messages get lost: most of the bias goes, and no loss is remembered for long.",
        avoid="Where the optimum itself is wanted: a share 1 - mu of the bias stays.",
        exceptions={"sgd": "gradients are taken at the average of the neighbors' models, one step ahead"},
    ),
    Entry(
        defacto,
        "Lu, De Sa 2023",
        "1 vector up and down each edge of a tree, every 2R steps",
        sums="any",
        overlap="(c + T) / 2",
        use="To see what is possible in theory: SGD with the exact mean, in as few rounds as the diameter allows.",
        avoid="In practice: half of the time nobody computes, the other half nobody communicates.",
        fixed_topology="the spanning tree is that of one graph",
        uses_tree=True,
        exceptions={"sgd": "a phase of many steps is one step of SGD"},
    ),
    Entry(
        relaysgd,
        "Vogels et al. 2021",
        "1 vector and 1 number to each neighbor in a tree",
        sums="any",
        overlap={"overlap=False": "c + T", "overlap=True": "max(c, T)"},
        use="Where data differ very much and the graph has short spanning trees: exact uniform weights, late by the distance.",
        avoid="On long paths, which models cross by one edge in a step; where messages get lost.",
        fixed_topology="the spanning tree is that of one graph",
        uses_tree=True,
        exceptions={
            "mean": "models that have not arrived yet are replaced by one's own first one",
            "sgd": "models arrive late by their distance in the tree, even on a complete graph",
        },
    ),
)
