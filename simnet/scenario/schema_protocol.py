"""What a scenario says about the transport protocol of its network."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simnet.part import Part
from simnet.scenario.quantities import Seconds


class StartUp(Part):
    """TCP's slow start: a connection that is fresh, or was idle, begins with a small window and doubles it each round trip.

    Args:
        initial_window: segments of 1448 bytes that go out at once.
        idle: a connection that has sent nothing for longer than this begins anew [s].
        handshake: whether opening a connection, before its first message, takes a round trip.
    """

    initial_window: Annotated[int, Field(ge=1)] = 10
    idle: Seconds = Field(default="1 s")  # type: ignore[assignment]  # read as in a file
    handshake: bool = False


class Protocol(Part):
    """What a transport protocol adds to each message; TCP over Ethernet has the values in brackets.

    Args:
        overhead: bits on the wire for one bit of a message (1.0456: frames of 1514 bytes carry 1448).
        acknowledgements: bits that flow back for one bit on the wire (0.022: 66 bytes for every second frame).
        start_up: slow start of fresh and idle connections, one for each directed link, and their messages in order; None:
            connections are always warm.
        rendezvous: a message waits one latency more, until the receiver is known to be ready (gloo).
        in_order: messages of one directed link are served one after the other, whatever the sharing rule.
    """

    overhead: Annotated[float, Field(ge=1)] = 1.0
    acknowledgements: Annotated[float, Field(ge=0, le=1)] = 0.0
    start_up: StartUp | None = None
    rendezvous: bool = False
    in_order: bool = False
