"""`python -m tests.bench.studio_mats PORT COUNT`: many mats on a broker, in one process.

Each mat has its own connection, the real bridge, and the real session with the real commands; time is
an argument of both. In place of the daemon's loop one loop serves all mats, and in place of the socket
lines are handed over in memory. It ends when its input is closed, and prints a line of JSON: what the
bridges and the sessions have computed.
"""

import json
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable

from firmware_ctl.config.profile import Phase
from firmware_ctl.protocol import commands
from firmware_ctl.protocol.connection import Connection, event
from firmware_ctl.remote.mqtt.actions import (
    Action,
    AskBroker,
    DropBroker,
    OpenBroker,
    OpenDaemon,
    Publish,
    Send,
    StopMat,
    Subscribe,
)
from firmware_ctl.remote.mqtt.bridge import Bridge
from firmware_ctl.remote.mqtt.broker import BrokerLink, Will
from firmware_ctl.remote.mqtt.inputs import (
    BrokerLost,
    DaemonConnected,
    DaemonLine,
    Moment,
    StopAnswered,
)
from firmware_ctl.remote.mqtt.inputs import Input as BridgeInput
from firmware_ctl.remote.mqtt.inputs import Wake as BridgeWake
from firmware_ctl.remote.mqtt.runner import now_ms
from firmware_ctl.remote.mqtt.settings import Address, Settings
from firmware_ctl.remote.mqtt.topics import OFFLINE
from firmware_ctl.session.events import Input, LedgerSaved, Origin, Ready, Stop, Wake
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import MAT, entry, steady

PHASE_MS = 5_000
PHASES = tuple(Phase(f"phase {n}", PHASE_MS, 1, (steady("all", 40),)) for n in range(120))
CATALOGUE = Catalogue((entry("studio", *PHASES, mat=MAT._replace(button=None)),))
MISC_MS = 1_000
"""How often each connection keeps itself alive."""


class SimulatedDaemon:
    """The session of one mat and the part of a daemon that commands need. Its disk answers at once."""

    def __init__(self, at_ms: int) -> None:
        self.session = Session(MAT._replace(button=None), CATALOGUE)
        self.connection = Connection(Origin.SOCKET)
        self.lines: list[str] = []
        self.wake_at_ms: int | None = None
        self._at_ms = at_ms
        self.handle(Ready(), at_ms)

    def handle(self, taken: Input, at_ms: int) -> None:
        self._at_ms = at_ms
        step = self.session.handle(taken, at_ms)
        self.lines += map(event, step.notices)
        if step.save is not None:
            saved = self.session.handle(LedgerSaved(step.save.number), at_ms)
            self.lines += map(event, saved.notices)
            self.wake_at_ms = saved.wake_at_ms
        else:
            self.wake_at_ms = step.wake_at_ms
        if step.refusal is not None:
            raise step.refusal

    def ask(self, line: str, at_ms: int) -> None:
        self._at_ms = at_ms
        answer = commands.answer(self, self.connection, line, at_ms)
        self.lines += answer or ["ok"]

    # --- for commands ---

    def act(self, taken: Input) -> None:
        self.handle(taken, self._at_ms)

    def now_ms(self) -> int:
        return self._at_ms

    def start_answer(self, connection: Connection, lines: Callable[[], list[str]]) -> list[str]:
        return lines()

    def press(self, for_ms: int) -> None:
        raise AssertionError

    def reload(self, connection: Connection) -> None:
        raise AssertionError


class SimulatedMat:
    def __init__(self, number: int, settings: Settings) -> None:
        self.daemon = SimulatedDaemon(now_ms())
        self.bridge = Bridge(f"{number:08x}", allow_start=True, discovery_prefix=None)
        self.inputs: deque[BridgeInput] = deque()
        self.link: BrokerLink | None = None
        self.bridge_s = self.session_s = 0.0
        self.idle_at_s = 0.0
        """When the last stop has turned all motors off, on the clock that all processes share."""
        self._settings = settings

    def due_ms(self) -> int | None:
        times = (self.bridge.wake_at_ms(), self.daemon.wake_at_ms)
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    def step(self, at_ms: int) -> None:
        """Everything that is due, and everything that follows from it."""
        if self.daemon.wake_at_ms is not None and self.daemon.wake_at_ms <= at_ms:
            began_s = time.thread_time()
            self.daemon.handle(Wake(), at_ms)
            self.session_s += time.thread_time() - began_s
        self._pass(BridgeWake(), at_ms)
        while self.inputs or self.daemon.lines:
            lines, self.daemon.lines = self.daemon.lines, []
            self.inputs += map(DaemonLine, lines)
            self.take_inputs(at_ms)

    def take_inputs(self, at_ms: int) -> None:
        while self.inputs:
            self._pass(self.inputs.popleft(), at_ms)

    def _pass(self, taken: BridgeInput, at_ms: int) -> None:
        began_s = time.thread_time()
        actions = self.bridge.handle(taken, Moment(at_ms, time.time()))
        asked_s = sum(self._carry_out(action, at_ms) for action in actions)
        self.session_s += asked_s
        self.bridge_s += time.thread_time() - began_s - asked_s

    def _carry_out(self, action: Action, at_ms: int) -> float:
        """Returns the processor time that the session has taken."""
        began_s, link = time.thread_time(), self.link
        match action:
            case Send():
                self.daemon.ask(action.line, at_ms)
                return time.thread_time() - began_s
            case StopMat():
                self.daemon.handle(Stop(Origin.MQTT), at_ms)
                self.idle_at_s = time.monotonic()
                self.inputs.append(StopAnswered())
                return time.thread_time() - began_s
            case OpenDaemon():
                self.inputs.append(DaemonConnected())
            case OpenBroker():
                self._open()
            case DropBroker():
                self.link = None
            case Publish() if link is not None:
                link.publish(action.topic, action.payload, action.retain, int(action.retain))
            case Subscribe() if link is not None:
                link.subscribe(action.filters)
            case AskBroker() if link is not None:
                link.ask(self.bridge.topics.probe)
        return 0.0

    def _open(self) -> None:
        topics = self.bridge.topics
        self.link = BrokerLink(
            self._settings, f"firmware-ctl-{topics.mat_id}", Will(topics.bridge, OFFLINE), True,
            self.inputs.append, now_ms,
        )  # fmt: skip
        try:
            self.link.connect()
        except OSError as error:
            self.link = None
            self.inputs.append(BrokerLost(str(error)))


def serve(mats: list[SimulatedMat]) -> None:
    """Serves all mats until the input is closed."""
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    sockets: dict[SimulatedMat, object] = {}
    misc_at_ms = now_ms()
    while True:
        at_ms = now_ms()
        for mat in mats:
            due_ms = mat.due_ms()
            if mat.inputs or mat.daemon.lines or (due_ms is not None and due_ms <= at_ms):
                mat.step(at_ms)
            sock = mat.link.client.socket() if mat.link is not None else None
            if sock is not sockets.get(mat):
                if sockets.get(mat) is not None:
                    selector.unregister(sockets[mat])  # type: ignore[arg-type]
                if sock is not None:
                    selector.register(sock, selectors.EVENT_READ, mat)  # type: ignore[arg-type]
                sockets[mat] = sock
        is_misc = at_ms >= misc_at_ms
        if is_misc:
            misc_at_ms = at_ms + MISC_MS
        for mat in mats:
            if mat.link is not None and (is_misc or mat.link.client.want_write()):
                began_s = time.thread_time()
                if mat.link.client.want_write():
                    mat.link.client.loop_write()
                if is_misc:
                    mat.link.client.loop_misc()
                mat.bridge_s += time.thread_time() - began_s
        next_ms = min([misc_at_ms, *(due for mat in mats if (due := mat.due_ms()) is not None)])
        if any(mat.inputs or mat.daemon.lines for mat in mats):
            next_ms = at_ms
        for key, _ in selector.select(max(0.0, next_ms - now_ms()) / 1000):
            mat = key.data
            if mat is None:
                return
            began_s = time.thread_time()
            mat.link.client.loop_read()
            mat.bridge_s += time.thread_time() - began_s
            # Only what the broker has sent: a stop of the next mat must not wait for this one's answers.
            mat.take_inputs(now_ms())


def main() -> None:
    port, count = map(int, sys.argv[1:])
    settings = Settings(Address("127.0.0.1", port), discovery_prefix=None)
    mats = [SimulatedMat(number + 1, settings) for number in range(count)]
    serve(mats)
    totals = {
        "bridge_s": sum(mat.bridge_s for mat in mats),
        "session_s": sum(mat.session_s for mat in mats),
        "idle_at_s": [mat.idle_at_s for mat in mats],
    }
    print(json.dumps(totals), flush=True)


if __name__ == "__main__":
    main()
