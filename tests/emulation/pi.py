"""The emulated Pi with this project on it: as a service, over its UART, by its button. Run as a
module it is built and booted, once for lines that persist and once for released ones.

It knows what is installed in the guest. Whether what it does is right, the tests say.
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
from tests.emulation.machine import LIFE_S, PATIENCE_S, PROCESSORS, Edge, Machine
from tests.support.process import Client

MAT: Final = load_mat(None)
"""Pins and names are the shipped mat's; `build` raises what it allows to the code's limits."""
PINS: Final = tuple(motor.pin for motor in MAT.motors)
LED_PIN: Final = MAT.led_pin
HAND_PIN: Final = 21
"""Rises in the guest the moment a fault is set off."""
WITNESS_PINS: Final = (28, 29, 30, 31)[:PROCESSORS]
"""The witness of each processor in the guest moves one of them every `WITNESS_S`."""
WITNESS_S: Final = 0.05

BOOT_S: Final = 300.0
"""Nothing is promised of it, and beside other work it has taken more than two minutes."""
RESTORES: Final = 3
"""A snapshot woke when it was made; beside other work a processor may not come round in time."""

SETTLE_S: Final = 20.0
EVEN_S: Final = 0.1
"""No witness in the guest woke later than this for a second."""

DEADLOCK, HOLD_THE_GIL = 35, 36
"""Signals that `emulation_faults` in the guest answers to."""


def comes_up(image: build.Image) -> bool:
    with Machine(image) as machine:
        try:
            machine.wait_for(r"up\r?\n", 60)
        except TimeoutError:
            return False
    return True


def image(project_at: Path = build.REPOSITORY) -> build.Image:
    return build.image(comes_up, project_at)


def snapshot(image: build.Image, persist: bool = True) -> Path:
    """The Pi with the service just installed, idle. A minute or two when it is not in the cache."""
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
        raise RuntimeError("no snapshot of the emulated Pi comes back with all its processors")

    name = build.digest([*code, *layers, qemu, b"persist" if persist else b""])
    return build.cached(f"snapshot-{name}", make) / "memory"


def restored(image: build.Image, persist: bool = True, life_s: int = LIFE_S) -> "Pi":
    """The Pi as its snapshot has it, with all of its processors awake."""
    for _ in range(RESTORES):
        pi = Pi(image, persist, snapshot(image, persist), life_s=life_s)
        if pi.is_awake:
            pi.settle()
            return pi
        pi.close()
    raise RuntimeError(f"the snapshot of the emulated Pi did not wake in {RESTORES} attempts")


class Pi(Machine):
    """A Machine whose guest has the service."""

    def client(self) -> Client:
        return Client(self.uart, self.service_state)

    def service_state(self) -> str:
        """What systemd says of the service, and the daemon last: for the message of a failure."""
        fields = "ActiveState,SubState,MainPID,NRestarts,Result,ActiveEnterTimestampMonotonic"
        try:
            state = self.shell(f"systemctl show -p {fields} firmware-ctl; cat /proc/uptime")[1]
            log = self.shell("journalctl -b -u firmware-ctl -o cat -n 8")[1]
        except (RuntimeError, TimeoutError) as error:
            return f"The guest cannot be asked why: {error}"
        return f"The service: {' '.join(state.split())}. Its log ends:\n{log}"

    def driven(self) -> list[int]:
        """The motor pins that are high outputs now. Half a period of the PWM later it may be others."""
        return [pin for pin in PINS if self.is_output(pin) and self.is_high(pin)]

    def late_s(self, from_s: float, to_s: float) -> float:
        """How late the worst of the guest's witnesses woke between two times of the host.

        One runs on each of its processors, above the daemon's priority: what makes it late is the
        emulator and what else the host has to do, never the daemon.
        """
        return max(lateness(self.inner_edges, pin, from_s, to_s) for pin in WITNESS_PINS)

    def press(self, is_down: bool) -> None:
        """Moves the change-over contact: one side opens before the other one closes."""
        assert MAT.button is not None
        assert MAT.button.released_pin is not None
        sides = [MAT.button.released_pin, MAT.button.pressed_pin]
        if not is_down:
            sides.reverse()
        self.drive(sides[0], True)
        self.drive(sides[1], False)

    def boots(self) -> None:
        """Waits until it may be typed to; the button is at rest then."""
        self.wait_for("the console is ready\r?\n", BOOT_S)
        self.press(False)

    def install(self) -> None:
        """As the README tells a user; leaves the service running and idle."""
        self.boots()
        self.must("systemctl start hand witness")
        self.must("firmware-ctl service install")
        self.until_ready()

    def settle(self) -> None:
        """Waits until the guest runs evenly after its restore, and its service is active.

        QEMU translates all of the guest's code anew. On a busy machine this takes seconds, in which
        systemd's watchdog may find the daemon late, and ends it.
        """
        until_s = time.monotonic() + SETTLE_S
        while (now_s := time.monotonic()) < until_s:
            time.sleep(1)
            if self.late_s(now_s, now_s + 1) < EVEN_S:
                break
        self.until_ready()

    def must(self, command: str) -> str:
        code, said = self.shell(command)
        assert code == 0, said
        return said

    def until_ready(self) -> None:
        """Waits until systemd calls the service active."""
        until_s = time.monotonic() + PATIENCE_S
        while self.shell("systemctl is-active firmware-ctl")[1] != "active\n":
            assert time.monotonic() < until_s, self.shell("systemctl status firmware-ctl")[1]
            time.sleep(0.5)

    def pid(self) -> int:
        return int(self.must("systemctl show -P MainPID firmware-ctl"))

    def disk(self) -> bytes:
        """What was put on the disk since the image was made, as a layer for a Pi that boots anew:
        the whole system is in memory."""
        folders = "etc etc/systemd etc/systemd/system etc/udev var var/lib"
        names = (
            "etc/systemd/system/firmware-ctl.service etc/systemd/system/multi-user.target.wants "
            "etc/sysusers.d etc/tmpfiles.d etc/udev/rules.d var/lib/firmware-ctl"
        )
        found = f"printf '%s\\n' {folders}; busybox find {names}"
        packed = f"{{ {found}; }} | busybox cpio --quiet -o -H newc | base64"
        return b64decode(self.must(f"(cd / && {packed})"))

    def deed(self, line: str) -> None:
        """What the hand in the guest is to do."""
        self.type(f"echo {line} >/run/hand\n")


def lateness(edges: Sequence[Edge], pin: int, from_s: float, to_s: float) -> float:
    """The longest time without an edge, of what lies within the interval, beyond a period."""
    at_s = [edge.at_s for edge in edges if edge.pin == pin]
    if not at_s or at_s[-1] < from_s - PATIENCE_S:
        raise RuntimeError(f"the witness on pin {pin} does not run in the guest")
    inner = [from_s, *(each for each in at_s if from_s < each < to_s), to_s]
    return max(0.0, max(b - a for a, b in pairwise(inner)) - WITNESS_S)


if __name__ == "__main__":
    missing = build.missing_tools()
    if missing:
        sys.exit(f"the emulated Pi needs {', '.join(missing)}; the README names the packages")
    for persist in (True, False):
        snapshot(image(), persist)
