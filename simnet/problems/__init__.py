"""Problems: losses with data on nodes, and the metrics of models on them."""

from simnet.problems.build import MODELS, PROBLEMS, build_problem
from simnet.problems.partitions import PARTITIONS
from simnet.problems.problem import Problem

__all__ = ["MODELS", "PARTITIONS", "PROBLEMS", "Problem", "build_problem"]
