"""The errors that a user can cause, each one readable sentence; anything else that is raised is a bug of simnet."""


class SimnetError(Exception):
    """Something that a user can put right. The one argument is the message (a second one would be lost in SimPy)."""

    exit_status = 2


class ParameterError(SimnetError):
    """A parameter of one part (a graph, a problem, an algorithm) is impossible.

    The message starts with the key inside that part, where there is one: ``degree: found 3; ...``. Whoever knows the
    scenario puts the file, the line and the part's own key before it.
    """


class ScenarioError(SimnetError):
    """A scenario cannot be run. The message has one line for each complaint."""


class OutputError(SimnetError):
    """A result cannot be written or read."""


class StalledError(SimnetError):
    """Nothing can happen any more, and nodes still wait."""

    exit_status = 3


class AlgorithmError(SimnetError):
    """An algorithm's own code raised, or broke the node's rules.

    Attributes:
        result: what was finished of the simulation all the same, if the error ended a whole one.
    """

    result: object = None
