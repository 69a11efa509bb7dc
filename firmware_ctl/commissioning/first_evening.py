"""`setup`: the first evening with a mat, step by step; each can be left and taken up again.

It knows the order of the steps and which of them are done, in a small file of the state folder.
What a step does, other commands know.
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
from firmware_ctl.commissioning.terminal import (
    BuilderError,
    Terminal,
    Workbench,
    feel_all,
    greet,
    tell,
    try_button,
    try_stop_switch,
    tune,
)
from firmware_ctl.config import paths, shipped
from firmware_ctl.doctor import command as doctor
from firmware_ctl.errors import AuthorError, FirmwareError
from firmware_ctl.protocol.connection import parse_fields
from firmware_ctl.storage.files import atomic_write, open_regular
from firmware_ctl.timeline.folder import load_mat, write_new

FIRST: Final = "first-time"
MOCK_SPEED: Final = "20"
"""In a mock the four minutes of the first session take twelve seconds."""


class Client(Protocol):
    """A connection to a daemon's control socket."""

    def ask(self, line: str) -> list[str]:
        """Sends one line of the protocol, and gives the lines of the answer."""


class Commands(NamedTuple):
    """What the first evening is given of the other commands."""

    guarded: Callable[[Callable[[], int]], int]
    connect: Callable[[str], AbstractContextManager[Client] | None]
    """To a control socket; None: no daemon answers there."""
    install_service: Callable[[], int]


class Step(NamedTuple):
    name: str
    about: str
    do: Callable[[Workbench], bool]
    """False: it is not done yet."""


def setup(args: argparse.Namespace, commands: Commands) -> int:
    """0 every step is done or skipped · 1 left before that."""
    greet(args.mock)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that terminal and daemon are seen to
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = os.path.join(home, "firmware-ctl-mock") if args.mock else paths.SERVICE_STATE
    state = os.path.abspath(args.state or folder)
    own = os.path.join(state, "mat.yaml") if args.mock else paths.SERVICE_MAT
    bench = Workbench(os.path.abspath(args.mat or own), state, args.mock, commands.guarded)
    try:
        os.makedirs(state, exist_ok=True)
        return _go_through(bench, Progress(os.path.join(state, "setup")), commands)
    except OSError as error:
        if isinstance(error, FirmwareError):
            raise
        hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
        raise BuilderError(f"{error.filename} cannot be written: {error.strerror}{hint}") from None


class Progress:
    """Which steps are done or skipped: a line each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.steps: dict[str, str] = {}
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


def _steps(bench: Workbench, commands: Commands) -> list[Step]:
    """Of a mat file that is not there or not sound yet, the zones are the shipped one's."""
    try:
        mat = bench.mat
    except FirmwareError:
        mat = load_mat(shipped.mat_file())
    zones = [zone.name for zone in mat.zones if zone.present]
    return [
        Step("mat file", f"Your own mat file, {bench.mat_file}: read, or begun.", _mat_file),
        Step("doctor", "What on this machine would make the mat unsafe or keep it idle.", _doctor),
        Step("wiring", "Each motor runs gently: is it where it should be?", _wiring),
        *(
            Step(
                f"calibrate {zone}",
                "What each motor of the zone needs to start, and to keep turning.",
                partial(_calibrate, zone),
            )
            for zone in zones
        ),
        Step(
            "stop switch",
            "A motor runs gently: the stop switch has to end it.",
            lambda bench: try_stop_switch(bench) == 0,
        ),
        Step(
            "start button",
            "Both of its contacts, pressed and released.",
            lambda bench: try_button(bench) == 0,
        ),
        Step(
            "first session",
            f"The profile {FIRST}: four gentle minutes.",
            partial(_first_session, commands),
        ),
        Step(
            "service", "From now on the mat is ready when the Pi is.", partial(_service, commands)
        ),
    ]


def _go_through(bench: Workbench, progress: Progress, commands: Commands) -> int:
    again = "`firmware-ctl setup --mock`" if bench.is_mock else "`firmware-ctl setup`"
    at = 0
    steps = _steps(bench, commands)
    while at < len(steps) and progress.steps.get(steps[at].name):
        at += 1
    if at == len(steps):  # all was seen to: what was skipped is taken up, or all of it again
        words = [progress.steps[step.name] for step in steps]
        at = words.index("skipped") if "skipped" in words else 0
    while at < len(steps := _steps(bench, commands)):
        _show(steps, progress, at)
        key = _key("Enter do it   s skip   b back   q leave")
        step = steps[at]
        if key == "q":
            tell(f"Left. {again} goes on from here.")
            return 1
        if key == "b":
            at = max(0, at - 1)
        elif key == "s":
            if progress.steps.get(step.name) != "done":
                progress.put(step.name, "skipped")
            at += 1
        elif key == "\n":
            tell(f"--- {step.name} ---")
            if _done(step, bench):
                progress.put(step.name, "done")
                at += 1
            else:
                tell("This step is not done yet: do it again, or skip it for now.")
    _show(steps, progress, at)
    skipped_names = [step.name for step in steps if progress.steps[step.name] == "skipped"]
    if skipped_names:
        tell(f"Skipped: {', '.join(skipped_names)}. {again} takes them up again.")
    else:
        tell("All is done. Before you lie down, read in the README who should ask a doctor first.")
    return 0


def _show(steps: list[Step], progress: Progress, at: int) -> None:
    tell("")
    for i, step in enumerate(steps):
        word = progress.steps.get(step.name, "")
        tell(f"{'>' if i == at else ' '} {i + 1:>2} {step.name:<22} {word}")
    if at < len(steps):
        tell(steps[at].about)


def _done(step: Step, bench: Workbench) -> bool:
    try:
        return step.do(bench)
    except AuthorError as error:
        tell(*map(str, error.mistakes))
        tell(f"Mend {bench.mat_file} in another window, then do this step again.")
    except FirmwareError as error:
        tell(f"{error}.")
    return False


def _key(prompt: str) -> str:
    with Terminal() as terminal:
        return _pressed(terminal, prompt)


def _pressed(terminal: Terminal, prompt: str, wait_s: float | None = None) -> str:
    """One key; q for all that leave; nothing where none comes in time."""
    terminal.show((), prompt)
    if not select.select((0,), (), (), wait_s)[0]:
        return ""
    key = terminal.typed()[0]
    return "q" if key in LEAVE_KEYS else key


# ---- the steps that no other command is


def _mat_file(bench: Workbench) -> bool:
    if not os.path.exists(bench.mat_file):
        os.makedirs(os.path.dirname(bench.mat_file), exist_ok=True)
        with open(shipped.mat_file(), encoding="utf-8") as file:
            text = file.read()
        folder = os.path.dirname(shipped.mat_file())
        write_new(bench.mat_file, text.replace("$schema=.", f"$schema={folder}"))
        tell(
            f"{bench.mat_file} is new, a copy of the shipped one. If your pins, motors or supply "
            "differ from the reference mat, edit it now, in another window."
        )
        _key("any key goes on")
    mat = bench.mat
    tell(f"{mat.name}: {len(mat.motors)} motors in {', '.join(zone.name for zone in mat.zones)}.")
    return True


def _doctor(bench: Workbench) -> bool:
    code = doctor.doctor(argparse.Namespace(mat=bench.mat_file, json=False))
    if bench.is_mock:
        tell("In a mock that is no matter; on the Pi this step is done when nothing is BAD.")
    return code == 0 or bench.is_mock


def _wiring(bench: Workbench) -> bool:
    return feel_all(bench) == 0


def _calibrate(zone: str, bench: Workbench) -> bool:
    return tune(bench, zone) == 0


def _service(commands: Commands, bench: Workbench) -> bool:
    if bench.is_mock:
        tell("In a mock nothing is installed. On the Pi this does `service install`.")
        return True
    if bench.mat_file != paths.SERVICE_MAT:
        tell(f"The service reads {paths.SERVICE_MAT}; put your mat file there.")
    return commands.install_service() == 0


def _first_session(commands: Commands, bench: Workbench) -> bool:
    """Through a daemon: the service's if it runs, else one of its own for this step."""
    tell(
        "Lie down, with the stop switch within reach. A press of the start button starts, any "
        "press ends; so does any key here. Over serial a terminal program does the same: "
        f"`select {FIRST}`, `start`, and `!` to stop."
    )
    with _daemon(bench, commands) as client, Terminal() as terminal:
        final = client.ask(f"select {FIRST}")[-1]
        if final.startswith("err"):
            raise BuilderError(f"{FIRST} cannot be played on this mat: {final.split(' ', 2)[2]}")
        is_done, line = _accompany(client, terminal, bench.is_mock)
        terminal.show((line,), "")
    return is_done


def _accompany(client: Client, terminal: Terminal, is_mock: bool) -> tuple[bool, str]:
    """Shows the session until it is over: whether one ran, and what is to be said of it."""
    ran = False
    keys = "s start" + ("   b press the start button" if is_mock else "") + "   q leave"
    while True:
        status = parse_fields(client.ask("status")[-1])
        if status["state"] == "fault":
            return False, f"A fault: {status['fault']}. `firmware-ctl doctor` looks for its cause."
        if status["state"] in ("running", "paused"):
            ran = True
            left = f"{status['state']}: {status['phase']}, {float(status['left']):.0f} s left"
            if _pressed(terminal, f"{left}   any key stops", 0.5):
                client.ask("stop")
            continue
        if ran:
            return True, "It ran, and it is over."
        key = _pressed(terminal, f"{status['profile']} is selected   {keys}", 0.5)
        if key == "q":
            return False, "No session was started."
        if key in ("s", "b"):
            final = client.ask("start" if key == "s" else "press")[-1]
            if final.startswith("err"):
                terminal.show((final.split(" ", 2)[2],), "")


@contextmanager
def _daemon(bench: Workbench, commands: Commands) -> Iterator[Client]:
    if not bench.is_mock:
        service_client = commands.connect(paths.SERVICE_SOCKET)
        if service_client is not None:
            with service_client as client:
                yield client
            return
    path = os.path.join(bench.state, "setup.sock")
    words = ["mock", "--no-view", "--speed", MOCK_SPEED] if bench.is_mock else ["run"]
    words += ["--mat", bench.mat_file, "--socket", path]
    words += [] if bench.is_mock else ["--state", bench.state]
    daemon = subprocess.Popen(
        # -P: nothing of the folder in which the builder stands is run, often by root.
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
