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
from typing import Any, Final, NamedTuple

from firmware_ctl.commissioning.procedure import Key, Procedure, Questions
from firmware_ctl.commissioning.questions import (
    Tuned,
    calibrate,
    feel,
    felt_lines,
    start_button,
    stop_switch,
)
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.fields import suggestion
from firmware_ctl.config.mat import Mat, zone_name
from firmware_ctl.config.mat_edit import with_duties
from firmware_ctl.daemon.interfaces import Deadman, Hardware
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.loop import SETTLE_MS, Loop
from firmware_ctl.daemon.player import NoLedger, Player
from firmware_ctl.daemon.poller import SelectPoller, Signals, Waker
from firmware_ctl.daemon.watchdogs import TickLate
from firmware_ctl.errors import AuthorError, DeviceError, FirmwareError
from firmware_ctl.hardware import deadman, emergency_off
from firmware_ctl.hardware.pi import Pi
from firmware_ctl.session.events import Close, Step, Wake
from firmware_ctl.storage.files import atomic_write
from firmware_ctl.storage.state_folder import StateFolder
from firmware_ctl.timeline.folder import load_mat

WIDTH: Final = 79

MOCK_KEYS: Final = (
    "Simulated motors: beside the duty stands whether the motor turns. "
    "x presses the stop switch and releases it, b presses the start button."
)


class BuilderError(FirmwareError):
    """The builder's commands end with 0 or 1."""

    exit_code = 1


class Workbench(NamedTuple):
    """What a builder's step works on."""

    mat_file: str
    state: str
    is_mock: bool
    guarded: Callable[[Callable[[], int]], int]
    """Runs a command as the command line does: expected trouble becomes a sentence."""

    @property
    def mat(self) -> Mat:
        return load_mat(self.mat_file)


def wiring(args: argparse.Namespace, guarded: Callable[[Callable[[], int]], int]) -> int:
    """0 every motor felt, or the zone calibrated · 1 not all, or left."""
    state = os.path.abspath(args.state or paths.SERVICE_STATE)
    bench = Workbench(os.path.abspath(args.mat or paths.mat_file()), state, args.mock, guarded)
    try:
        greet(args.mock)
        return feel_all(bench) if args.calibrate is None else tune(bench, args.calibrate)
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


def feel_all(bench: Workbench) -> int:
    def step() -> int:
        mat = bench.mat
        felt = play(bench, mat, feel(mat))
        if felt is None:
            return 1
        tell(*felt_lines(mat, felt))
        return 0 if all(felt.values()) else 1

    return _watched(bench, step)


def tune(bench: Workbench, zone: str) -> int:
    """Calibrates a zone; whatever goes wrong, the file stays as it was."""
    mat = bench.mat
    name = zone_name(zone)
    if name not in (there := [zone.name for zone in mat.zones if zone.present]):
        raise BuilderError(f"{zone} is no zone that is there; {suggestion(name, there)}")
    why = ""
    if os.path.realpath(bench.mat_file) == os.path.realpath(shipped.mat_file()):
        why = "this would change the shipped mat file"
    elif bench.is_mock and os.path.realpath(bench.mat_file) == os.path.realpath(paths.SERVICE_MAT):
        why = f"{bench.mat_file} is for real motors, and these are simulated"
    if why:
        mock = "--mock " if bench.is_mock else ""
        raise BuilderError(
            f"{why}; make a copy of your own first: "
            f"cp -n {bench.mat_file} mat.yaml && "
            f"firmware-ctl wiring {mock}--calibrate {zone} --mat mat.yaml"
        )
    folder = os.path.dirname(os.path.realpath(bench.mat_file))
    if not os.access(folder, os.W_OK):
        raise BuilderError(f"nothing can be written to {folder}; try it with sudo")

    def step() -> int:
        found = play(bench, mat, calibrate(mat, name))
        if not found:
            tell("The mat file is as it was.")
            return 1
        write(bench.mat_file, mat, found)
        return 0 if len(found) == sum(motor.zone == name for motor in mat.motors) else 1

    return _watched(bench, step)


def try_stop_switch(bench: Workbench) -> int:
    return _watched(bench, lambda: 0 if play(bench, bench.mat, stop_switch(bench.mat)) else 1)


def try_button(bench: Workbench) -> int:
    return _watched(bench, lambda: 0 if play(bench, bench.mat, start_button(bench.mat)) else 1)


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
        owner = about.st_uid, about.st_gid
        for target, content in ((f"{real}.before", mat.source), (real, data)):
            atomic_write(target, content, mode=about.st_mode, owner=owner)
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

    def __init__(
        self,
        terminal: Terminal,
        procedure: Procedure,
        loop: Loop,
        simulated: "Simulated | None",
    ) -> None:
        self._terminal = terminal
        self._procedure = procedure
        self._loop = loop
        self._simulated = simulated

    def fileno(self) -> int:
        return 0

    def ready(self) -> None:
        for key in self._terminal.typed():
            if self._simulated is None or not self._simulated.takes(key, self._loop):
                self._procedure.press(Key(key))
                self._loop.player.step(Wake())


class Screen:
    """Shows what the bench tells and asks, and what the motor has."""

    def __init__(
        self, terminal: Terminal, procedure: Procedure, simulated: "Simulated | None"
    ) -> None:
        self._terminal = terminal
        self._procedure = procedure
        self._simulated = simulated

    def step(self, event: object, step: Step, now_ms: int) -> None:
        procedure = self._procedure
        status = procedure.ask.prompt if procedure.ask is not None and not procedure.closed else ""
        if procedure.is_moving:
            moves = self._simulated.moves(now_ms) if self._simulated else ""
            status = f"{procedure.duty_pct:>3} %{moves}   {status}"
        lines = tuple(notice.fields["text"] for notice in step.notices)
        self._terminal.show(lines, status)


# ---- the rig


class Simulated:
    """Pins, motors and switches that are not there, and the keys that move the switches."""

    def __init__(self, mat: Mat, now_ms: Callable[[], int], waker: Waker) -> None:
        from firmware_ctl.simulator.erm import Erm
        from firmware_ctl.simulator.hardware import simulated

        self._is_pressed = False
        self._motors = [(motor, Erm(motor)) for motor in mat.motors]
        self.hardware, self._board, _ = simulated(mat, now_ms, waker)

    def moves(self, now_ms: int) -> str:
        for motor, erm in self._motors:
            erm.set_duty(self._board.power_at(motor, now_ms), now_ms)
        return " (turns)" if any(erm.at(now_ms).turning for _, erm in self._motors) else " (still)"

    def takes(self, key: str, loop: Loop) -> bool:
        """The key is for the simulated switches, and was seen to."""

        def press() -> None:
            with suppress(FirmwareError):  # it is still down, or there is none
                loop.press(500)

        if key == "x":
            self._is_pressed = not self._is_pressed
            self._board.stop_switch(self._is_pressed)
        elif key == "b":
            loop.later(SETTLE_MS, press)  # not before the loop takes presses
        return key in ("x", "b")


def play(bench: Workbench, mat: Mat, questions: Questions[Any]) -> Any:
    """Plays questions, and gives back their result; None: they were left, or a fault ended them.

    Raises DeviceError where the pins, the state folder or the dead-man cannot be had.
    """
    trial = deadman.DeadmanTrial() if sys.platform == "linux" else None
    if not bench.is_mock:
        deadman.lock_memory()
    procedure = Procedure(mat, questions)
    poller, waker = SelectPoller(), Waker()
    switch: Deadman = NoDeadman()
    if trial is not None:
        if unproven := trial.verify():
            raise DeviceError(f"the dead-man is not proven: {unproven}; no motor may run")
        switch = deadman.KernelDeadman()
    with ExitStack() as stack:
        simulated = None
        if bench.is_mock:
            simulated = Simulated(mat, poller.now_ms, waker)
            hardware = simulated.hardware
        else:
            hardware = _open_pi(bench.state, mat, poller.origin_ns, stack)
        terminal = stack.enter_context(Terminal())
        player = Player(
            procedure,
            poller.now_ms,
            Latch(mat, hardware.motors, switch),
            NoLedger(),
            [Screen(terminal, procedure, simulated)],
            [TickLate(), *hardware.watchdogs],
            hardware.heartbeats,
        )
        loop = Loop(player, poller, hardware.button)
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in ends:
            stack.callback(signal.signal, number, signal.getsignal(number))
        stack.callback(signal.set_wakeup_fd, -1)
        signals = Signals(ends)
        signals.on_signal = lambda number: player.step(Close())
        loop.watch(
            *hardware.sources, waker, signals, Keyboard(terminal, procedure, loop, simulated)
        )
        loop.run()
    return procedure.result


def _open_pi(state: str, mat: Mat, origin_ns: int, stack: ExitStack) -> Hardware:
    """This machine's pins, with the state folder locked so that no daemon takes them meanwhile."""
    pi = Pi(state, "`--mock` tries the same without pins", stack)
    try:
        stack.callback(StateFolder(state).close)
    except DeviceError as error:
        if not os.path.exists(paths.SERVICE_SOCKET):
            raise
        raise DeviceError(f"{error}; the service: sudo systemctl stop firmware-ctl") from None
    pi.write_down(mat)
    return pi.open(mat, origin_ns, lambda line: None)


def _watched(bench: Workbench, step: Callable[[], int]) -> int:
    """The step in a process of its own: when that is killed, its pins are driven low from here.

    A service has `ExecStopPost=` for that; a kernel may keep a dead process's outputs driven.
    """
    if bench.is_mock:
        return step()
    sys.stdout.flush()
    before = termios.tcgetattr(0)
    child = os.fork()
    if child == 0:
        code = bench.guarded(step)
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
        chip, pins = emergency_off.read_lines(bench.state)
    except (OSError, ValueError) as error:
        tell(f"The pins cannot be driven low: {error}. Run: sudo firmware-ctl off")
    failed, said = emergency_off.drive_low(chip, pins) if pins else ({}, [])
    with suppress(termios.error):
        termios.tcsetattr(0, termios.TCSANOW, before)
    name = signal.Signals(os.WTERMSIG(status)).name
    tell(
        "",
        f"It was killed ({name}). The old values stand.",
        *said,
        *emergency_off.describe(pins, failed),
    )
    return 1
