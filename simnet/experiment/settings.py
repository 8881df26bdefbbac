"""Settings of many points: the graph, the weights and the data are built once where they are the same."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace

import torch

from simnet.algorithms import ALGORITHMS, Entry, find
from simnet.experiment.identity import named_files, own_code
from simnet.scenario import Scenario
from simnet.setting import Setting, build_setting, with_times

ELSEWHERE = (
    *("name", "seed", "seeds", "network", "compute", "faults", "algorithms", "run", "record"),
    *("targets", "expect", "sweep"),
)
"""Keys of a scenario that neither the graph nor the weights nor the problem depend on."""

MOST = 8


class Settings:
    """Builds the settings of points, and remembers the last few of them.

    Args:
        device: where the values are to be computed.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.known: OrderedDict[str, Setting] = OrderedDict()

    def of(self, scenario: Scenario, seed: int) -> Setting:
        """The setting of one seed, checked against every algorithm of the scenario.

        Args:
            scenario: of a point.
            seed: one of its seeds.

        Returns:
            The setting; what does not depend on the clock may be shared with others.

        Raises:
            ScenarioError: with everything that is impossible, at once.
        """
        entries = entries_of(scenario)
        seen = {key: value for key, value in scenario.to_plain().items() if key not in ELSEWHERE}
        files = [(str(path), path.stat().st_mtime_ns) for _, path in named_files(seen, scenario.base)]
        key = json.dumps([seen, seed, str(scenario.base), files, own_code(scenario, entries[0])], sort_keys=True)
        if key in self.known:
            self.known.move_to_end(key)
            return with_times(self.known[key], scenario, entries)
        setting = self.known[key] = build_setting(scenario, seed, self.device, entries)
        if len(self.known) > MOST:
            self.known.popitem(last=False)
        return replace(setting)


def entries_of(scenario: Scenario) -> list[Entry]:
    """The table's row of each algorithm of a scenario.

    Args:
        scenario: that names them.

    Returns:
        Rows, in its order.
    """
    return [find(named.name, ALGORITHMS, scenario.base) for named in scenario.algorithms]
