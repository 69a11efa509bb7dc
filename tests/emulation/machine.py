"""One emulated Raspberry Pi 3B in QEMU: its console, its UART, and its pins as the host sees them.

This module knows registers and QEMU's sockets. It never knows which programs run in the guest. All
times are on the host's monotonic clock.
"""

import json
import re
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, NamedTuple, Self

from tests.emulation.build import Image

LIFE_S: Final = 1200
"""`timeout` kills QEMU after this time, so that a test that hangs leaves no QEMU behind."""
TIMEOUT_CODES: Final = (124, 137)
"""The exit codes of `timeout` after it has killed its program."""
ANSWER_S: Final = 120.0
"""How long QEMU or the guest may take to answer."""
RECENT_BYTES: Final = 4000
"""How much of the console's output is kept for the report of a failed test."""

GPIO: Final = 0x3F20_0000
"""The address of the GPIO registers. The first ones select each pin's function, in three bits a pin."""
SET, CLEAR, LEVEL = GPIO + 0x1C, GPIO + 0x28, GPIO + 0x34
OUTPUT: Final = 1
HEADER_PINS: Final = range(28)
"""Of the chip's 54 pins, those on the Pi's header."""


class Edge(NamedTuple):
    at_s: float
    pin: int
    is_high: bool


class Change(NamedTuple):
    """From this time on the pin is a high output, or no longer one: it is low, or an input."""

    at_s: float
    pin: int
    is_high_output: bool


class Qtest:
    """QEMU's qtest socket: it reads and writes registers, and reports each edge of an output.

    Answers have no numbers; only their order assigns them to requests. After one answer that did not
    arrive in time no later one can be assigned, so every further request fails at once.
    """

    def __init__(self, connection: socket.socket, why_closed: Callable[[], str]) -> None:
        self.edges: list[Edge] = []
        """Edges of pins on the header."""
        self.internal_edges: list[Edge] = []
        """Edges of pins that are not on the header."""
        self._connection = connection
        self._why_closed = why_closed
        self._answers: list[str] = []
        self._failure = ""
        """Why every further request fails. Empty: requests are possible."""
        self._is_closed = False
        self._answered = threading.Condition()
        self._asking = threading.Lock()
        """Held from a request to its answer."""
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def close(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._listener.join()

    def ask(self, request: str, within_s: float = ANSWER_S) -> list[str]:
        """Sends a request. Returns the words of the answer after its `OK`."""
        with self._asking, self._answered:
            if self._failure:
                raise RuntimeError(f"{request!r} was not sent: {self._failure}")
            with suppress(OSError):  # the socket is closed, and the listener will report that
                self._connection.sendall(request.encode() + b"\n")
            self._answered.wait_for(lambda: self._answers or self._is_closed, within_s)
            if not self._answers:
                self._failure = (
                    self._why_closed()
                    if self._is_closed
                    else f"QEMU did not answer {request!r} within {within_s:g} s"
                )
                raise RuntimeError(self._failure)
            verdict, *words = self._answers.pop(0).split()
            if verdict != "OK":
                raise RuntimeError(f"QEMU refused {request!r}: {' '.join([verdict, *words])}")
            return words

    def _listen(self) -> None:
        """Runs in a thread, so that each edge gets the host's time as soon as it arrives."""
        incomplete_line = b""
        while data := self._receive():
            now_s = time.monotonic()
            *lines, incomplete_line = (incomplete_line + data).split(b"\n")
            for line in lines:
                words = line.split()
                if words[:1] == [b"IRQ"]:
                    edge = Edge(now_s, int(words[2]), words[1] == b"raise")
                    (self.edges if edge.pin in HEADER_PINS else self.internal_edges).append(edge)
                else:
                    with self._answered:
                        self._answers.append(line.decode())
                        self._answered.notify()
        with self._answered:
            self._is_closed = True
            self._answered.notify()

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(1 << 16)
        except OSError:
            return b""


class Machine:
    """A running emulated Pi.

    `snapshot`: restore this file, which was saved from the same image with the same settings. None:
    boot. `bottom_layer`: an initramfs archive below the layers of the image. `life_s`: `timeout` kills
    the machine after so many seconds.
    """

    running: ClassVar[list["Machine"]] = []
    """All machines that run now. The report of a failed test shows the recent output of each."""

    def __init__(
        self,
        image: Image,
        persist: bool = True,
        snapshot: Path | None = None,
        bottom_layer: bytes = b"",
        life_s: int = LIFE_S,
    ) -> None:
        self.life_s = life_s
        with ExitStack() as self._stack:
            self._start(image, persist, snapshot, bottom_layer)
            # After an error above, the stack has ended all that was started. From here on `close` does.
            self._stack = self._stack.pop_all()

    def _start(
        self, image: Image, persist: bool, snapshot: Path | None, bottom_layer: bytes
    ) -> None:
        self._folder = folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pi-"))
        )
        initramfs = folder / "initramfs"
        with initramfs.open("wb") as file:
            for part in (bottom_layer, *(layer.read_bytes() for layer in image.layers)):
                file.write(part + b"\0" * (-len(part) % 512))
        command = [
            *("timeout", "-k", "5", str(self.life_s), "qemu-system-aarch64", "-M", "raspi3b"),
            *("-kernel", str(image.kernel), "-dtb", str(image.device_tree), "-initrd", str(initramfs)),
            *("-append", f"console=ttyS1,115200 rdinit=/init panic=0 quiet loglevel=2 "
              f"pinctrl_bcm2835.persist_gpio_outputs={int(persist)} systemd.show_status=0"),
            *("-chardev", "pty,id=uart", "-serial", "chardev:uart"),
            *("-chardev", f"socket,id=con,path={folder}/con,server=on,wait=off"),
            *("-serial", "chardev:con", "-display", "none", "-monitor", "none"),
            *("-qmp", f"unix:{folder}/qmp,server=on,wait=off"),
            *("-qtest", f"unix:{folder}/qtest,server=on,wait=off", "-qtest-log", "none"),
            # With one thread a boot is half a minute faster. A session needs several threads.
            *("-accel", "tcg" if snapshot else "tcg,thread=single"),
        ]  # fmt: skip
        if snapshot:
            command += ["-incoming", f"exec:cat {snapshot}"]
        log = self._stack.enter_context((folder / "log").open("w"))
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._stack.callback(self.process.wait)
        self._stack.callback(self.process.terminate)
        self._qmp = self._stack.enter_context(self._connect("qmp").makefile("rw"))
        self._qmp.readline()
        self.qmp("qmp_capabilities")
        while self.qmp("query-status")["status"] == "inmigrate":
            time.sleep(0.02)  # until then the snapshot overwrites whatever is typed
        self.uart = next(
            str(each["filename"]).removeprefix("pty:")
            for each in self.qmp("query-chardev") if each["label"] == "uart"
        )  # fmt: skip
        self._console = self._connect("con")
        self._unread = b""
        """Output of the console that no `wait_for` has consumed."""
        self._recent = b""
        """The last bytes of the console's output, consumed or not."""
        self.running.append(self)
        self._stack.callback(self.running.remove, self)
        self._qtest = Qtest(self._connect("qtest"), self._why_closed)
        self._stack.callback(self._qtest.close)
        self.edges = self._qtest.edges
        self.internal_edges = self._qtest.internal_edges
        self._qtest.ask("irq_intercept_out /machine/soc/peripherals/gpio")
        self.is_awake = not snapshot or self._wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def _connect(self, name: str) -> socket.socket:
        connection = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        for _ in range(200):
            try:
                connection.connect(f"{self._folder}/{name}")
                return connection
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"QEMU did not start: {self._log()}")

    def _log(self) -> str:
        return (self._folder / "log").read_text()

    def _why_closed(self) -> str:
        """Why QEMU has closed a socket: it has ended, or it was killed after `life_s`."""
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return f"QEMU still runs but has closed a socket: {self._log()}"
        if code in TIMEOUT_CODES:
            return (
                f"the emulated Pi was killed after its {self.life_s} s; pass a longer `life_s` if the "
                "test needs more time"
            )
        return f"QEMU ended with exit code {code}: {self._log()}"

    # --- QEMU ---

    def qmp(self, command: str, **arguments: Any) -> Any:
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._qmp.flush()
        while line := self._qmp.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]
        raise RuntimeError(f"{command}: {self._why_closed()}")

    def save(self, path: Path) -> None:
        """Writes a snapshot. The machine then stands still until `qmp("cont")`."""
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=f"exec:cat > {path}")
        while (status := self.qmp("query-migrate")["status"]) != "completed":
            if status == "failed":
                raise RuntimeError("QEMU cannot write the snapshot")
            time.sleep(0.05)

    def _wake(self) -> bool:
        """Sets a timer on each processor of the restored guest. False if one of them does not run.

        The emulated interrupt controller does not save a pending timer interrupt, so a processor may
        wait for one that the snapshot has lost. The next timer on that processor makes it run again,
        if the guest can still set one there.
        """
        try:
            return self.shell("for c in 0 1 2 3; do taskset -c $c sleep 0.01; done", 60)[0] == 0
        except (RuntimeError, TimeoutError):  # a processor hangs, or the kernel has found it dead
            return False

    # --- pins ---

    def read(self, address: int) -> int:
        return int(self._qtest.ask(f"readl {address:#x}")[0], 16)

    def is_output(self, pin: int) -> bool:
        return self.read(GPIO + 4 * (pin // 10)) >> pin % 10 * 3 & 7 == OUTPUT

    def is_high(self, pin: int) -> bool:
        """Valid for an output only: the emulated chip gives an input the level of its last output."""
        return bool(self.read(LEVEL) >> pin & 1)

    def watch(self, pins: Sequence[int], is_over: Callable[[], object]) -> list[Change]:
        """Watches pins until `is_over`. Returns the first state of each pin and its changes.

        Times are exact to a few milliseconds. QEMU reports edges, but neither that a pin becomes an
        input or an output, nor the level that was set while it was an input. So this method polls
        the pins' functions, and reads the level of a pin when its function has changed.
        """
        first_edge = len(self.edges)
        outputs: dict[int, bool] = {}
        levels: list[Edge] = []
        functions: list[Edge] = []
        """Here `is_high` means that the pin is an output."""
        done = False
        while not done:
            done = bool(is_over())
            registers = [self.read(GPIO + 4 * i) for i in range(3)]
            now_s = time.monotonic()
            for pin in pins:
                is_output = registers[pin // 10] >> pin % 10 * 3 & 7 == OUTPUT
                if outputs.get(pin) is not is_output:
                    outputs[pin] = is_output
                    functions.append(Edge(now_s, pin, is_output))
                    levels.append(Edge(now_s, pin, self.is_high(pin)))
            time.sleep(0.005)
        reported = [edge for edge in self.edges[first_edge:] if edge.pin in outputs]
        # The key is the time alone, so that edges with the same time keep their order.
        return changes(sorted(levels + reported, key=lambda edge: edge.at_s), functions)

    def set_input(self, pin: int, is_high: bool) -> None:
        """Sets the level that an input reads. The guest sees no edge, because the board emulates none.

        The emulated chip has one latch for the level of an input and of an output. On an output this
        call would change what the guest drives, so it raises ValueError.
        """
        if self.is_output(pin):
            raise ValueError(f"pin {pin} is an output of the guest; only an input can be set")
        self._qtest.ask(f"writel {SET if is_high else CLEAR:#x} {1 << pin:#x}")

    # --- the console ---

    def wait_for(self, pattern: str, within_s: float = ANSWER_S) -> "re.Match[bytes]":
        """Waits until the console prints the pattern, and consumes the output up to its end."""
        until_s = time.monotonic() + within_s
        while not (match := re.search(pattern.encode(), self._unread)):
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._console], [], [], left_s)[0]:
                raise TimeoutError(
                    f"the console did not print {pattern!r} within {within_s:g} s; its output ends "
                    f"with {self._unread[-2000:]!r}"
                )
            self._receive()
        self._unread = self._unread[match.end() :]
        return match

    def _receive(self) -> None:
        data = self._console.recv(1 << 16)
        if not data:
            raise RuntimeError(
                f"{self._why_closed()}; the console's output ends with {self._unread[-2000:]!r}"
            )
        self._unread += data
        self._recent = (self._recent + data)[-RECENT_BYTES:]

    def recent_output(self) -> str:
        """The last output of the console up to now, whether it was consumed or not."""
        with suppress(OSError, RuntimeError):
            while select.select([self._console], [], [], 0)[0]:
                self._receive()
        return self._recent.decode(errors="replace").replace("\r\n", "\n")

    def type(self, text: str) -> None:
        self._console.sendall(text.encode())

    def shell(self, command: str, within_s: float = ANSWER_S) -> tuple[int, str]:
        """Runs a command in the guest's root shell. Returns its exit code and its output."""
        self.type(f'{command}\necho "=$?"=\n')
        match = self.wait_for(r"(?s)(.*)=(\d+)=\r?\n", within_s)
        return int(match[2]), match[1].decode(errors="replace").replace("\r\n", "\n")


def changes(levels: Sequence[Edge], functions: Sequence[Edge]) -> list[Change]:
    """When each pin became a high output, and when it was no longer one.

    `functions` are the times at which a pin became an output (`is_high`) or an input.
    """
    is_high: dict[int, bool] = {}
    is_output: dict[int, bool] = {}
    is_high_output: dict[int, bool] = {}
    result = []
    # At the same time a level comes before a function, so that an output starts with its own level.
    events = [(edge.at_s, 0, edge) for edge in levels] + [(e.at_s, 1, e) for e in functions]
    for _, is_function, edge in sorted(events, key=lambda event: event[:2]):
        (is_output if is_function else is_high)[edge.pin] = edge.is_high
        now = is_high.get(edge.pin, False) and is_output.get(edge.pin, False)
        if is_high_output.get(edge.pin) is not now:
            is_high_output[edge.pin] = now
            result.append(Change(edge.at_s, edge.pin, now))
    return result


def high_pct(edges: Sequence[Edge], pin: int, from_s: float, to_s: float) -> float:
    """The share of the time for which a pin was high, in percent. Before its first edge it was low."""
    high_s = 0.0
    since_s = None
    for edge in edges:
        if edge.pin == pin and edge.at_s < to_s:
            if since_s is not None:
                high_s += max(0, edge.at_s - max(since_s, from_s))
            since_s = edge.at_s if edge.is_high else None
    if since_s is not None:
        high_s += to_s - max(since_s, from_s)
    return 100 * high_s / (to_s - from_s)
