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
from firmware_ctl.daemon import SETTLE_MS, Daemon, Job, StartButton
from firmware_ctl.document import near
from firmware_ctl.errors import AuthorError, DeviceError, FirmwareError
from firmware_ctl.folder import load_mat
from firmware_ctl.inbox import RealInbox, Signals, Waker
from firmware_ctl.latch import Deadman, Latch, NoDeadman
from firmware_ctl.mat import Mat, zone_name
from firmware_ctl.matedit import with_duties
from firmware_ctl.player import NoLedger, Proof, Watcher
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
    if os.path.realpath(rig.mat_file) == os.path.realpath(shipped.mat_file()):
        raise BuilderError(
            "this would change the shipped mat file; make a copy of your own first: "
            f"cp {rig.mat_file} mat.yaml && firmware-ctl wiring --calibrate {zone} --mat mat.yaml"
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
            with open(beside, "wb") as file:
                os.fchmod(file.fileno(), about.st_mode)
                with suppress(PermissionError):
                    os.fchown(file.fileno(), about.st_uid, about.st_gid)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        os.replace(f"{real}.part", real)
    except OSError as error:
        if isinstance(error, FirmwareError):
            raise
        raise BuilderError(f"{path} cannot be written: {error.strerror}; it stands") from None
    tell(f"Written to {path}; as it was before: {real}.before")


# ---- the terminal


def tell(*lines: str) -> None:
    for line in lines:
        print(_wrapped(line))


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
        termios.tcsetattr(0, termios.TCSADRAIN, mode)
        return self

    def __exit__(self, *_: object) -> None:
        self.show((), "")
        with suppress(OSError):
            os.write(1, self._unsent)  # no motor runs any more, so it may take its time
        termios.tcsetattr(0, termios.TCSADRAIN, self._before)

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

    def __init__(self, terminal: Terminal, own: Callable[[str], bool]) -> None:
        """`own`: takes a key for itself, as those of the simulated switches are."""
        self._terminal = terminal
        self._own = own

    def fileno(self) -> int:
        return 0

    def ready(self, daemon: Daemon) -> None:
        for key in self._terminal.typed():
            if not self._own(key):
                daemon.step(cast(Input, Key(key)))


class Screen:
    """Shows what the bench tells and asks, and what the motor has."""

    def __init__(self, terminal: Terminal, bench: Bench, moves: Callable[[int], str]) -> None:
        """`moves`: what can be seen of the asked motor, at a time."""
        self._terminal = terminal
        self._bench = bench
        self._moves = moves

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None:
        bench = self._bench
        status = bench.ask.prompt if bench.ask is not None and not bench.closed else ""
        if bench.is_moving:
            status = f"{bench.duty_pct:>3} %{self._moves(now_ms)}   {status}"
        lines = tuple(notice.fields["text"] for notice in step.notices)
        self._terminal.show(lines, status)


# ---- the rig


def play(rig: Rig, mat: Mat, course: Course[Any]) -> Any:
    """Plays a course and gives back what it came to; None: it was left, or a fault ended it."""
    bench = Bench(mat, course)
    with ExitStack() as stack:
        proof = deadman.Proof() if sys.platform == "linux" else None
        inbox, waker = RealInbox(), Waker()
        sentries: list[Sentry] = [TickLate()]
        proofs: list[Proof] = []
        button: StartButton | None = None

        def moves(now_ms: int) -> str:
            return ""

        def own(key: str) -> bool:
            return False

        from firmware_ctl import gpio

        if rig.is_mock:
            from firmware_ctl.simulator.board import Board
            from firmware_ctl.simulator.erm import Erm
            from firmware_ctl.simulator.pins import KeptPin, SimulatedButton, mock_factory

            board, is_pressed = Board(mat), False
            erms = [Erm(motor) for motor in mat.motors]
            factory = mock_factory(board, inbox.now_ms)
            factory.pin_class = KeptPin
            if mat.button is not None:
                button = SimulatedButton(mat.button, factory, waker)

            def moves(now_ms: int) -> str:
                for motor, erm in zip(mat.motors, erms, strict=True):
                    erm.set_duty(board.power_at(motor, now_ms), now_ms)
                turns = any(erm.at(now_ms).turning for erm in erms)
                return " (turns)" if turns else " (still)"

            def own(key: str) -> bool:
                nonlocal is_pressed
                if key == "x":
                    is_pressed = not is_pressed
                    board.stop_switch(is_pressed)
                elif key == "b":
                    daemon.later(SETTLE_MS, press)  # not before the daemon takes presses
                return key in ("x", "b")

            def press() -> None:
                with suppress(FirmwareError):  # it is still down, or there is none
                    daemon.press(500)

        else:
            factory = real_pins(rig.state, "`--mock` tries the same without pins")
            stack.callback(_take(rig.state).close)
            try:
                off.write_lines(rig.state, f"/dev/gpiochip{factory.chip}", mat.power_pins)
            except OSError as error:
                why = f"nothing can be written to {rig.state}: {error.strerror}"
                raise DeviceError(why) from None
            if mat.button is not None:
                button = gpio.GpioButton(mat.button, factory, waker)
            sags = under_voltage_alarm()
            if sags is not None:
                sentries.append(UnderVoltage(sags, lambda line: None))
            deadman.lock_memory()
        motors = gpio.GpioMotors(mat, factory)
        stack.callback(motors.all_low)
        if mat.gate is not None:
            gate = gpio.GpioGate(mat.gate, factory)
            proofs.append(gate)
            if mat.gate.rail_pin is not None:
                sentries.append(Rail(gate.is_rail_on))
        switch: Deadman = NoDeadman()
        if proof is not None:
            if doubt := proof.doubt():
                raise DeviceError(f"the dead-man is not proven: {doubt}; no motor may run")
            switch = deadman.KernelDeadman()
        terminal = stack.enter_context(Terminal())
        watchers: list[Watcher] = [Screen(terminal, bench, moves)]
        daemon = Daemon(
            cast(Session, bench),
            inbox,
            Latch(mat, motors, switch),
            button,
            NoLedger(),
            _no_profiles,
            lambda line: None,
            watchers,
            sentries,
            proofs,
        )
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in ends:
            stack.callback(signal.signal, number, signal.getsignal(number))
        stack.callback(signal.set_wakeup_fd, -1)
        daemon.sources += [waker, Signals(ends, {}), Keyboard(terminal, own)]
        daemon.run()
    return bench.result


def _take(state: str) -> StateFolder:
    try:
        return StateFolder(state)
    except DeviceError as error:
        if not os.path.exists(places.SERVICE_SOCKET):
            raise
        raise DeviceError(f"{error}; the service: sudo systemctl stop firmware-ctl") from None


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
    chip, pins = off.read_lines(rig.state)
    failed, said = off.drive_low(chip, pins) if pins else ({}, [])
    termios.tcsetattr(0, termios.TCSADRAIN, before)
    name = signal.Signals(os.WTERMSIG(status)).name
    tell("", f"It was killed ({name}). The old values stand.", *said, *off.told(pins, failed))
    return 1
