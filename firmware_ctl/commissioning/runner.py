"""Runs a procedure in the daemon's own loop, on real or simulated pins.

A motor that is tested here has the latch, dead-man, watchdogs and motor gate that it has in a
session. On real pins the procedure runs in a child process, so that this process can drive the pins
low if the child is killed. The module knows pins and processes. It never knows the questions.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from enum import IntEnum
from typing import Final, NamedTuple

from firmware_ctl.commissioning.procedure import Key, Procedure, Questions, Result
from firmware_ctl.commissioning.terminal import (
    Terminal,
    mode_of_terminal,
    print_lines,
    restore_terminal,
)
from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Deadman, Hardware
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.loop import SETTLE_MS, Loop
from firmware_ctl.daemon.player import NoLedger, Player
from firmware_ctl.daemon.poller import SelectPoller, Signals, Waker
from firmware_ctl.daemon.watchdogs import TickLate
from firmware_ctl.errors import DeviceError, FirmwareError
from firmware_ctl.hardware import deadman, emergency_off
from firmware_ctl.hardware.pi import Pi
from firmware_ctl.session.events import Close, Step, Wake
from firmware_ctl.storage.state_folder import StateFolder
from firmware_ctl.timeline.folder import load_mat

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class BuilderError(FirmwareError):
    """An expected error of `wiring` or `setup`. These commands have only the exit codes 0 and 1."""

    exit_code = 1


class Context(NamedTuple):
    """What every step of `wiring` and `setup` needs."""

    mat_file: str
    state_folder: str
    is_mock: bool
    guarded: Callable[[Callable[[], int]], int]
    """Runs a command as the command line does: expected errors become messages and exit codes."""

    @property
    def mat(self) -> Mat:
        """Read anew each time, because the person may edit the file between two steps."""
        return load_mat(self.mat_file)


class Outcome(IntEnum):
    """How a step has ended. The numbers are the exit codes of the child process that runs it."""

    DONE = 0
    NOT_DONE = 1
    """The person quit, or an error was shown."""
    FAILED = 4
    """The step has found something wrong. No error has this exit code."""


class Keyboard:
    """A source of the loop: passes the terminal's keys to the procedure."""

    def __init__(
        self,
        terminal: Terminal,
        procedure: Procedure[object],
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
        for key in self._terminal.read_keys():
            if self._simulated is None or not self._simulated.handle_key(key, self._loop):
                self._procedure.press(Key(key))
                # The player steps now: a key that turns a motor off must not wait for a tick.
                self._loop.player.step(Wake())


class Screen:
    """A watcher of the loop: shows the procedure's lines, its prompt, and the motor's duty."""

    def __init__(
        self, terminal: Terminal, procedure: Procedure[object], simulated: "Simulated | None"
    ) -> None:
        self._terminal = terminal
        self._procedure = procedure
        self._simulated = simulated

    def step(self, event: object, step: Step, now_ms: int) -> None:
        procedure = self._procedure
        status = procedure.prompt
        # The simulated rotors are asked in each step: they also come to rest between two questions.
        rotation = self._simulated.rotation(now_ms) if self._simulated else ""
        if procedure.is_moving:
            status = f"{procedure.duty_pct:>3} %{rotation}   {status}"
        elif status and self._simulated is not None and self._simulated.is_stop_pressed:
            status = f"(stop switch pressed)   {status}"
        self._terminal.show(tuple(notice.fields["text"] for notice in step.notices), status)


class Simulated:
    """A simulated mat, and the keys that operate its stop switch and start button."""

    def __init__(self, mat: Mat, now_ms: Callable[[], int], waker: Waker) -> None:
        from firmware_ctl.simulator.erm import Erm
        from firmware_ctl.simulator.hardware import simulated

        self.is_stop_pressed = False
        self._motors = [(motor, Erm(motor)) for motor in mat.motors]
        self.hardware, self._board, _ = simulated(mat, now_ms, waker)

    def rotation(self, now_ms: int) -> str:
        for motor, erm in self._motors:
            erm.set_duty(self._board.power_at(motor, now_ms), now_ms)
        is_turning = any(erm.at(now_ms).turning for _, erm in self._motors)
        if self.is_stop_pressed:
            return " (stop switch)"
        return " (turns)" if is_turning else " (still)"

    def handle_key(self, key: str, loop: Loop) -> bool:
        """Operates a simulated switch. False: the key is not for a switch."""

        def press_button() -> None:
            with suppress(FirmwareError):  # The button is still down, or the mat has none.
                loop.press(500)

        if key == "x":
            self.is_stop_pressed = not self.is_stop_pressed
            self._board.stop_switch(self.is_stop_pressed)
        elif key == "p":
            loop.later(SETTLE_MS, press_button)  # The loop ignores presses before SETTLE_MS.
        return key in ("x", "p")


def run_procedure(
    context: Context,
    mat: Mat,
    questions: Questions[Result],
    keep: Callable[[], None] = lambda: None,
) -> Result | None:
    """Plays questions and returns their result. None: the person quit, or a fault ended them.

    `keep` is called at the end, however that comes, to write down what must not be lost. The motors
    are off by then, and a signal, such as that of a terminal that closes, does not interrupt it.
    Raises DeviceError if the pins or the state folder cannot be used, or if the dead-man does not
    work.
    """
    # The kernel kills this process if its loop hangs while a motor runs, as it kills a daemon. The
    # trial forks, so it comes before any thread is started.
    switch: Deadman = NoDeadman()
    if sys.platform == "linux":
        if reason := deadman.verify_deadman():
            raise DeviceError(f"the dead-man cannot be relied on: {reason}; no motor may run")
    if not context.is_mock:
        deadman.lock_memory()
    if sys.platform == "linux":
        switch = deadman.KernelDeadman()
    poller, waker = SelectPoller(), Waker()
    procedure = Procedure(mat, questions)
    with ExitStack() as stack:
        # The stack closes the pins first, then calls `keep`, then restores the signals.
        _restore_signals_at_end(stack)
        stack.callback(keep)
        simulated = None
        if context.is_mock:
            simulated = Simulated(mat, poller.now_ms, waker)
            hardware = simulated.hardware
        else:
            hardware = _open_pi(context.state_folder, mat, poller.origin_ns, stack)
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
        keyboard = Keyboard(terminal, procedure, loop, simulated)
        loop.watch(*hardware.sources, waker, _stop_signals(player), keyboard)
        loop.run()
    return procedure.result


def _restore_signals_at_end(stack: ExitStack) -> None:
    for number in _STOP_SIGNALS:
        stack.callback(signal.signal, number, signal.getsignal(number))
    stack.callback(signal.set_wakeup_fd, -1)


def _stop_signals(player: Player) -> Signals:
    """A source that ends the procedure at a signal."""
    signals = Signals(_STOP_SIGNALS)
    signals.on_signal = lambda number: player.step(Close())
    return signals


def _open_pi(state_folder: str, mat: Mat, origin_ns: int, stack: ExitStack) -> Hardware:
    """Opens this machine's pins. The lock of the state folder keeps a daemon off them."""
    pi = Pi(state_folder, "`--mock` runs the same without pins", stack)
    try:
        stack.callback(StateFolder(state_folder).close)
    except DeviceError as error:
        if not os.path.exists(paths.SERVICE_SOCKET):
            raise
        message = f"{error}; stop the service: sudo systemctl stop firmware-ctl"
        raise DeviceError(message) from None
    pi.write_down(mat)
    # The LED shows a session, and there is none.
    return pi.open(mat._replace(led_pin=None), origin_ns, lambda line: None)


def run_in_child(context: Context, step: Callable[[], Outcome]) -> Outcome:
    """Runs a step in a child process. An error in it is shown, and the step is not done.

    If the child is killed, for example by the dead-man, this process drives the motor pins low: the
    kernel may keep the outputs of a dead process high. The service has `ExecStopPost=` and the pin
    guard for that. A mock has no pins and needs no child.
    """
    if context.is_mock:
        return step()
    sys.stdout.flush()
    original_mode = mode_of_terminal()
    child = os.fork()
    if child == 0:
        code = context.guarded(step)
        sys.stdout.flush()
        os._exit(code)
    with ExitStack() as stack:
        # The terminal sends Ctrl-C and hang-up to the child too, but SIGTERM reaches only this
        # process.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            stack.callback(signal.signal, number, signal.signal(number, signal.SIG_IGN))
        old_handler = signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
        stack.callback(signal.signal, signal.SIGTERM, old_handler)
        _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        code = os.WEXITSTATUS(status)
        return Outcome(code) if code in set(Outcome) else Outcome.NOT_DONE
    # The pins come first: the terminal may be slow, or gone.
    lines = _drive_pins_low(context.state_folder)
    restore_terminal(original_mode)
    name = signal.Signals(os.WTERMSIG(status)).name
    print_lines("", f"The process was killed ({name}). The mat file is unchanged.", *lines)
    return Outcome.NOT_DONE


def _drive_pins_low(state_folder: str) -> list[str]:
    """Drives the pins low that the child wrote into the state folder. Returns sentences."""
    try:
        chip, pins = emergency_off.read_lines(state_folder)
    except (OSError, ValueError) as error:
        return [f"The pins cannot be driven low: {error}. Run: sudo firmware-ctl off"]
    if not pins:
        return []
    failed, lines = emergency_off.drive_low(chip, pins)
    return [*lines, *emergency_off.describe(pins, failed)]
