"""Networks by name: where the machines stand, and what it costs between two of them, each with its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from simnet.sentences import refusal, shown, unknown_word
from simnet.units import parse_rate, parse_seconds

Pair = tuple[str, str]
"""Latency and bandwidth of the links between two places, as text."""

Places = Sequence[str | int] | Mapping[str, int]
"""The place of each node by name or number, or how many nodes each place has, in blocks."""


@dataclass(frozen=True)
class Preset:
    """One named network.

    Args:
        what: in one sentence.
        source: where the numbers are from.
        keys: what it says, as keys of ``network``; for a network with places the table says it instead.
        layout: places, and how many nodes the source has in each, in blocks.
        inside: between two nodes of one place; a place that has something else, by name.
        between: between two nodes of different places, both ways; a pair that has something else, by name.
    """

    what: str
    source: str
    keys: Mapping[str, str | None] = field(default_factory=dict)
    layout: Mapping[str, int] = field(default_factory=dict)
    inside: Mapping[str, Pair] = field(default_factory=dict)
    between: Mapping[Pair, Pair] = field(default_factory=dict)

    @property
    def places(self) -> list[str]:
        """The names of its places; empty if all machines are alike."""
        return list(self.layout)

    def pair(self, one: str, other: str) -> Pair:
        """Latency and bandwidth of a link between two nodes of these places, as text.

        Args:
            one: name of a place.
            other: likewise.

        Returns:
            Both.
        """
        if one == other:
            return self.inside.get(one, self.inside[""])
        return self.between.get((one, other)) or self.between.get((other, one)) or self.between["", ""]

    def tables(self) -> dict[str, list[list[float]]]:
        """Latency [s] and bandwidth [bit/s] of the links between any two places.

        Returns:
            ``latency`` and ``bandwidth``, each with one row and one column for each place; empty if there are no places.

        Example:
            >>> PRESETS["dtfm-2-universities"].tables()["latency"]
            [[0.001, 0.011], [0.011, 0.001]]
        """
        pairs = [[self.pair(one, other) for other in self.layout] for one in self.layout]
        if not pairs:
            return {}
        return {
            "latency": [[parse_seconds(latency) for latency, _ in row] for row in pairs],
            "bandwidth": [[parse_rate(bandwidth) for _, bandwidth in row] for row in pairs],
        }

    def named(self, places: Places) -> tuple[str, ...] | dict[str, int]:
        """The same places, all by name.

        Args:
            places: as a scenario has them.

        Returns:
            One name for each node, or how many nodes each place has.

        Raises:
            pydantic.ValidationError: with a sentence for each place that does not exist.
        """
        if not self.layout:
            known = ", ".join(name for name, preset in PRESETS.items() if preset.layout)
            raise refusal(((), f"found places, but all machines of this preset are alike; allowed: with one of {known}"))
        wrong = [(key, place) for key, place in _items(places) if not self._has(place)]
        if wrong:
            raise refusal(*(((key,), self._unknown(place)) for key, place in wrong))
        if isinstance(places, Mapping):
            return dict(places)
        return tuple(self.places[place] if isinstance(place, int) else place for place in places)

    def numbered(self, places: Places | None, num_nodes: int) -> list[int]:
        """The place of each node, as a number.

        Args:
            places: as `named` gives them; None: as `spread` does.
            num_nodes: n.

        Returns:
            n numbers.

        Example:
            >>> PRESETS["dtfm-2-universities"].numbered({"Virginia": 1, "Ohio": 2}, 3)
            [1, 0, 0]
        """
        places = self.spread(num_nodes) if places is None else places
        number = {name: k for k, name in enumerate(self.layout)}
        names = chain.from_iterable(repeat(*item) for item in places.items()) if isinstance(places, Mapping) else places
        return [number[name] for name in names]  # type: ignore[index]  # `named` has left no numbers

    def spread(self, num_nodes: int) -> dict[str, int]:
        """How many nodes each place has by default: in blocks, as in the source.

        Node i of n stands where node ``floor(i m / n)`` of the source's m nodes stands, so that the places' shares are
        those of the source.

        Args:
            num_nodes: n.

        Returns:
            A number for each place that has nodes.

        Example:
            >>> PRESETS["dtfm-2-universities"].spread(5)
            {'Ohio': 3, 'Virginia': 2}
        """
        layout = [name for name, count in self.layout.items() for _ in range(count)]
        return dict(Counter(layout[i * len(layout) // num_nodes] for i in range(num_nodes)))

    def _has(self, place: str | int) -> bool:
        return 0 <= place < len(self.layout) if isinstance(place, int) else place in self.layout

    def _unknown(self, place: str | int) -> str:
        if isinstance(place, int):
            return f"found place {shown(place)}; allowed: 0 to {len(self.layout) - 1}, or a name: {', '.join(self.layout)}"
        return unknown_word(place, self.layout)


def _items(places: Places) -> list[tuple[str | int, str | int]]:
    return [(name, name) for name in places] if isinstance(places, Mapping) else list(enumerate(places))


def _triangle(text: str) -> dict[Pair, Pair]:
    """The pairs of a table: each row names a place, then says ``ms Gbit/s`` towards each of the places below it."""
    rows = [line.partition(" ") for line in text.strip().splitlines()]
    names = [name for name, _, _ in rows]
    return {
        (name, other): (f"{cell.split()[0]} ms", f"{cell.split()[1]} Gbit/s")
        for k, (name, _, cells) in enumerate(rows)
        for other, cell in zip(names[k + 1 :], filter(None, cells.split("|")), strict=True)
    }


WORLD = _triangle(
    """
Oregon     67 0.79 | 49 1.10 | 96 0.523 | 124 0.46 | 163 0.341 | 139 0.36 | 136 0.42 | 143 0.404 | 124 0.482
Virginia   11 1.12 | 143 0.524 | 172 0.500 | 230 0.364 | 197 0.383 | 76 1.16 | 90 1.02 | 67 1.05
Ohio       130 0.694 | 159 0.529 | 197 0.452 | 185 0.484 | 86 1.05 | 99 0.799 | 77 1.14
Tokyo      34 1.10 | 73 1.01 | 100 0.761 | 210 0.366 | 223 0.36 | 199 0.465
Seoul      74 1.14 | 148 0.58 | 238 0.342 | 235 0.358 | 228 0.335
Singapore  92 0.816 | 169 0.500 | 155 0.535 | 179 0.492
Sydney     262 0.326 | 265 0.328 | 254 0.344
London     14 1.14 | 12 1.09
Frankfurt  24 1.08
Ireland
"""
)
REGIONAL = _triangle(
    """
Virginia    67 1.15 | 59 1.05 | 11 1.12
Oregon      12 1.25 | 49 1.10
California  52 1.02
Ohio
"""
)
REGIONS = ("Oregon", "Virginia", "Ohio", "Tokyo", "Seoul", "Singapore", "Sydney", "London", "Frankfurt", "Ireland")
DTFM = "Yuan et al., Decentralized Training of Foundation Models in Heterogeneous Environments, NeurIPS 2022"
IN_A_REGION: Mapping[str, Pair] = {"": ("5 ms", "2 Gbit/s")}
IN_A_DATACENTER = (
    "typical, not measured: the NIC's nominal rate, and half of the 500 us round trip within a data center of "
    "J. Dean's Numbers Everyone Should Know (keynote at LADIS 2009)"
)

PRESETS: Mapping[str, Preset] = {
    "world": Preset(
        what="ten cloud regions on four continents, one node each by default",
        source=f"{DTFM}: measured between regions; 5 ms and 2 Gbit/s inside one, as assumed there",
        layout=dict.fromkeys(REGIONS, 1),
        inside=IN_A_REGION,
        between=WORLD,
    ),
    "dtfm-0-datacenter": Preset(
        what="8 machines with 8 GPUs each in one data center, no latency",
        source=f"{DTFM}, case 0",
        layout={f"machine-{k}": 8 for k in range(8)},
        inside={"": ("0 s", "100 Gbit/s")},
        between={("", ""): ("0 s", "3.125 Gbit/s")},
    ),
    "dtfm-1-spot": Preset(
        what="8 spot machines with 4 GPUs each and 32 with 1, no latency",
        source=f"{DTFM}, case 1",
        layout={f"machine-{k}": 4 if k < 8 else 1 for k in range(40)},
        inside={"": ("0 s", "1.25 Gbit/s"), **{f"machine-{k}": ("0 s", "100 Gbit/s") for k in range(8)}},
        between={("", ""): ("0 s", "1.25 Gbit/s")},
    ),
    "dtfm-2-universities": Preset(
        what="two universities with 32 GPUs each",
        source=f"{DTFM}, case 2",
        layout={"Ohio": 32, "Virginia": 32},
        inside={"": ("1 ms", "5 Gbit/s")},
        between={("", ""): ("11 ms", "1.12 Gbit/s")},
    ),
    "dtfm-3-regional": Preset(
        what="four regions of the USA with 16 GPUs each",
        source=f"{DTFM}, case 3",
        layout={"Virginia": 16, "Oregon": 16, "California": 16, "Ohio": 16},
        inside=IN_A_REGION,
        between=REGIONAL,
    ),
    "dtfm-4-worldwide": Preset(
        what="eight regions on three continents with 8 GPUs each",
        source=f"{DTFM}, case 4",
        layout={name: 8 for name in REGIONS if name not in {"Singapore", "Sydney"}},
        inside=IN_A_REGION,
        between=WORLD,
    ),
    "dtfm-5-homogeneous": Preset(
        what="the same link between any two nodes",
        source=f"{DTFM}, case 5",
        keys={"latency": "50 ms", "bandwidth": "1 Gbit/s"},
    ),
    "datacenter-25g": Preset(
        what="a data center whose nodes have NICs of 25 Gbit/s",
        source=IN_A_DATACENTER,
        keys={"latency": "250 us", "uplink": "25 Gbit/s", "downlink": "25 Gbit/s"},
    ),
    "datacenter-100g": Preset(
        what="a data center whose nodes have NICs of 100 Gbit/s",
        source=IN_A_DATACENTER,
        keys={"latency": "250 us", "uplink": "100 Gbit/s", "downlink": "100 Gbit/s"},
    ),
    "home-broadband": Preset(
        what="fixed lines of homes in one country, slower upwards",
        source="Ofcom, UK Home Broadband Performance (May 2020): mean speeds in November 2019; latency typical, not measured",
        keys={"latency": "20 ms", "uplink": "14 Mbit/s", "downlink": "64 Mbit/s"},
    ),
    "mobile-4g": Preset(
        what="phones on 4G",
        source="Ofcom, Measuring Mobile Broadband Performance in the UK (April 2015): mean speeds of 4G in five cities at the "
        "end of 2014, and half of the mean round trip of 53.1 ms at either end",
        keys={"latency": "53.1 ms", "uplink": "13.6 Mbit/s", "downlink": "14.7 Mbit/s"},
    ),
}
"""All presets by name."""
