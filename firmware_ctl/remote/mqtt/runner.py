"""The process of a bridge: waits for bytes and for time, and carries out the bridge's actions.

The thread of the broker's library puts inputs into one queue; everything else happens here. A stop
goes to the front of the queue.
"""

import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from firmware_ctl.errors import DeviceError
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
from firmware_ctl.remote.mqtt.broker import BrokerLink, Will
from firmware_ctl.remote.mqtt.daemon_socket import (
    HELLO,
    STOPPED,
    DaemonSocket,
    is_absent,
    reason,
)
from firmware_ctl.remote.mqtt.inputs import (
    BrokerLost,
    Close,
    DaemonConnected,
    DaemonLine,
    DaemonLost,
    Input,
    Message,
    Moment,
    StopAnswered,
    StopFailed,
    Wake,
)
from firmware_ctl.remote.mqtt.settings import Settings
from firmware_ctl.remote.mqtt.topics import OFFLINE

QUEUE_MAX: Final = 1_024
"""Most inputs that wait. Further messages are dropped, except stops."""
UNCONFIRMED_MS: Final = 500
"""A connection on which a stop has had no answer for this long is not used for the next one."""


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Runner:
    """Runs one bridge until a signal ends it."""

    def __init__(
        self,
        bridge: Bridge,
        settings: Settings,
        socket_path: Callable[[], str],
        log: Callable[[str], object],
    ) -> None:
        """`socket_path` gives the path of the control socket, again at each try to connect."""
        self._bridge = bridge
        self._settings = settings
        self._socket_path = socket_path
        self._log = log
        self._queue: deque[Input] = deque()
        self._waker, self._wakes = socket.socketpair()
        self._waker.setblocking(False)
        self._wakes.setblocking(False)
        self._broker: BrokerLink | None = None
        self._daemon: DaemonSocket | None = None
        self._stops: DaemonSocket | None = None
        """The connection for stops. None: the next stop opens one."""
        self._unconfirmed_since_ms: int | None = None
        self._is_ending = False

    def run(self) -> None:
        # The kernel may deliver a signal to the broker's thread. Without this the handler would
        # wait until `select` returns in this thread.
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        while True:
            self._do(Wake())
            while self._queue:
                self._do(self._queue.popleft())
            if self._is_ending:
                self._do(Close())
                return
            self._wait()

    def put(self, taken: Input) -> None:
        """Adds an input, from any thread."""
        if isinstance(taken, Message):
            if self._bridge.topics.command_of(taken.topic) == "stop":
                self._queue.appendleft(taken)
            elif len(self._queue) < QUEUE_MAX:
                self._queue.append(taken)
        else:
            self._queue.append(taken)
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._waker.send(b".")

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _wait(self) -> None:
        """Waits until there is something to do, and takes what the daemon has sent."""
        at_ms = self._bridge.wake_at_ms()
        timeout_s = None if at_ms is None else max(0, at_ms - now_ms()) / 1000
        daemon, stops = self._daemon, self._stops
        sockets: list[socket.socket | DaemonSocket] = [self._wakes]
        sockets += [each for each in (daemon, stops) if each is not None]
        readable, _, _ = select.select(sockets, [], [], timeout_s)
        if self._wakes in readable:
            with suppress(BlockingIOError):
                self._wakes.recv(4096)
        if stops is not None and stops in readable:
            self._read_stops(stops)
        if daemon is not None and daemon in readable:
            self._read_daemon(daemon)

    def _do(self, taken: Input) -> None:
        moment = Moment(now_ms(), time.time())
        for action in self._bridge.handle(taken, moment):
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        broker = self._broker
        match action:
            case StopMat():
                self._stop()
            case Send():
                self._send(action.line)
            case Publish():
                if broker is not None:
                    broker.publish(action.topic, action.payload, action.retain, int(action.retain))
            case Subscribe():
                if broker is not None:
                    broker.subscribe(action.filters)
            case AskBroker():
                if broker is not None:
                    broker.ask(self._bridge.topics.probe)
            case OpenBroker():
                self._open_broker(action.with_mqtt_5)
            case CloseBroker() | DropBroker():
                if broker is not None:
                    broker.close() if isinstance(action, CloseBroker) else broker.drop()
                    self._broker = None
            case OpenDaemon():
                self._open_daemon()
            case DropDaemon():
                self._close_daemon()
            case Tell():
                self._log(action.sentence)

    # --- the broker ---

    def _open_broker(self, with_mqtt_5: bool) -> None:
        topics = self._bridge.topics
        if self._broker is not None:
            self._broker.drop()
        try:
            self._broker = BrokerLink(
                self._settings,
                f"firmware-ctl-{topics.mat_id}",
                Will(topics.bridge, OFFLINE),
                with_mqtt_5,
                self.put,
                now_ms,
            )
        except DeviceError as error:
            self.put(BrokerLost(str(error)))
        else:
            self._broker.open()

    # --- the daemon ---

    def _open_daemon(self) -> None:
        path = ""
        try:
            path = self._socket_path()
            self._daemon = DaemonSocket(path)
        except OSError as error:
            self.put(DaemonLost(reason(error, path)))
            return
        self.put(DaemonConnected())
        with suppress(OSError):  # a stop opens it again
            self._stops = self._stops or DaemonSocket(path)
            self._stops.send(HELLO)

    def _read_daemon(self, daemon: DaemonSocket) -> None:
        try:
            lines: Sequence[str] = daemon.lines()
        except (OSError, EOFError):
            self._close_daemon()
            self._do(DaemonLost("it has closed the connection"))
            return
        for line in lines:
            self._do(DaemonLine(line))

    def _send(self, line: str) -> None:
        if self._daemon is None:
            return
        try:
            self._daemon.send(line.encode("ascii") + b"\n")
        except OSError as error:
            self._close_daemon()
            self.put(DaemonLost(error.strerror or str(error)))

    def _close_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None

    # --- stops ---

    def _stop(self) -> None:
        """Sends `!` on the connection for stops, or on a new one if that has not answered."""
        since_ms = self._unconfirmed_since_ms
        if since_ms is not None and now_ms() - since_ms > UNCONFIRMED_MS:
            self._close_stops()
        if self._stops is not None:
            try:
                self._stops.send(b"!")
            except OSError:
                self._close_stops()
        if self._stops is None:
            self._stop_on_new_connection()
        elif self._unconfirmed_since_ms is None:
            self._unconfirmed_since_ms = now_ms()

    def _stop_on_new_connection(self) -> None:
        path = ""
        try:
            path = self._socket_path()
            self._stops = DaemonSocket(path)
            self._stops.send(b"!" + HELLO)
        except OSError as error:
            self._close_stops()
            if is_absent(error):
                self.put(StopAnswered(is_absent=True))
            else:
                self.put(StopFailed(reason(error, path)))
        else:
            self._unconfirmed_since_ms = now_ms()

    def _read_stops(self, stops: DaemonSocket) -> None:
        try:
            lines = stops.lines()
        except (OSError, EOFError):
            self._close_stops()
            return
        if any(line.startswith(STOPPED.decode()) for line in lines):
            self._unconfirmed_since_ms = None
            self._do(StopAnswered())

    def _close_stops(self) -> None:
        if self._stops is not None:
            self._stops.close()
        self._stops = self._unconfirmed_since_ms = None


def machine_id(path: str = "/etc/machine-id") -> str:
    """The text of `/etc/machine-id`. Raises `DeviceError` if there is none."""
    try:
        with open(path, encoding="ascii") as file:
            text = file.read().strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text or text == "uninitialized":
        raise DeviceError(f"{path} has no id of this machine; run: systemd-machine-id-setup")
    return text
