"""The `setup` command: guides a builder through the first evening, step by step.

It knows the order of the steps, and keeps in a file of the state folder which of them are done, so
that a person can quit and continue later. It never knows how a step works: other commands do.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Final, NamedTuple, Protocol

from firmware_ctl.commissioning.procedure import LEAVE_KEYS
from firmware_ctl.commissioning.runner import BuilderError, Context
from firmware_ctl.commissioning.terminal import Terminal, print_lines
from firmware_ctl.commissioning.wiring import (
    require_terminal,
    run_calibration,
    run_motor_check,
    run_start_button_check,
    run_stop_switch_check,
)
from firmware_ctl.config import paths, shipped
from firmware_ctl.doctor import command as doctor
from firmware_ctl.errors import AuthorError, FirmwareError
from firmware_ctl.protocol.connection import parse_fields
from firmware_ctl.storage.files import atomic_write, open_regular
from firmware_ctl.timeline.folder import load_mat, write_new

FIRST_PROFILE: Final = "first-time"
MOCK_SPEED: Final = "20"
"""A mock plays the four minutes of the first session in twelve seconds."""


class Client(Protocol):
    """A connection to a daemon's control socket."""

    def ask(self, line: str) -> list[str]:
        """Sends one line of the protocol and returns the lines of the answer."""


class Commands(NamedTuple):
    """Functions of the package `cli`, which this package may not import."""

    guarded: Callable[[Callable[[], int]], int]
    connect: Callable[[str], AbstractContextManager[Client] | None]
    """Connects to a control socket. None: no daemon answers there."""
    install_service: Callable[[], int]
    """Runs `service install`. Returns the exit code."""


class SetupStep(NamedTuple):
    name: str
    about: str
    run: Callable[[Context], bool]
    """False: the step is not done yet."""


def setup(args: argparse.Namespace, commands: Commands) -> int:
    """Exit code 0: every step is done or skipped; 1: the person quit before that."""
    require_terminal(args.mock)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # SystemExit unwinds the stack: the terminal is restored and a daemon of setup's own ends.
        signal.signal(number, lambda *_: sys.exit(1))
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = os.path.join(home, "firmware-ctl-mock") if args.mock else paths.SERVICE_STATE
    state_folder = os.path.abspath(args.state or folder)
    mat_file = os.path.join(state_folder, "mat.yaml") if args.mock else paths.SERVICE_MAT
    context = Context(
        os.path.abspath(args.mat or mat_file), state_folder, args.mock, commands.guarded
    )
    try:
        os.makedirs(state_folder, exist_ok=True)
        return _run_steps(context, Progress(os.path.join(state_folder, "setup")), commands)
    except OSError as error:
        if isinstance(error, FirmwareError):
            raise
        hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
        raise BuilderError(f"{error.filename} cannot be written: {error.strerror}{hint}") from None


class Progress:
    """Which steps are done or skipped, in a file with one line for each: `done wiring`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.steps: dict[str, str] = {}
        """Name of a step → `done` or `skipped`."""
        with suppress(FileNotFoundError):
            fd = open_regular(path, os.O_RDONLY)
            with open(fd, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()
            for line in lines:
                word, _, name = line.rstrip("\n").partition(" ")
                if word in ("done", "skipped"):
                    self.steps[name] = word

    def put(self, name: str, word: str) -> None:
        self.steps[name] = word
        lines = [f"{word} {name}\n" for name, word in self.steps.items()]
        atomic_write(self._path, "".join(lines).encode())


def _steps(context: Context, commands: Commands) -> list[SetupStep]:
    """All steps. The zones are the shipped mat's while the mat file is missing or has mistakes."""
    try:
        mat = context.mat
    except FirmwareError:
        mat = load_mat(shipped.mat_file())
    zones = [zone.name for zone in mat.zones if zone.present]
    return [
        SetupStep(
            "mat file", f"Read your mat file, {context.mat_file}, or create it.", _prepare_mat_file
        ),
        SetupStep("doctor", "Check this machine for problems.", _run_doctor),
        SetupStep(
            "wiring",
            "Run each motor gently: is it where it should be?",
            lambda context: run_motor_check(context) == 0,
        ),
        *(
            SetupStep(
                f"calibrate {zone}",
                "Measure what each motor of the zone needs to start and to keep turning.",
                partial(_calibrate, zone),
            )
            for zone in zones
        ),
        SetupStep(
            "stop switch",
            "Run a motor gently: the stop switch must stop it.",
            lambda context: run_stop_switch_check(context) == 0,
        ),
        SetupStep(
            "start button",
            "Check both of its contacts, pressed and released.",
            lambda context: run_start_button_check(context) == 0,
        ),
        SetupStep(
            "first session",
            f"Play the profile {FIRST_PROFILE}: four gentle minutes.",
            partial(_play_first_session, commands),
        ),
        SetupStep(
            "service", "Start the mat automatically at boot.", partial(_install_service, commands)
        ),
    ]


def _run_steps(context: Context, progress: Progress, commands: Commands) -> int:
    command = "`firmware-ctl setup --mock`" if context.is_mock else "`firmware-ctl setup`"
    position = _first_open_step(_steps(context, commands), progress)
    # The steps are listed anew each time: a step may have changed the zones in the mat file.
    while position < len(steps := _steps(context, commands)):
        _show_steps(steps, progress, position)
        key = _ask_key("Enter: do it   s: skip   b: back   q: quit")
        step = steps[position]
        if key == "q":
            print_lines(f"Stopped here. Run {command} to continue.")
            return 1
        if key == "b":
            position = max(0, position - 1)
        elif key == "s":
            if progress.steps.get(step.name) != "done":
                progress.put(step.name, "skipped")
            position += 1
        elif key == "\n":
            print_lines(f"--- {step.name} ---")
            if _run_step(step, context):
                progress.put(step.name, "done")
                position += 1
            else:
                print_lines("This step is not done yet: do it again, or skip it for now.")
    _show_steps(steps, progress, position)
    skipped_names = [step.name for step in steps if progress.steps.get(step.name) != "done"]
    if skipped_names:
        print_lines(f"Skipped: {', '.join(skipped_names)}. Run {command} to do them.")
    else:
        print_lines(
            "All steps are done. Before you lie down, read in the README who should ask a doctor "
            "first."
        )
    return 0


def _first_open_step(steps: list[SetupStep], progress: Progress) -> int:
    """The first step that is neither done nor skipped, else the first skipped one, else 0."""
    words = [progress.steps.get(step.name, "") for step in steps]
    return next((words.index(word) for word in ("", "skipped") if word in words), 0)


def _show_steps(steps: list[SetupStep], progress: Progress, position: int) -> None:
    print_lines("")
    for i, step in enumerate(steps):
        word = progress.steps.get(step.name, "")
        print_lines(f"{'>' if i == position else ' '} {i + 1:>2} {step.name:<22} {word}")
    if position < len(steps):
        print_lines(steps[position].about)


def _run_step(step: SetupStep, context: Context) -> bool:
    """Runs a step. An error does not end setup: it is shown, and the step is not done."""
    try:
        return step.run(context)
    except AuthorError as error:
        print_lines(*map(str, error.mistakes))
        print_lines(f"Fix {context.mat_file} in another window, then do this step again.")
    except FirmwareError as error:
        print_lines(f"{error}.")
    return False


def _ask_key(prompt: str) -> str:
    with Terminal() as terminal:
        return _wait_for_key(terminal, prompt)


def _wait_for_key(terminal: Terminal, prompt: str, wait_s: float | None = None) -> str:
    """One key. Each of `LEAVE_KEYS` counts as q. Empty: no key within `wait_s`. With None it
    waits until a key is pressed."""
    terminal.show((), prompt)
    if not select.select((0,), (), (), wait_s)[0]:
        return ""
    key = terminal.read_keys()[0]
    return "q" if key in LEAVE_KEYS else key


# ---- the steps that are not commands of their own


def _prepare_mat_file(context: Context) -> bool:
    shipped_text = shipped.mat_text()
    if not os.path.exists(context.mat_file):
        os.makedirs(os.path.dirname(context.mat_file), exist_ok=True)
        write_new(context.mat_file, shipped_text)
    is_shipped = False
    # A file that cannot be read gets its sentence when the mat is read, below.
    with suppress(OSError), open(context.mat_file, encoding="utf-8", errors="replace") as file:
        is_shipped = file.read() == shipped_text
    if is_shipped:  # It was missing, or the Debian package brought it.
        print_lines(
            f"{context.mat_file} is a copy of the shipped one. If your pins, motors or supply "
            "differ from the reference mat, edit it now, in another window."
        )
        _ask_key("press any key to continue")
    mat = context.mat
    zones = ", ".join(zone.name for zone in mat.zones)
    print_lines(f"{mat.name}: {len(mat.motors)} motors in {zones}.")
    return True


def _run_doctor(context: Context) -> bool:
    code = doctor.doctor(argparse.Namespace(mat=context.mat_file, json=False))
    if context.is_mock:
        print_lines("This does not matter in the simulation. On a Pi, nothing may be BAD.")
    return code == 0 or context.is_mock


def _calibrate(zone: str, context: Context) -> bool:
    return run_calibration(context, zone) == 0


def _install_service(commands: Commands, context: Context) -> bool:
    if context.is_mock:
        print_lines("The simulation installs nothing. On a Pi this step runs `service install`.")
        return True
    if context.mat_file != paths.SERVICE_MAT:
        print_lines(f"The service reads {paths.SERVICE_MAT}: copy your mat file to that path.")
    return commands.install_service() == 0


def _play_first_session(commands: Commands, context: Context) -> bool:
    """Plays the first session through a daemon, as every later session is played.

    It uses the service's daemon if that runs, else it starts one for this step.
    """
    print_lines(
        "Lie down, with the stop switch within reach. Press the start button to start. Any press "
        "stops the session; so does any key here. A serial terminal program can do the same: "
        f"`select {FIRST_PROFILE}`, `start`, and `!` to stop."
    )
    with _daemon_client(context, commands) as client, Terminal() as terminal:
        last_line = client.ask(f"select {FIRST_PROFILE}")[-1]
        if last_line.startswith("err"):
            message = last_line.split(" ", 2)[2]
            raise BuilderError(f"{FIRST_PROFILE} cannot be played on this mat: {message}")
        is_done, line = _follow_session(client, terminal, context.is_mock)
        terminal.show((line,), "")
    return is_done


def _follow_session(client: Client, terminal: Terminal, is_mock: bool) -> tuple[bool, str]:
    """Shows the session until it ends. Returns whether one ran, and a closing line to show."""
    has_run = False
    keys = "s: start" + ("   b: press the start button" if is_mock else "") + "   q: quit"
    while True:
        status = parse_fields(client.ask("status")[-1])
        if status["state"] == "fault":
            return False, f"A fault: {status['fault']}. `firmware-ctl doctor` looks for its cause."
        if status["state"] in ("running", "paused"):
            has_run = True
            progress = f"{status['state']}: {status['phase']}, {float(status['left']):.0f} s left"
            if _wait_for_key(terminal, f"{progress}   any key stops", 0.5):
                client.ask("stop")
            continue
        if has_run:
            return True, "Session finished."
        key = _wait_for_key(terminal, f"{status['profile']} is selected   {keys}", 0.5)
        if key == "q":
            return False, "No session was started."
        if key in ("s", "b"):
            last_line = client.ask("start" if key == "s" else "press")[-1]
            if last_line.startswith("err"):
                terminal.show((last_line.split(" ", 2)[2],), "")


@contextmanager
def _daemon_client(context: Context, commands: Commands) -> Iterator[Client]:
    """A client of the running service, or of a daemon that lives as long as this context."""
    if not context.is_mock:
        service_client = commands.connect(paths.SERVICE_SOCKET)
        if service_client is not None:
            with service_client as client:
                yield client
            return
    path = os.path.join(context.state_folder, "setup.sock")
    words = ["mock", "--no-view", "--speed", MOCK_SPEED] if context.is_mock else ["run"]
    words += ["--mat", context.mat_file, "--socket", path]
    words += [] if context.is_mock else ["--state", context.state_folder]
    daemon = subprocess.Popen(
        # -P: Python must not import from the current folder, because setup often runs as root.
        [sys.executable, "-P", "-m", "firmware_ctl", *words],
        env=shipped.child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert daemon.stdout is not None
        for line in daemon.stdout:
            if line.startswith("* ready"):
                break
        else:
            raise BuilderError(daemon.communicate()[1].strip().removeprefix("firmware-ctl: "))
        own_client = commands.connect(path)
        if own_client is None:
            raise BuilderError(f"the daemon that was started does not answer on {path}")
        with own_client as client:
            yield client
    finally:
        daemon.terminate()
        daemon.communicate()
