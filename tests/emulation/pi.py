"""The emulated Pi with this project installed: its service, its UART, its button.

`python -m tests.emulation.pi` builds the image and saves two snapshots, for lines that persist and for
lines that are released. This module knows what is installed in the guest. The tests decide whether
the guest behaves correctly.
"""

import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from firmware_ctl.timeline.folder import load_mat
from tests.emulation import build
from tests.emulation.machine import ANSWER_S, LIFE_S, Edge, Machine
from tests.support.process import Client

MAT: Final = load_mat(None)
"""The shipped mat. Pins and names are the guest's too; `build.MAT_CHANGES` changes only limits and the PWM."""
MOTOR_PINS: Final = tuple(motor.pin for motor in MAT.motors)
LED_PIN: Final = MAT.led_pin
MARKER_PIN: Final = 21
"""The guest's fault injector raises it when it sets off a fault, and lowers it when the fault is over."""
WITNESS_PINS: Final = (28, 29, 30, 31)
"""A witness on each processor of the guest toggles one of these pins every `WITNESS_S`."""
WITNESS_S: Final = 0.05

BOOT_S: Final = 300.0
"""A timeout, not a promise: on a busy machine a boot has taken more than two minutes."""
RESTORE_ATTEMPTS: Final = 3
"""A snapshot that woke when it was saved may still fail to wake on a busy machine."""

SETTLE_S: Final = 20.0
"""How long `settle` waits at most for the guest to run evenly."""
EVEN_LATENESS_S: Final = 0.1
"""The guest runs evenly if for one second no witness wakes later than this."""

DEADLOCK, HOLD_THE_GIL = 35, 36
"""Numbers of the signals for which `emulation_faults` in the guest has handlers."""


def boots(image: build.Image) -> bool:
    """True if the image's kernel boots in QEMU and runs an init that prints `up`."""
    with Machine(image) as machine:
        try:
            machine.wait_for(r"up\r?\n", 60)
        except TimeoutError:
            return False
    return True


def build_image(project_at: Path = build.REPOSITORY) -> build.Image:
    return build.build_image(boots, project_at)


def snapshot_file(image: build.Image, persist: bool = True) -> Path:
    """A snapshot of the Pi with the service just installed and idle.

    It takes a minute or two unless it is in the cache.
    """
    qemu = subprocess.run(["qemu-system-aarch64", "--version"], capture_output=True).stdout
    code = [(build.HERE / name).read_bytes() for name in ("machine.py", "pi.py")]
    layers = [str(layer).encode() for layer in image.layers]

    def make(folder: Path) -> None:
        with Pi(image, persist, life_s=2 * LIFE_S) as pi:
            pi.install()
            for _ in range(20):
                pi.save(folder / "memory")
                with Pi(image, persist, folder / "memory") as restored:
                    if restored.is_awake:
                        return
                pi.qmp("cont")
                time.sleep(0.1)
        raise RuntimeError("no snapshot of the emulated Pi wakes with all its processors")

    name = build.digest([*code, *layers, qemu, b"persist" if persist else b""])
    return build.cached(f"snapshot-{name}", make) / "memory"


def restore(image: build.Image, persist: bool = True, life_s: int = LIFE_S) -> "Pi":
    """A Pi as its snapshot was saved, with all processors awake and the service active."""
    for _ in range(RESTORE_ATTEMPTS):
        pi = Pi(image, persist, snapshot_file(image, persist), life_s=life_s)
        if pi.is_awake:
            pi.settle()
            return pi
        pi.close()
    raise RuntimeError(
        f"the snapshot of the emulated Pi did not wake in {RESTORE_ATTEMPTS} attempts"
    )


class Pi(Machine):
    """A machine whose guest has the service, the fault injector and the witnesses."""

    def client(self) -> Client:
        return Client(self.uart, self.service_state)

    def service_state(self) -> str:
        """The state of the service and the end of its log, for the message of a failed test."""
        fields = "ActiveState,SubState,MainPID,NRestarts,Result,ActiveEnterTimestampMonotonic"
        try:
            state = self.shell(f"systemctl show -p {fields} firmware-ctl; cat /proc/uptime")[1]
            log = self.shell("journalctl -b -u firmware-ctl -o cat -n 8")[1]
        except (RuntimeError, TimeoutError) as error:
            return f"The guest does not report its state: {error}"
        return f"The service: {' '.join(state.split())}. Its log ends with:\n{log}"

    def high_motor_pins(self) -> list[int]:
        """The motor pins that are high outputs now. PWM changes them twice in each period."""
        return [pin for pin in MOTOR_PINS if self.is_output(pin) and self.is_high(pin)]

    def witness_late_s(self, from_s: float, to_s: float) -> float:
        """The longest delay with which a witness in the guest woke between two times of the host.

        A witness runs on each processor above the daemon's priority. So the emulator or the host
        makes it late, and never the daemon.
        """
        return max(lateness_s(self.internal_edges, pin, from_s, to_s) for pin in WITNESS_PINS)

    def press(self, is_down: bool) -> None:
        """Moves the change-over contact: one side opens before the other one closes."""
        assert MAT.button is not None
        assert MAT.button.released_pin is not None
        opens, closes = MAT.button.released_pin, MAT.button.pressed_pin
        if not is_down:
            opens, closes = closes, opens
        self.set_input(opens, True)
        self.set_input(closes, False)

    def wait_for_console(self) -> None:
        """Waits until the guest has booted to its shell, and releases the button."""
        self.wait_for("the console is ready\r?\n", BOOT_S)
        self.press(False)

    def install(self) -> None:
        """Installs the package and its service. The service then runs and is idle."""
        self.wait_for_console()
        self.run("systemctl start fault-injector witness")
        self.run(f"dpkg --install /{build.PACKAGE}")
        self.run("firmware-ctl service install")
        self.wait_until_active()

    def settle(self) -> None:
        """Waits after a restore until the guest runs evenly and its service is active.

        A restored QEMU translates all of the guest's code again. On a busy machine this takes
        seconds, in which systemd's watchdog may end a daemon that is late.
        """
        until_s = time.monotonic() + SETTLE_S
        while (now_s := time.monotonic()) < until_s:
            time.sleep(1)
            if self.witness_late_s(now_s, now_s + 1) < EVEN_LATENESS_S:
                break
        self.wait_until_active()

    def run(self, command: str) -> str:
        """Runs a command that must succeed. Returns its output."""
        code, output = self.shell(command)
        assert code == 0, output
        return output

    def wait_until_active(self) -> None:
        """Waits until systemd reports the service as active."""
        until_s = time.monotonic() + ANSWER_S
        while self.shell("systemctl is-active firmware-ctl")[1] != "active\n":
            assert time.monotonic() < until_s, self.shell("systemctl status firmware-ctl")[1]
            time.sleep(0.5)

    def pid(self) -> int:
        return int(self.run("systemctl show -P MainPID firmware-ctl"))

    def disk_layer(self, image: build.Image) -> bytes:
        """The files that a disk would keep over a reboot, as an initramfs layer.

        The guest's whole file system is in memory, so another Pi boots with this layer instead. The
        package's own files come from the image, because the console is slow.
        """
        assert image.installed is not None
        folders = "etc etc/systemd etc/systemd/system var var/lib"
        names = "etc/systemd/system/multi-user.target.wants var/lib/firmware-ctl"
        paths = f"printf '%s\\n' {folders}; busybox find {names}"
        packed = f"{{ {paths}; }} | busybox cpio --quiet -o -H newc | base64"
        return image.installed.read_bytes() + b64decode(self.run(f"(cd / && {packed})"))

    def inject(self, command: str) -> None:
        """Gives a command to the guest's fault injector. Does not wait for the fault."""
        self.type(f"echo {command} >/run/fault-injector\n")


def lateness_s(edges: Sequence[Edge], pin: int, from_s: float, to_s: float) -> float:
    """The longest time without an edge of the pin in the interval, minus one period of the witness."""
    at_s = [edge.at_s for edge in edges if edge.pin == pin]
    if not at_s or at_s[-1] < from_s - ANSWER_S:
        raise RuntimeError(f"the witness on pin {pin} does not run in the guest")
    times_s = [from_s, *(each for each in at_s if from_s < each < to_s), to_s]
    return max(0.0, max(after - before for before, after in pairwise(times_s)) - WITNESS_S)


if __name__ == "__main__":
    missing = build.missing_tools()
    if missing:
        sys.exit(f"the emulated Pi needs {', '.join(missing)}; the README names the packages")
    for persist in (True, False):
        snapshot_file(build_image(), persist)
