"""The time plane: the clock, compute times, links and their sharing rules. It decides when, knows bits, and holds no tensor."""

from simnet.clock.building import build_network
from simnet.clock.clock import Clock
from simnet.clock.compute import compute_times
from simnet.clock.events import ComputeEvent, Message, Receipt
from simnet.clock.machine import Machine
from simnet.clock.network import Network
from simnet.clock.process import Process, Program
from simnet.clock.questions import Payload
from simnet.clock.timeline import Timeline

__all__ = [
    "Clock",
    "ComputeEvent",
    "Machine",
    "Message",
    "Network",
    "Payload",
    "Process",
    "Program",
    "Receipt",
    "Timeline",
    "build_network",
    "compute_times",
]
