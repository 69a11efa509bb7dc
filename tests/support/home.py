"""A home on virtual time: a broker in memory, the real bridge, and a real daemon with its session."""

import json
from collections.abc import Collection
from typing import Any

from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.remote.mqtt.actions import (
    Action,
    AskBroker,
    CloseBroker,
    DropBroker,
    DropDaemon,
    OpenBroker,
    OpenDaemon,
    Publish,
    Send,
    StopMat,
    Subscribe,
    Tell,
)
from firmware_ctl.remote.mqtt.bridge import Bridge
from firmware_ctl.remote.mqtt.inputs import (
    BrokerAnswered,
    BrokerConnected,
    BrokerLost,
    Close,
    DaemonConnected,
    DaemonLine,
    DaemonLost,
    Input,
    Message,
    Moment,
    StopAnswered,
    Wake,
)
from firmware_ctl.session.events import State, Step
from firmware_ctl.session.session import Session
from tests.support.daemon import Daemon
from tests.support.worlds import CATALOGUE, LIMITS, MAT, MINUTE_MS, Finger, Pins, Wire

ID = "0badcafe"
NOON_S = 1_800_000_000.0


class StepPoller:
    """A `Poller` whose time is set from outside. It returns wires with unread bytes at once."""

    def __init__(self) -> None:
        self.target_ms = 0
        self.until_ms = 0
        self._now_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def slept_ms(self) -> int:
        return 0

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        readable = [
            each for each in readers if isinstance(each, Wire) and (each.chunks or each.ended)
        ]
        if not readable:
            self.until_ms = until_ms
            self._now_ms = max(self._now_ms, min(until_ms, self.target_ms))
        return readable


class VirtualDaemon:
    """A daemon of the small mat, whose rounds are made up to a given time."""

    def __init__(self) -> None:
        mat = MAT._replace(limits=LIMITS._replace(daily_ms=12 * MINUTE_MS))
        self.poller = StepPoller()
        self.finger = Finger()
        self.session = Session(mat, CATALOGUE)
        latch = Latch(mat, Pins(self.poller.now_ms), NoDeadman())
        self.daemon = Daemon(self.session, self.poller, latch, self.finger)
        self.steps: list[Step] = []
        self.daemon.player.on_step.append(self.steps.append)
        self.daemon.loop.tick()
        self.daemon.loop.later(0, self.daemon.loop._become_ready)

    def join(self) -> Wire:
        wire = Wire()
        self.daemon.join(wire)
        return wire

    def advance(self, target_ms: int) -> None:
        self.poller.target_ms = target_ms
        while True:
            self.poller.until_ms = 0
            self.daemon.loop._round()
            if self.poller.until_ms > target_ms:
                return


class Home:
    """Advances bridge, broker and daemon together. `at` moves the time; everything else is now."""

    def __init__(self, allow_start: bool = True, prefix: str | None = "homeassistant") -> None:
        self.now_ms = 0
        self.wall_s = NOON_S
        self.daemon: VirtualDaemon | None = VirtualDaemon()
        self.bridge = Bridge(ID, allow_start, prefix)
        self.broker_is_up = True
        self.broker_accepts = True
        """False: the broker takes connections and never answers."""
        self.broker_answers = True
        self.with_mqtt_5 = True
        self.daemon_confirms = True
        """False: stops arrive, and their answers get lost."""
        self.retained: dict[str, str] = {}
        self.messages: list[tuple[str, str]] = []
        self.subscribed: tuple[str, ...] = ()
        self.told: list[str] = []
        self.actions: list[Action] = []
        self.is_connected = False
        self._wire: Wire | None = None
        self._stops: Wire | None = None
        self._inputs: list[Input] = []

    # --- what happens in the home ---

    def at(self, at_ms: int) -> "Home":
        """Lets time pass, in steps that neither the bridge nor the daemon notices as late."""
        while self.now_ms < at_ms:
            wake_ms = self.bridge.wake_at_ms()
            step_ms = min(at_ms, self.now_ms + 50)
            self.now_ms = (
                step_ms if wake_ms is None else max(self.now_ms + 1, min(step_ms, wake_ms))
            )
            self._settle()
        return self

    def send(self, command: str, payload: str | bytes = "", retain: bool = False) -> None:
        topic = command if "/" in command else self.bridge.topics.command(command)
        data = payload.encode() if isinstance(payload, str) else payload
        self.put(Message(topic, data, retain, self.now_ms))

    def put(self, taken: Input) -> None:
        self._inputs.append(taken)
        self._settle()

    def lose_broker(self) -> None:
        self.is_connected = self.broker_is_up = False
        self.put(BrokerLost("Connection reset by peer"))

    def lose_daemon(self) -> None:
        self.daemon = self._wire = self._stops = None
        self.put(DaemonLost("it has closed the connection"))

    def restart_daemon(self) -> None:
        self.daemon = VirtualDaemon()
        self.daemon.advance(self.now_ms)

    # --- what can be seen ---

    @property
    def state(self) -> State:
        assert self.daemon is not None
        return self.daemon.session.state

    @property
    def published_state(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.retained[self.bridge.topics.state])
        return value

    @property
    def events(self) -> list[dict[str, Any]]:
        topic = self.bridge.topics.event
        return [json.loads(payload) for each, payload in self.messages if each == topic]

    def refusals(self) -> list[tuple[str, str]]:
        return [
            (each["command"], each["code"])
            for each in self.events
            if each["event_type"] == "refused"
        ]

    # --- the edges ---

    def _settle(self) -> None:
        self._handle(Wake())
        while True:
            if self.daemon is not None:
                self.daemon.advance(self.now_ms)
            self._hear()
            if not self._inputs:
                return
            while self._inputs:
                self._handle(self._inputs.pop(0))

    def _hear(self) -> None:
        if self._wire is not None:
            self._inputs += [DaemonLine(line) for line in self._wire.lines()]
        if self._stops is not None and "* stopped" in self._stops.lines() and self.daemon_confirms:
            self._inputs.append(StopAnswered())

    def _handle(self, taken: Input) -> None:
        moment = Moment(self.now_ms, self.wall_s + self.now_ms / 1000)
        for action in self.bridge.handle(taken, moment):
            self.actions.append(action)
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case OpenBroker():
                if not self.broker_is_up:
                    self._inputs.append(BrokerLost("Connection refused"))
                elif action.with_mqtt_5 and not self.with_mqtt_5:
                    self._inputs.append(BrokerLost("Unsupported protocol version", is_too_new=True))
                elif self.broker_accepts:
                    self.is_connected = True
                    self._inputs.append(BrokerConnected())
            case CloseBroker() | DropBroker():
                self.is_connected = False
            case Subscribe():
                self.subscribed = action.filters
            case Publish():
                assert self.is_connected, action
                self.messages.append((action.topic, action.payload))
                if action.retain and action.payload:
                    self.retained[action.topic] = action.payload
                elif action.retain:
                    self.retained.pop(action.topic, None)
            case AskBroker():
                if self.is_connected and self.broker_answers:
                    self._inputs.append(BrokerAnswered())
            case OpenDaemon():
                if self.daemon is None:
                    self._inputs.append(DaemonLost("nothing listens"))
                else:
                    self._wire, self._stops = self.daemon.join(), self.daemon.join()
                    self._stops.chunks.append(b"hello mqtt\n")
                    self._inputs.append(DaemonConnected())
            case DropDaemon():
                if self._wire is not None:
                    self._wire.ended = True
                self._wire = None
            case Send():
                if self._wire is not None:
                    self._wire.chunks.append(action.line.encode() + b"\n")
            case StopMat():
                if self._stops is None:
                    self._inputs.append(StopAnswered(is_absent=True))
                else:
                    self._stops.chunks.append(b"!")
            case Tell():
                self.told.append(action.sentence)

    def close(self) -> None:
        self.put(Close())
