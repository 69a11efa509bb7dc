"""What a bridge wants to be done, in the order in which it has to be done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenBroker:
    """Connect to the broker. `BrokerConnected` or `BrokerLost` answers."""

    with_mqtt_5: bool
    """False: with MQTT 3.1.1."""


@dataclass(frozen=True, slots=True)
class CloseBroker:
    """Leave the broker after everything published before. The broker sends no last will."""


@dataclass(frozen=True, slots=True)
class DropBroker:
    """Close the connection to a broker that does not answer."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Publish:
    topic: str
    payload: str
    retain: bool = True


@dataclass(frozen=True, slots=True)
class AskBroker:
    """Ask the broker for a sign of life. `BrokerAnswered` answers."""


@dataclass(frozen=True, slots=True)
class OpenDaemon:
    """Connect to the control socket. `DaemonConnected` or `DaemonLost` answers."""


@dataclass(frozen=True, slots=True)
class DropDaemon:
    """Close the connection to the daemon. A session that it has started ends."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a line to the daemon."""

    line: str


@dataclass(frozen=True, slots=True)
class StopMat:
    """Send the stop byte on a connection of its own. `StopAnswered` or `StopFailed` answers."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a sentence to the log."""

    sentence: str


Action = (
    OpenBroker | CloseBroker | DropBroker | Subscribe | Publish | AskBroker
    | OpenDaemon | DropDaemon | Send | StopMat | Tell
)  # fmt: skip
