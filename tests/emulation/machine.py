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
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from tests.emulation.build import Image

MOST_S: Final = 1200
"""No machine lives longer, whatever becomes of the tests."""
PATIENCE_S: Final = 120.0

GPIO: Final = 0x3F20_0000
SET, CLEAR, LEVEL = GPIO + 0x1C, GPIO + 0x28, GPIO + 0x34
OUTPUT: Final = 1


class Edge(NamedTuple):
    at_s: float
    pin: int
    is_high: bool


class Machine:
    """A running Pi. Without `snapshot` it boots; a snapshot wants the same image and settings."""

    def __init__(
        self, image: Image, persist: bool = True, snapshot: Path | None = None, more: bytes = b""
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pi-")
        folder = Path(self._folder.name)
        initramfs = folder / "initramfs"
        with initramfs.open("wb") as file:
            for part in (more, *(layer.read_bytes() for layer in image.layers)):
                file.write(part + b"\0" * (-len(part) % 512))
        command = [
            *("timeout", "-k", "5", str(MOST_S), "qemu-system-aarch64", "-M", "raspi3b"),
            *("-kernel", str(image.kernel), "-dtb", str(image.tree), "-initrd", str(initramfs)),
            *("-append", f"console=ttyS1,115200 rdinit=/init panic=0 quiet "
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
        self._log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self._qmp = self._connect("qmp").makefile("rw")
        self._qmp.readline()
        self.qmp("qmp_capabilities")
        self.uart = next(
            str(each["filename"]).removeprefix("pty:")
            for each in self.qmp("query-chardev") if each["label"] == "uart"
        )  # fmt: skip
        self._console = self._connect("con")
        self.said = b""
        self.edges: list[Edge] = []
        self._answers: list[str] = []
        self._answered = threading.Condition()
        self._asking = threading.Lock()
        self._qtest = self._connect("qtest")
        threading.Thread(target=self._listen, daemon=True).start()
        self._ask("irq_intercept_out /machine/soc/peripherals/gpio")

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        self.process.wait()
        self._log.close()
        self._folder.cleanup()

    def _connect(self, name: str) -> socket.socket:
        path = f"{self._folder.name}/{name}"
        for _ in range(200):
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(path)
                return connection
            except OSError:
                connection.close()
                time.sleep(0.05)
        raise RuntimeError(f"QEMU did not start: {Path(self._log.name).read_text()}")

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
        raise RuntimeError(f"QEMU is gone: {Path(self._log.name).read_text()}")

    def save(self, path: Path) -> None:
        """A snapshot; the machine does not go on afterwards."""
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=f"exec:cat > {path}")
        while (status := self.qmp("query-migrate")["status"]) != "completed":
            if status == "failed":
                raise RuntimeError("QEMU cannot write the snapshot")
            time.sleep(0.05)

    def _listen(self) -> None:
        """Edges get the host's time here, on a thread of their own."""
        half = b""
        while data := self._qtest.recv(1 << 16):
            now_s = time.monotonic()
            *lines, half = (half + data).split(b"\n")
            for line in lines:
                words = line.split()
                if words[:1] == [b"IRQ"]:
                    self.edges.append(Edge(now_s, int(words[2]), words[1] == b"raise"))
                else:
                    with self._answered:
                        self._answers.append(line.decode())
                        self._answered.notify()

    def _ask(self, request: str) -> str:
        with self._asking, self._answered:
            self._qtest.sendall(request.encode() + b"\n")
            if not self._answered.wait_for(lambda: self._answers, PATIENCE_S):
                raise RuntimeError(f"QEMU does not answer {request}")
            return self._answers.pop(0)

    # --- pins ---

    def read(self, address: int) -> int:
        return int(self._ask(f"readl {address:#x}").split()[1], 16)

    def is_output(self, pin: int) -> bool:
        return self.read(GPIO + 4 * (pin // 10)) >> pin % 10 * 3 & 7 == OUTPUT

    def is_high(self, pin: int) -> bool:
        """Only of an output: the emulated level of an input is what the output once was."""
        return bool(self.read(LEVEL) >> pin & 1)

    def drive(self, pin: int, is_high: bool) -> None:
        """Sets what an input reads. The board tells no edge of it, only the level."""
        self._ask(f"writel {SET if is_high else CLEAR:#x} {1 << pin:#x}")

    # --- the console ---

    def wait_for(self, pattern: str, within_s: float = PATIENCE_S) -> "re.Match[bytes]":
        """What the console says next; what came before it is dropped."""
        until_s = time.monotonic() + within_s
        while not (found := re.search(pattern.encode(), self.said)):
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._console], [], [], left_s)[0]:
                raise TimeoutError(f"the console did not say {pattern!r}: {self.said[-2000:]!r}")
            more = self._console.recv(1 << 16)
            if not more:
                raise RuntimeError(f"QEMU is gone: {self.said[-2000:]!r}")
            self.said += more
        self.said = self.said[found.end() :]
        return found

    def type(self, text: str) -> None:
        self._console.sendall(text.encode())

    def shell(self, command: str, within_s: float = PATIENCE_S) -> tuple[int, str]:
        """Exit code and output of a command in the guest's root shell."""
        self.type(f"{command}\necho \"=$?\"=\n")
        found = self.wait_for(r"(?s)(.*)=(\d+)=\r?\n", within_s)
        return int(found[2]), found[1].decode(errors="replace").replace("\r\n", "\n")
