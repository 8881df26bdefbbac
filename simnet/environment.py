"""Where a run took place: versions, device, code."""

from __future__ import annotations

import platform
import sys
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from simnet.errors import SimnetError

PACKAGES = ("simnet", "torch", "numpy", "scipy", "simpy", "networkx", "pandas", "pydantic", "scikit-learn", "matplotlib")


def choose_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` stands for.

    Args:
        name: ``auto`` takes a CUDA GPU where there is one.

    Returns:
        The first GPU, or the CPU.

    Raises:
        SimnetError: for another name, or for ``cuda`` without one.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name not in ("auto", "cpu", "cuda"):
        raise SimnetError(f"device: found {name!r}; allowed: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SimnetError("device: found cuda, but torch sees no CUDA GPU here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@cache
def code_version() -> str:
    """A hash of simnet's own source files: what a run's values depend on beside the scenario.

    Returns:
        16 hexadecimal digits, the same for the same files in any folder.

    Example:
        >>> len(code_version())
        16
    """
    folder = Path(__file__).parent
    digest = blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def describe_environment(device: torch.device, threads: int) -> dict[str, Any]:
    """Versions, device and machine, as ``environment.json`` has them.

    Args:
        device: where the values are computed.
        threads: of one operation of torch.

    Returns:
        Plain values by name.

    Example:
        >>> describe_environment(torch.device("cpu"), 1)["device_type"]
        'cpu'
    """
    return {
        "code": code_version(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine(),
        "device_type": device.type,
        "threads": threads,
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }


@cache
def installed(package: str) -> str:
    """A package's version; empty if it is not installed.

    Args:
        package: its name as a distribution: ``scikit-learn``, not ``sklearn``.

    Returns:
        The version as the package states it.

    Example:
        >>> installed("no-such-package")
        ''
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
