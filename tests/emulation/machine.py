"""One emulated Pi 3B in QEMU: its console, its UART, and its pins as seen from outside.

It knows registers and QEMU's sockets, and nothing of the program that runs inside. Time is the
host's monotonic clock.
"""

import json
import os
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
from typing import Any, ClassVar, Final, NamedTuple

from tests.emulation.build import Image

LIFE_S: Final = 1200
"""`timeout` ends a machine after this, so that a test that hangs leaves no QEMU behind."""
TIMED_OUT: Final = (124, 137)
"""What `timeout` ends with then."""
PATIENCE_S: Final = 120.0
LAST_BYTES: Final = 4000

PROCESSORS: Final = min(4, os.cpu_count() or 1)
"""The guest uses as many of the Pi's four processors as the host has. QEMU runs each on a thread of
its own: with more threads than the host has processors, the host holds some of them up, and the
guest sees its time jump."""

GPIO: Final = 0x3F20_0000
SET, CLEAR, LEVEL = GPIO + 0x1C, GPIO + 0x28, GPIO + 0x34
OUTPUT: Final = 1
HEADER: Final = range(28)
"""The pins that a Pi's header has, of the chip's 54."""


class Edge(NamedTuple):
    at_s: float
    pin: int
    is_high: bool


class Change(NamedTuple):
    """A pin drives what hangs on it from now on, or no longer: it is low, or an input."""

    at_s: float
    pin: int
    drives: bool


class Qtest:
    """QEMU's socket for tests: it reads and writes registers, and tells each edge of an output.

    The answers have no numbers: they belong to the requests by their order alone. So after an
    answer that did not come in time no later one can be trusted, and every request fails at once.
    """

    def __init__(self, connection: socket.socket, why_gone: Callable[[], str]) -> None:
        self.edges: list[Edge] = []
        """Of the header's pins."""
        self.inner_edges: list[Edge] = []
        """Of the pins that the header does not have."""
        self._connection = connection
        self._why_gone = why_gone
        self._answers: list[str] = []
        self._failed = ""
        """Why nothing can be asked any more; empty: it can."""
        self._is_closed = False
        self._answered = threading.Condition()
        self._asking = threading.Lock()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def close(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._listener.join()

    def ask(self, request: str, within_s: float = PATIENCE_S) -> list[str]:
        """The words of the answer after its `OK`."""
        with self._asking, self._answered:
            if self._failed:
                raise RuntimeError(f"{request!r} was not asked: {self._failed}")
            with suppress(OSError):  # then the socket is closed, which the listener finds as well
                self._connection.sendall(request.encode() + b"\n")
            self._answered.wait_for(lambda: self._answers or self._is_closed, within_s)
            if not self._answers:
                self._failed = (
                    self._why_gone()
                    if self._is_closed
                    else f"QEMU did not answer {request!r} within {within_s:g} s"
                )
                raise RuntimeError(self._failed)
            verdict, *words = self._answers.pop(0).split()
            if verdict != "OK":
                raise RuntimeError(f"QEMU refused {request!r}: {' '.join([verdict, *words])}")
            return words

    def _listen(self) -> None:
        """Edges get the host's time here, on a thread of their own."""
        half = b""
        while data := self._receive():
            now_s = time.monotonic()
            *lines, half = (half + data).split(b"\n")
            for line in lines:
                words = line.split()
                if words[:1] == [b"IRQ"]:
                    edge = Edge(now_s, int(words[2]), words[1] == b"raise")
                    (self.edges if edge.pin in HEADER else self.inner_edges).append(edge)
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
    """A running Pi. Without `snapshot` it boots, with `more` as a layer under the image's; a
    snapshot wants the same image and settings. It is ended after `life_s`."""

    running: ClassVar[list["Machine"]] = []
    """Those that are now: a test that fails tells what they said last."""

    def __init__(
        self,
        image: Image,
        persist: bool = True,
        snapshot: Path | None = None,
        more: bytes = b"",
        life_s: int = LIFE_S,
    ) -> None:
        self.life_s = life_s
        with ExitStack() as self._stack:
            self._start(image, persist, snapshot, more)
            # Until here an error ends what was begun; from here the caller does.
            self._stack = self._stack.pop_all()

    def _start(self, image: Image, persist: bool, snapshot: Path | None, more: bytes) -> None:
        self._folder = folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pi-"))
        )
        initramfs = folder / "initramfs"
        with initramfs.open("wb") as file:
            for part in (more, *(layer.read_bytes() for layer in image.layers)):
                file.write(part + b"\0" * (-len(part) % 512))
        command = [
            *("timeout", "-k", "5", str(self.life_s), "qemu-system-aarch64", "-M", "raspi3b"),
            *("-kernel", str(image.kernel), "-dtb", str(image.tree), "-initrd", str(initramfs)),
            *("-append", f"console=ttyS1,115200 rdinit=/init panic=0 quiet loglevel=2 maxcpus={PROCESSORS} "
              f"pinctrl_bcm2835.persist_gpio_outputs={int(persist)} systemd.show_status=0"),
            *("-chardev", "pty,id=uart", "-serial", "chardev:uart"),
            *("-chardev", f"socket,id=con,path={folder}/con,server=on,wait=off"),
            *("-serial", "chardev:con", "-display", "none", "-monitor", "none"),
            *("-qmp", f"unix:{folder}/qmp,server=on,wait=off"),
            *("-qtest", f"unix:{folder}/qtest,server=on,wait=off", "-qtest-log", "none"),
            # Booting on several threads loses half a minute; playing on one is too slow.
            *("-accel", "tcg" if snapshot else "tcg,thread=single"),
        ]  # fmt: skip
        if snapshot:
            command += ["-incoming", f"exec:cat {snapshot}"]
        log = self._stack.enter_context((folder / "log").open("w"))
        self.begun_s = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._stack.callback(self.process.wait)
        self._stack.callback(self.process.terminate)
        self._qmp = self._stack.enter_context(self._connect("qmp").makefile("rw"))
        self._qmp.readline()
        self.qmp("qmp_capabilities")
        while self.qmp("query-status")["status"] == "inmigrate":
            time.sleep(0.02)  # what is typed before is overwritten by the snapshot
        self.uart = next(
            str(each["filename"]).removeprefix("pty:")
            for each in self.qmp("query-chardev") if each["label"] == "uart"
        )  # fmt: skip
        self._console = self._connect("con")
        self._said = b""
        self._heard = b""
        self.running.append(self)
        self._stack.callback(self.running.remove, self)
        self._qtest = Qtest(self._connect("qtest"), self._why_gone)
        self._stack.callback(self._qtest.close)
        self.edges = self._qtest.edges
        self.inner_edges = self._qtest.inner_edges
        self._qtest.ask("irq_intercept_out /machine/soc/peripherals/gpio")
        self.is_awake = not snapshot or self._wake()

    def __enter__(self) -> "Machine":
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

    def _why_gone(self) -> str:
        """What became of QEMU, where it has closed a socket."""
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return f"QEMU still runs and has closed a socket: {self._log()}"
        if code in TIMED_OUT:
            return (
                f"the emulated Pi was ended after its {self.life_s} s; a test that needs it for "
                "longer gives it a longer `life_s`"
            )
        return f"QEMU has ended with {code}: {self._log()}"

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
        raise RuntimeError(f"{command}: {self._why_gone()}")

    def save(self, path: Path) -> None:
        """A snapshot; the machine is stopped afterwards, until `qmp("cont")`."""
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=f"exec:cat > {path}")
        while (status := self.qmp("query-migrate")["status"]) != "completed":
            if status == "failed":
                raise RuntimeError("QEMU cannot write the snapshot")
            time.sleep(0.05)

    def _wake(self) -> bool:
        """A timer interrupt that was pending in a snapshot is lost, since the emulated interrupt
        controller does not save it; the processor's next timer brings it back, if one can be set.
        """
        processors = " ".join(map(str, range(PROCESSORS)))
        try:
            return (
                self.shell(f"for c in {processors}; do taskset -c $c sleep 0.01; done", 60)[0] == 0
            )
        except (RuntimeError, TimeoutError):  # or the guest's kernel found a processor dead
            return False

    # --- pins ---

    def read(self, address: int) -> int:
        return int(self._qtest.ask(f"readl {address:#x}")[0], 16)

    def is_output(self, pin: int) -> bool:
        return self.read(GPIO + 4 * (pin // 10)) >> pin % 10 * 3 & 7 == OUTPUT

    def is_high(self, pin: int) -> bool:
        """Only of an output: the emulated level of an input is what the output once was."""
        return bool(self.read(LEVEL) >> pin & 1)

    def watch(self, pins: Sequence[int], until: Callable[[], object]) -> list[Change]:
        """Looks at pins until it may end; begins with how they are. To the millisecond or a few.

        Edges are told, a pin that becomes an input is found by asking, and what was set while it
        was one is asked when it is an output again.
        """
        first = len(self.edges)
        outputs: dict[int, bool] = {}
        levels: list[Edge] = []
        functions: list[Edge] = []
        done = False
        while not done:
            done = bool(until())
            registers = [self.read(GPIO + 4 * i) for i in range(3)]
            now_s = time.monotonic()
            for pin in pins:
                is_output = registers[pin // 10] >> pin % 10 * 3 & 7 == OUTPUT
                if outputs.get(pin) is not is_output:
                    outputs[pin] = is_output
                    functions.append(Edge(now_s, pin, is_output))
                    levels.append(Edge(now_s, pin, self.is_high(pin)))
            time.sleep(0.002)
        told = [edge for edge in self.edges[first:] if edge.pin in outputs]
        # By time alone: edges that came at once have one time, and their order.
        return changes(sorted(levels + told, key=lambda edge: edge.at_s), functions)

    def drive(self, pin: int, is_high: bool) -> None:
        """Sets what an input reads. The board tells no edge of it, only the level.

        The emulated chip has one latch for what an input reads and for what an output drives: of
        an output this would change what the guest drives, so it is refused.
        """
        if self.is_output(pin):
            raise ValueError(f"pin {pin} is an output of the guest; only an input can be driven")
        self._qtest.ask(f"writel {SET if is_high else CLEAR:#x} {1 << pin:#x}")

    # --- the console ---

    def wait_for(self, pattern: str, within_s: float = PATIENCE_S) -> "re.Match[bytes]":
        """What the console says next; what came before it is dropped."""
        until_s = time.monotonic() + within_s
        while not (found := re.search(pattern.encode(), self._said)):
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._console], [], [], left_s)[0]:
                raise TimeoutError(f"the console did not say {pattern!r}: {self._said[-2000:]!r}")
            self._hear()
        self._said = self._said[found.end() :]
        return found

    def _hear(self) -> None:
        more = self._console.recv(1 << 16)
        if not more:
            raise RuntimeError(f"{self._why_gone()}; the console said last: {self._said[-2000:]!r}")
        self._said += more
        self._heard = (self._heard + more)[-LAST_BYTES:]

    def last_words(self) -> str:
        """What the console said last, up to now, also what was asked for."""
        with suppress(OSError, RuntimeError):
            while select.select([self._console], [], [], 0)[0]:
                self._hear()
        return self._heard.decode(errors="replace").replace("\r\n", "\n")

    def type(self, text: str) -> None:
        self._console.sendall(text.encode())

    def shell(self, command: str, within_s: float = PATIENCE_S) -> tuple[int, str]:
        """Exit code and output of a command in the guest's root shell."""
        self.type(f'{command}\necho "=$?"=\n')
        found = self.wait_for(r"(?s)(.*)=(\d+)=\r?\n", within_s)
        return int(found[2]), found[1].decode(errors="replace").replace("\r\n", "\n")


def changes(levels: Sequence[Edge], functions: Sequence[Edge]) -> list[Change]:
    """When each pin began to drive and ended: it does as a high output."""
    is_high: dict[int, bool] = {}
    is_output: dict[int, bool] = {}
    drives: dict[int, bool] = {}
    found = []
    for kind, edge in sorted([(0, e) for e in levels] + [(1, e) for e in functions], key=_at):
        (is_output if kind else is_high)[edge.pin] = edge.is_high
        now = is_high.get(edge.pin, False) and is_output.get(edge.pin, False)
        if drives.get(edge.pin) is not now:
            drives[edge.pin] = now
            found.append(Change(edge.at_s, edge.pin, now))
    return found


def _at(each: tuple[int, Edge]) -> tuple[float, int]:
    return each[1].at_s, each[0]


def high_pct(edges: Sequence[Edge], pin: int, from_s: float, to_s: float) -> float:
    """How much of the time a pin was high; it is low before its first edge."""
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
