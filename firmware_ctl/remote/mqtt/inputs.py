"""What a bridge is told: by the broker, by the daemon, or by the clock."""

from dataclasses import dataclass
from typing import NamedTuple


class Moment(NamedTuple):
    """The time of an input."""

    now_ms: int
    """A clock that never jumps. Every deadline is on this clock."""
    wall_s: float
    """The wall clock, in seconds since 1970. Only `ends_at` needs it."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class BrokerConnected:
    """The broker has accepted the connection."""


@dataclass(frozen=True, slots=True)
class BrokerLost:
    """There is no connection to the broker any more, or none could be made."""

    why: str
    is_taken_over: bool = False
    """Another client with the same id has connected. Only MQTT 5 tells."""
    is_too_new: bool = False
    """The broker does not know MQTT 5."""


@dataclass(frozen=True, slots=True)
class BrokerAnswered:
    """The broker has answered an `AskBroker`."""


@dataclass(frozen=True, slots=True)
class BrokerRefused:
    """The broker did not accept a message. Only MQTT 5 tells."""

    topic: str
    why: str


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    is_retained: bool
    arrived_at_ms: int
    """When it was read from the broker, on the clock of `Moment.now_ms`."""


@dataclass(frozen=True, slots=True)
class DaemonConnected:
    pass


@dataclass(frozen=True, slots=True)
class DaemonLost:
    why: str


@dataclass(frozen=True, slots=True)
class DaemonLine:
    """A line of the daemon, without its line end."""

    line: str


@dataclass(frozen=True, slots=True)
class StopAnswered:
    """The daemon has confirmed a stop, or no daemon runs that could be stopped."""

    is_absent: bool = False


@dataclass(frozen=True, slots=True)
class StopFailed:
    """A stop could not be handed over."""

    why: str


@dataclass(frozen=True, slots=True)
class Close:
    """The bridge ends."""


Input = (
    Wake | BrokerConnected | BrokerLost | BrokerAnswered | BrokerRefused | Message
    | DaemonConnected | DaemonLost | DaemonLine | StopAnswered | StopFailed | Close
)  # fmt: skip
