"""Devices by name: peak speed in single precision and memory, each with where the figures come from.

GPUs: the vendor's figure for plain float32 (no tensor cores, no sparsity). Processors: cores x clock x operations per cycle
(fused multiply-adds of float32 on all SIMD units: twice the lanes), which no vendor states and no program reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from simnet import units

UTILISATION = 0.3
"""Assumed share of the peak that a gradient reaches.

An assumption, not a measurement: tuned training of large models reaches 0.2 to 0.5, small models and batches far less.
"""


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a device.

    Args:
        speed: peak in float32, as text.
        memory: of the device, as text.
        what: the device in words.
        source: where speed and memory come from.
    """

    speed: str
    memory: str
    what: str
    source: str

    @property
    def flops(self) -> float:
        """Peak speed in float32 [flop/s]."""
        return units.parse(self.speed, units.FLOP_RATES, "35 Tflop/s")

    @property
    def memory_bits(self) -> float:
        """Memory [bit]."""
        return units.parse_size(self.memory)


def processor(cores: int, clock_ghz: str, per_cycle: int) -> str:
    """Peak of equal cores as text: cores x clock x operations per cycle.

    Args:
        cores: how many.
        clock_ghz: in GHz, a decimal number.
        per_cycle: float32 operations of one core in one cycle.

    Returns:
        A number and a unit.

    Example:
        >>> processor(4, "1.5", 8)
        '48 Gflop/s'
    """
    return f"{(cores * Decimal(clock_ghz) * per_cycle).normalize():f} Gflop/s"


DEVICES = {
    "raspberry-pi-4": Preset(
        processor(4, "1.5", 8),
        "4 GB",
        "Raspberry Pi 4 Model B, its processor",
        "product brief (BCM2711: 4 Cortex-A72 at 1.5 GHz; 1 to 8 GB); one 128-bit multiply-add per cycle (Arm)",
    ),
    "raspberry-pi-5": Preset(
        processor(4, "2.4", 16),
        "8 GB",
        "Raspberry Pi 5, its processor",
        "product brief (BCM2712: 4 Cortex-A76 at 2.4 GHz; 2 to 16 GB); two 128-bit multiply-adds per cycle (Arm)",
    ),
    "phone": Preset(
        "216 Gflop/s",
        "8 GB",
        "a phone with Snapdragon 8 Gen 1, its fast cores",
        "product brief (1 Cortex-X2 at 3.0 GHz, 3 Cortex-A710 at 2.5 GHz); 4 and 2 128-bit multiply-adds per cycle (Arm)",
    ),
    "laptop-cpu": Preset(
        processor(4, "3.0", 32),
        "16 GB",
        "a laptop with Core i7-1185G7, its processor",
        "Intel's product page (4 cores, 3.0 GHz base); two 256-bit multiply-adds per cycle",
    ),
    "jetson-nano": Preset(
        processor(128, "0.9216", 2),
        "4 GB",
        "NVIDIA Jetson Nano",
        "data sheet (128 Maxwell cores at 921.6 MHz; 472 Gflop/s in float16 is twice that)",
    ),
    "jetson-agx-orin": Preset(
        "5.3 Tflop/s", "64 GB", "NVIDIA Jetson AGX Orin 64GB", "NVIDIA Jetson AGX Orin Series technical brief (2022)"
    ),
    "t4": Preset("8.1 Tflop/s", "16 GB", "NVIDIA T4", "NVIDIA T4 data sheet"),
    "v100": Preset("15.7 Tflop/s", "32 GB", "NVIDIA V100 SXM2", "NVIDIA V100 data sheet"),
    "a100": Preset("19.5 Tflop/s", "80 GB", "NVIDIA A100 80GB", "NVIDIA A100 data sheet"),
    "h100": Preset("67 Tflop/s", "80 GB", "NVIDIA H100 SXM", "NVIDIA H100 data sheet"),
    "rtx-3090": Preset("35.6 Tflop/s", "24 GB", "GeForce RTX 3090", "NVIDIA Ampere GA102 architecture white paper (2020)"),
    "rtx-4090": Preset("82.6 Tflop/s", "24 GB", "GeForce RTX 4090", "NVIDIA Ada GPU architecture white paper (2022)"),
}
