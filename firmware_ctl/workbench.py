"""`wiring`: the builder's questions on a terminal, with this machine's pins or simulated ones.

It puts a bench into the daemon's own loop, with the latch, dead-man, sentries and gate that a
session has, and writes what was found into the mat file. What is asked is `wiring`'s affair.
"""

import argparse
import os
import select
import signal
import sys
import termios
import textwrap
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, Final, NamedTuple, cast

from firmware_ctl import deadman, off, places, shipped
from firmware_ctl.daemon import SETTLE_MS, Daemon, Job, Source, StartButton
from firmware_ctl.document import near
from firmware_ctl.errors import AuthorError, DeviceError, FirmwareError
from firmware_ctl.files import create_new
from firmware_ctl.folder import load_mat
from firmware_ctl.inbox import RealInbox, Signals, Waker
from firmware_ctl.latch import Deadman, Latch, NoDeadman
from firmware_ctl.mat import Mat, zone_name
from firmware_ctl.matedit import with_duties
from firmware_ctl.player import NoLedger, Proof
from firmware_ctl.sentries import Rail, Sentry, TickLate, UnderVoltage
from firmware_ctl.serve import real_pins, under_voltage_alarm
from firmware_ctl.session import Input, Session, Step
from firmware_ctl.state import StateFolder
from firmware_ctl.wiring import (
    Bench,
    Course,
    Key,
    Tuned,
    calibrate,
    feel,
    felt_lines,
    start_button,
    stop_switch,
)

WIDTH: Final = 79

MOCK_KEYS: Final = (
    "Simulated motors: beside the duty stands whether the motor turns. "
    "x presses the stop switch and releases it, b presses the start button."
)


class BuilderError(FirmwareError):
    """The builder's commands end with 0 or 1."""

    exit_code = 1


class Rig(NamedTuple):
    """What a builder's step works on."""

    mat_file: str
    state: str
    is_mock: bool

    @property
    def mat(self) -> Mat:
        return load_mat(self.mat_file)


def wiring(args: argparse.Namespace) -> int:
    """0 every motor felt, or the zone calibrated · 1 not all, or left."""
    state = os.path.abspath(args.state or places.SERVICE_STATE)
    rig = Rig(os.path.abspath(args.mat or places.mat_file()), state, args.mock)
    try:
        greet(args.mock)
        return feel_all(rig) if args.calibrate is None else tune(rig, args.calibrate)
    except AuthorError as error:
        raise BuilderError(f"the mat file has to be mended first:\n{error}") from None
    except DeviceError as error:
        raise BuilderError(str(error)) from None


def greet(is_mock: bool) -> None:
    """Raises BuilderError where there is no terminal."""
    if not (os.isatty(0) and os.isatty(1)):
        raise BuilderError("someone has to answer by keys; run this in a terminal")
    if is_mock:
        tell(MOCK_KEYS)


# ---- the steps


def feel_all(rig: Rig) -> int:
    def step() -> int:
        mat = rig.mat
        felt = play(rig, mat, feel(mat))
        if felt is None:
            return 1
        tell(*felt_lines(mat, felt))
        return 0 if all(felt.values()) else 1

    return _watched(rig, step)


def tune(rig: Rig, zone: str) -> int:
    """Calibrates a zone; whatever goes wrong, the file stays as it was."""
    mat = rig.mat
    name = zone_name(zone)
    if name not in (there := [zone.name for zone in mat.zones if zone.present]):
        raise BuilderError(f"{zone} is no zone that is there; {near(name, there)}")
    why = ""
    if os.path.realpath(rig.mat_file) == os.path.realpath(shipped.mat_file()):
        why = "this would change the shipped mat file"
    elif rig.is_mock and os.path.realpath(rig.mat_file) == os.path.realpath(places.SERVICE_MAT):
        why = f"{rig.mat_file} is for real motors, and these are simulated"
    if why:
        mock = "--mock " if rig.is_mock else ""
        raise BuilderError(
            f"{why}; make a copy of your own first: "
            f"cp -n {rig.mat_file} mat.yaml && "
            f"firmware-ctl wiring {mock}--calibrate {zone} --mat mat.yaml"
        )
    folder = os.path.dirname(os.path.realpath(rig.mat_file))
    if not os.access(folder, os.W_OK):
        raise BuilderError(f"nothing can be written to {folder}; try it with sudo")

    def step() -> int:
        found = play(rig, mat, calibrate(mat, name))
        if not found:
            tell("The mat file is as it was.")
            return 1
        write(rig.mat_file, mat, found)
        return 0 if len(found) == sum(motor.zone == name for motor in mat.motors) else 1

    return _watched(rig, step)


def try_stop_switch(rig: Rig) -> int:
    return _watched(rig, lambda: 0 if play(rig, rig.mat, stop_switch(rig.mat)) else 1)


def try_button(rig: Rig) -> int:
    return _watched(rig, lambda: 0 if play(rig, rig.mat, start_button(rig.mat)) else 1)


def write(path: str, mat: Mat, found: "dict[str, Tuned]") -> None:
    """Puts the values into the file, read again before it takes the old one's place."""
    real = os.path.realpath(path)
    data = with_duties(mat, path, found)
    if data == mat.source:
        tell("The values are those of the file; nothing is written.")
        return
    try:
        with open(real, "rb") as file:
            about = os.fstat(file.fileno())
            if file.read() != mat.source:
                raise BuilderError(f"{path} was changed meanwhile; nothing is written")
        for beside, content in ((f"{real}.before", mat.source), (f"{real}.part", data)):
            with open(create_new(beside), "wb") as file:
                os.fchmod(file.fileno(), about.st_mode)
                with suppress(PermissionError):
                    os.fchown(file.fileno(), about.st_uid, about.st_gid)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        os.replace(f"{real}.part", real)
    except OSError as error:
        raise BuilderError(f"{path} cannot be written: {error.strerror}; it stands") from None
    tell(f"Written to {path}; as it was before: {real}.before")


# ---- the terminal


def tell(*lines: str) -> None:
    with suppress(OSError):  # a terminal that is gone
        os.write(1, "".join(f"{_wrapped(line)}\n" for line in lines).encode(errors="replace"))


def _wrapped(line: str) -> str:
    """A path stays in one piece, so that it can be copied."""
    return textwrap.fill(
        line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


class Terminal:
    """Keys one by one, and a last line that is written over. As it was before, at the end."""

    def __init__(self) -> None:
        self._before = termios.tcgetattr(0)
        self._unsent = b""
        self._status = ""

    def __enter__(self) -> "Terminal":
        mode = termios.tcgetattr(0)
        # A stopped process or a stopped screen must not be a key away while a motor runs.
        mode[0] &= ~(termios.IXON | termios.ICRNL)
        mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(0, termios.TCSAFLUSH, mode)  # what was typed before starts nothing
        return self

    def __exit__(self, *_: object) -> None:
        self.show((), "")
        with suppress(OSError):
            os.write(1, self._unsent)  # no motor runs any more, so it may take its time
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, self._before)

    def show(self, lines: tuple[str, ...], status: str) -> None:
        """Writes what has changed, and what the terminal takes now: the rest comes next time."""
        if lines or status != self._status:
            text = "\r\x1b[K"
            for line in lines:
                text += _wrapped(line) + "\n"
            self._status = status[:WIDTH]
            self._unsent += (text + self._status).encode(errors="replace")
        if self._unsent and select.select((), (1,), (), 0)[1]:
            with suppress(OSError):  # a terminal that is gone: its keys say so
                self._unsent = self._unsent[os.write(1, self._unsent[:1024]) :]

    def typed(self) -> list[str]:
        """What was typed; an empty one when the terminal is gone. Waits for it."""
        try:
            data = os.read(0, 64)
        except OSError:
            data = b""
        if data.startswith(b"\x1b"):  # a key that is a sequence, as an arrow is
            return ["\x1b"]
        return [*data.decode(errors="replace").lower().replace("\r", "\n")] or [""]


class Keyboard:
    """The terminal's keys as a source of the loop."""

    def __init__(self, terminal: Terminal, simulated: "Simulated | None") -> None:
        self._terminal = terminal
        self._simulated = simulated

    def fileno(self) -> int:
        return 0

    def ready(self, daemon: Daemon) -> None:
        for key in self._terminal.typed():
            if self._simulated is None or not self._simulated.takes(key, daemon):
                daemon.step(cast(Input, Key(key)))


class Screen:
    """Shows what the bench tells and asks, and what the motor has."""

    def __init__(self, terminal: Terminal, bench: Bench, simulated: "Simulated | None") -> None:
        self._terminal = terminal
        self._bench = bench
        self._simulated = simulated

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None:
        bench = self._bench
        status = bench.ask.prompt if bench.ask is not None and not bench.closed else ""
        if bench.is_moving:
            moves = self._simulated.moves(now_ms) if self._simulated else ""
            status = f"{bench.duty_pct:>3} %{moves}   {status}"
        lines = tuple(notice.fields["text"] for notice in step.notices)
        self._terminal.show(lines, status)


# ---- the rig


class Simulated:
    """Pins, motors and switches that are not there, and the keys that move the switches."""

    def __init__(self, mat: Mat, now_ms: Callable[[], int], waker: Waker) -> None:
        from firmware_ctl.simulator.board import Board
        from firmware_ctl.simulator.erm import Erm
        from firmware_ctl.simulator.pins import KeptPin, SimulatedButton, mock_factory

        self._board = Board(mat)
        self._is_pressed = False
        self._motors = [(motor, Erm(motor)) for motor in mat.motors]
        self.factory = mock_factory(self._board, now_ms)
        self.factory.pin_class = KeptPin
        self.button: StartButton | None = None
        if mat.button is not None:
            self.button = SimulatedButton(mat.button, self.factory, waker)

    def moves(self, now_ms: int) -> str:
        for motor, erm in self._motors:
            erm.set_duty(self._board.power_at(motor, now_ms), now_ms)
        return " (turns)" if any(erm.at(now_ms).turning for _, erm in self._motors) else " (still)"

    def takes(self, key: str, daemon: Daemon) -> bool:
        """The key is for the simulated switches, and was seen to."""

        def press() -> None:
            with suppress(FirmwareError):  # it is still down, or there is none
                daemon.press(500)

        if key == "x":
            self._is_pressed = not self._is_pressed
            self._board.stop_switch(self._is_pressed)
        elif key == "b":
            daemon.later(SETTLE_MS, press)  # not before the daemon takes presses
        return key in ("x", "b")


def play(rig: Rig, mat: Mat, course: Course[Any]) -> Any:
    """Plays a course and gives back what it came to; None: it was left, or a fault ended it.

    Raises DeviceError where the pins, the state folder or the dead-man cannot be had.
    """
    proof = deadman.Proof() if sys.platform == "linux" else None
    if not rig.is_mock:
        deadman.lock_memory()
    from firmware_ctl import contacts, gpio

    bench = Bench(mat, course)
    inbox, waker = RealInbox(), Waker()
    sources: list[Source] = [waker]
    sentries: list[Sentry] = [TickLate()]
    proofs: list[Proof] = []
    switch: Deadman = NoDeadman()
    if proof is not None:
        if doubt := proof.doubt():
            raise DeviceError(f"the dead-man is not proven: {doubt}; no motor may run")
        switch = deadman.KernelDeadman()
    with ExitStack() as stack:
        simulated = Simulated(mat, inbox.now_ms, waker) if rig.is_mock else None
        if simulated is not None:
            factory, button = simulated.factory, simulated.button
        else:
            factory = _pins(rig.state, mat, stack)
            button = None
            if mat.button is not None:
                button = contacts.KernelContacts(
                    f"/dev/gpiochip{factory.chip}", mat.button, inbox.origin_ns
                )
                sources.append(button)
            sags = under_voltage_alarm()
            if sags is not None:
                sentries.append(UnderVoltage(sags, lambda line: None))
        motors = gpio.GpioMotors(mat, factory)
        stack.callback(motors.all_low)
        if mat.gate is not None:
            gate = gpio.GpioGate(mat.gate, factory)
            proofs.append(gate)
            if mat.gate.rail_pin is not None:
                sentries.append(Rail(gate.is_rail_on))
        terminal = stack.enter_context(Terminal())
        daemon = Daemon(
            cast(Session, bench),  # of a session the loop asks no more than a bench has
            inbox,
            Latch(mat, motors, switch),
            button,
            NoLedger(),
            _no_profiles,
            lambda line: None,
            [Screen(terminal, bench, simulated)],
            sentries,
            proofs,
        )
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in ends:
            stack.callback(signal.signal, number, signal.getsignal(number))
        stack.callback(signal.set_wakeup_fd, -1)
        daemon.watch(*sources, Signals(ends, {}), Keyboard(terminal, simulated))
        daemon.run()
    return bench.result


def _pins(state: str, mat: Mat, stack: ExitStack) -> Any:
    """This machine's, with the state folder taken so that no daemon takes them meanwhile."""
    factory = real_pins(state, "`--mock` tries the same without pins", stack)
    try:
        stack.callback(StateFolder(state).close)
    except DeviceError as error:
        if not os.path.exists(places.SERVICE_SOCKET):
            raise
        raise DeviceError(f"{error}; the service: sudo systemctl stop firmware-ctl") from None
    try:
        off.write_lines(state, f"/dev/gpiochip{factory.chip}", mat.power_pins)
    except OSError as error:
        raise DeviceError(f"nothing can be written to {state}: {error.strerror}") from None
    return factory


def _no_profiles(done: object) -> Job:
    raise DeviceError("a bench has no profiles")


def _watched(rig: Rig, step: Callable[[], int]) -> int:
    """The step in a process of its own: when that is killed, its pins are driven low from here.

    A service has `ExecStopPost=` for that; a kernel may keep a dead process's outputs driven.
    """
    if rig.is_mock:
        return step()
    sys.stdout.flush()
    before = termios.tcgetattr(0)
    child = os.fork()
    if child == 0:
        from firmware_ctl.cli import guarded

        code = guarded(step)
        sys.stdout.flush()
        os._exit(code)
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
            # A terminal's own reach the child too; this one would not.
            is_for_child = number == signal.SIGTERM
            pass_on = (
                (lambda *_: os.kill(child, signal.SIGTERM)) if is_for_child else signal.SIG_IGN
            )
            stack.callback(signal.signal, number, signal.signal(number, pass_on))
        _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        return 1 if os.WEXITSTATUS(status) else 0
    chip, pins = "", list[int]()
    try:
        chip, pins = off.read_lines(rig.state)
    except (OSError, ValueError) as error:
        tell(f"The pins cannot be driven low: {error}. Run: sudo firmware-ctl off")
    failed, said = off.drive_low(chip, pins) if pins else ({}, [])
    with suppress(termios.error):
        termios.tcsetattr(0, termios.TCSANOW, before)
    name = signal.Signals(os.WTERMSIG(status)).name
    tell("", f"It was killed ({name}). The old values stand.", *said, *off.told(pins, failed))
    return 1
