"""The live view: whole screens from fed lines, the bytes of each key, and a real terminal."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console

from firmware_ctl.feed import Feed
from firmware_ctl.mat import Motor
from firmware_ctl.protocol import FAULT_CODES, Connection
from firmware_ctl.session import State, Stop
from firmware_ctl.view import FAULTS, HELP, LOCKED, MESSAGE_MS, Picture, _verdict
from tests.worlds import world_in

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"

ZONES = [("neck", 2), ("lower_back", 4), ("hips", 2)]
MOTOR = {
    "start_pct": 56,
    "hold_pct": 32,
    "cap_pct": 80,
    "kick_ms": 120,
    "run_ma": 120,
    "start_ma": 150,
}
PROFILES = [
    ("first-time", "First time", 3),
    ("full-body", "Mat and pillow together", 15),
    ("guided-points", "Back and hips by the mat, ankle and hand by hand", 12),
    ("neck", "Neck", 8.5),
]


def hello(
    *,
    absent: str = "",
    speed: float = 1.0,
    mat: str = "Reference mat",
    refused: tuple[str, ...] = (),
) -> str:
    zones = [
        {
            "name": name,
            "present": name != absent,
            "motors": [
                Motor(name, name, "right" if place % 2 else "left", 16, **MOTOR)._asdict()
                for place in range(count)
            ],
        }
        for name, count in ZONES
    ]
    profiles = [{"name": n, "title": t, "minutes": m} for n, t, m in PROFILES]
    paths = {"serial": "/dev/pts/5", "socket": "/run/user/1000/firmware-ctl/control.sock"}
    fields = {"mat": mat, **paths, "speed": speed, "max_ma": 900, "zones": zones}
    return json.dumps({"hello": {**fields, "profiles": profiles, "refused": refused}})


def status(state: str = "idle", **changed: object) -> str:
    words = dict.fromkeys(("cert", "phase", "signal", "fault", "cue", "repeat"), "")
    figures = {"t": 0.0, "left": 0.0, "trim": 100, "locked_until_ms": 0, "by_itself": False}
    fields = {"state": state, "profile": "guided-points", **words, **figures, **changed}
    return json.dumps({"status": fields})


RUNNING = status("running", phase="knead", repeat="2/4", t=100.0, left=620.0, trim=70)


def row(at_ms: int, duty: list[int], *, kicks: tuple[int, ...] = (), power: bool = True) -> str:
    level = [0, 1, 30, 50, 80, 100, 7, 93]
    powers = duty if power else [0] * len(duty)
    fields = {"at_ms": at_ms, "level": level, "duty": duty, "kicks": kicks, "power": powers}
    return json.dumps(fields)


STARTS = row(0, [0, 0, 72, 72, 72, 80, 0, 80], kicks=(2, 3, 4))
LEVELS = row(120, [0, 72, 44, 50, 68, 80, 35, 77], kicks=(1,))
"""One is off, one in its kick, one stalled; the others turn."""


def fed(*lines: str, ascii_only: bool = False) -> Picture:
    picture = Picture(ascii_only=ascii_only)
    for line in lines:
        picture.feed(line, 0)
    return picture


def screen(picture: Picture, width: int = 80, height: int = 24, at_ms: int = 0) -> list[str]:
    console = Console(width=width, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(picture.render(width, height, at_ms))
    return [line.rstrip() for line in capture.get().splitlines()]


CUE = status("running", phase="press the hand", cue="LI4", signal="cue-begin", t=60, left=660)
FREE_CUE = status("paused", phase="rest", cue="breathe out slowly", t=60, left=660)
FAULT = status("fault", fault="pin-write GPIO17")


@pytest.mark.parametrize(
    ("name", "lines", "width", "height", "ascii_only"),
    [
        ("starting", [], 80, 24, False),
        ("idle", [hello(absent="neck"), status(), "* ready firmware-ctl 0.1.0"], 80, 24, False),
        ("running", [hello(), RUNNING, STARTS, LEVELS], 80, 24, False),
        ("cue-wide", [hello(speed=60), CUE, STARTS, LEVELS], 120, 40, False),
        ("paused", [hello(), FREE_CUE], 80, 24, False),
        ("fault-ascii", [hello(mat="Mätte"), FAULT], 80, 24, True),
        ("small", [hello(absent="hips"), CUE, LEVELS], 50, 14, False),
    ],
)
def test_screens(name: str, lines: list[str], width: int, height: int, ascii_only: bool) -> None:
    shown = screen(fed(*lines, ascii_only=ascii_only), width, height, 150)
    golden = (GOLDEN / f"view-{name}.txt").read_text(encoding="utf-8")
    assert shown == golden.splitlines()


def test_every_size_is_filled_and_never_exceeded() -> None:
    picture = fed(hello(mat="a\x1b[2Jb"), CUE, LEVELS)
    for width in (1, 2, 9, 30, 79, 80, 81, 200):
        for height in (1, 2, 7, 23, 24, 25, 60):
            lines = screen(picture, width, height)
            assert len(lines) == height
            assert max(map(len, lines)) <= width
            assert "\x1b" not in "".join(lines)


def test_more_motors_and_profiles_than_rows_are_cropped_around_the_selected() -> None:
    fields = json.loads(hello())["hello"]
    fields["zones"][1]["motors"] *= 5
    fields["profiles"] = [{"name": f"p{n}", "title": "", "minutes": n} for n in range(1, 20)]
    picture = fed(json.dumps({"hello": fields}), status(profile="p12"))
    assert screen(picture)[5:12] == [
        "  9 p9                9 min  neck         0%    0% ······· │ ·······   0%    0%",
        "    p10              10 min  lower back   0%    0% ······· │ ·······   0%    0%",
        "    p11              11 min               0%    0% ······· │ ·······   0%    0%",
        " ▸  p12              12 min               0%    0% ······· │ ·······   0%    0%",
        "    p13              13 min               0%    0% ······· │ ·······   0%    0%",
        "    p14              14 min  … and 7 more rows of motors",
        "",
    ]


def test_the_clock_runs_with_the_speed_between_reports_and_stops_at_the_end() -> None:
    def times(lines: list[str], at_ms: list[int]) -> list[tuple[str, str]]:
        screens = [screen(fed(*lines), at_ms=ms) for ms in at_ms]
        rows = [line.split() for lines in screens for line in lines if line.endswith(" left")]
        return [(row[0], row[-2]) for row in rows]

    at_ms = [0, 500, 10_000, 999_000]
    still = [("1:00", "11:00")] * 4
    assert times([hello(), FREE_CUE], at_ms) == still
    ran = [("1:40", "10:20"), ("1:40", "10:20"), ("1:50", "10:10"), ("12:00", "0:00")]
    assert times([hello(), RUNNING], at_ms) == ran
    fast = [("1:40", "10:20"), ("2:10", "9:50"), ("11:40", "0:20"), ("12:00", "0:00")]
    assert times([hello(speed=60), RUNNING], at_ms) == fast
    assert times([hello(), status()], at_ms) == [("0:00", "12:00")] * 4


def test_it_wakes_only_for_what_moves() -> None:
    spoken = fed(hello(), status(), "* stopped")
    pictures = [fed(), fed(hello(), FREE_CUE), fed(RUNNING), fed(hello(speed=60), RUNNING)]
    assert [picture.wake_after_ms(0) for picture in pictures] == [None, None, 1000, 100]
    assert [spoken.wake_after_ms(at_ms) for at_ms in (0, MESSAGE_MS)] == [MESSAGE_MS, None]
    turning = fed(hello(), status(), LEVELS)
    assert [turning.wake_after_ms(at_ms) for at_ms in (0, 619, 620)] == [100, 100, None]


def current(picture: Picture, at_ms: int) -> str:
    (line,) = (line for line in screen(picture, at_ms=at_ms) if line.startswith(" current "))
    return " ".join(line.replace("━", "").replace("─", "").split())


def test_the_motors_are_drawn_between_two_reports_and_their_highest_current_is_kept() -> None:
    picture = fed(hello(), RUNNING, row(0, [80] * 8), hello(mat="read anew"))
    assert [current(picture, at_ms) for at_ms in (0, 40, 1000)] == [
        "current 1200 of 900 mA most so far 1200 mA",
        "current 1048 of 900 mA most so far 1200 mA",
        "current 960 of 900 mA most so far 1200 mA",
    ]
    picture.feed(row(1000, [40] * 8), 1005)
    assert current(picture, 5000) == "current 480 of 900 mA most so far 1200 mA"
    picture.feed(row(6000, [40] * 8, power=False), 6000)
    assert current(picture, 6000) == "current 0 of 900 mA NO MOTOR POWER"
    picture.feed(status(), 7000)
    assert current(picture, 7000) == "current 0 of 900 mA NO MOTOR POWER"
    picture.feed(row(7000, [0] * 8), 7000)
    picture.feed(RUNNING, 7000)
    assert current(picture, 7000) == "current 0 of 900 mA most so far 0 mA"


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ("cue-begin", "felt: two gaps, the cue begins"),
        ("cue-end", "felt: three gaps, the cue ends"),
        ("five-minutes-left", "felt: five gaps, five minutes left"),
        ("refused", "felt: a long pulse, refused"),
        ("profile-3", "felt: profile 3"),
        ("", ""),
    ],
)
def test_the_signal_being_felt_is_told_in_words(signal: str, words: str) -> None:
    (line,) = (x for x in screen(fed(hello(), status(signal=signal))) if x.startswith(" phase"))
    assert line[14:].strip() == words


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ok", "Paused. p resumes, space stops."),
        ("ok state=idle", "Paused. p resumes, space stops."),
        ("err not-running nothing is running", "nothing is running"),
        ("err busy", "busy"),
        ("err allowance 61 Spent for now.", "Spent for now. Possible again in 2 min."),
        ("err allowance - Hold the button.", "Hold the button."),
        ("* stopped", "Stopped."),
        ("* dropped=3", "dropped=3"),
        ("* event=refused allowance", "Refused: allowance"),
        ('* event=refused code=busy message="A \\"b\\"."', 'Refused: A "b".'),
        (
            '* event=refused code=allowance message="61 Spent."',
            "Refused: Spent. Possible again in 2 min.",
        ),
        (
            '* event=refused code=allowance message="- It is damaged; hold the start button for '
            '5 s to begin a new day"',
            "Refused: It is damaged; hold the start button for 5 s to begin a new day (H does)",
        ),
        ("* event=state state=running", ""),
        ("- a data line", ""),
        ("", ""),
        ("noise", ""),
    ],
)
def test_answers_become_words(line: str, message: str) -> None:
    picture = fed(hello(), status())
    picture.press("p", 0)
    picture.feed(line, 0)
    assert picture.sentence() == f"idle, guided-points | {message}".rstrip(" |")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_session_that_ends_by_itself_is_over(state: str) -> None:
    said = []
    for end in (status(by_itself=True), status()):
        picture = fed(hello(), status(state))
        picture.press(" ", 0)
        picture.feed("ok", 0)
        picture.feed(end, 0)
        said.append(picture.sentence().partition(" | ")[2])
    assert said == ["The session is over.", "Start button pressed."]


def test_how_many_profiles_were_refused_is_told_and_stays() -> None:
    one = fed(hello(refused=("/mine/bad.yaml",)), status(), "* ready firmware-ctl 0.1.0")
    assert one.sentence().endswith(
        " | The mat is ready. 1 profile is refused: `firmware-ctl check /mine/bad.yaml` says why."
    )
    one.feed(hello(refused=("/mine/bad.yaml", "/mine/worse.yaml")), 0)
    assert one.sentence().endswith(
        " | 2 profiles are refused: `firmware-ctl check /mine` says why."
    )
    (heading,) = (line for line in screen(one, at_ms=MESSAGE_MS) if line.startswith(" profiles"))
    assert heading.startswith(" profiles, 2 refused         ")


def test_the_help_is_shown_whole() -> None:
    picture = fed(hello(), status())
    picture.press("?", 0)
    assert HELP in " ".join(line.strip() for line in screen(picture))


def test_answers_belong_to_requests_in_their_order() -> None:
    picture = fed(hello(), status())
    sent = [picture.press(key, 0) for key in "1p!"]
    said = []
    for line in ("ok profile=first-time", "err not-running no session", "* stopped"):
        picture.feed(line, 0)
        said.append(picture.sentence().partition(" | ")[2])
    assert sent == [b"select first-time\r\n", b"pause\r\n", b"!"]
    assert said == ["first-time is selected; space starts it.", "no session", "Stopped."]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        "{]",
        '{"hello":5}',
        '{"hello":{"mat":"x"}}',
        '{"status":null}',
        '{"status":{"state":"running"}}',
        '{"at_ms":1,"level":[1,2],"duty":[1,2],"kicks":[],"power":"x"}',
        '{"level":5}',
        '{"at_ms":1}',
        "{\x00\x1b",
    ],
)
def test_a_feed_line_that_cannot_be_read_changes_nothing(line: str) -> None:
    assert screen(fed(hello(), RUNNING, LEVELS, line)) == screen(fed(hello(), RUNNING, LEVELS))


def test_keys_become_requests() -> None:
    keys = " h!p+=-c14950x?\n"
    running = fed(hello(), RUNNING)
    assert [running.press(key, 0) for key in keys] == [
        b"press\r\n",
        b"press long\r\n",
        b"!",
        b"pause\r\n",
        b"trim 80\r\n",
        b"trim 80\r\n",
        b"trim 60\r\n",
        b"clear\r\n",
        b"select first-time\r\n",
        b"select neck\r\n",
        *[b""] * 6,
    ]
    assert running.sentence().endswith(HELP)
    assert fed(status(profile="näck"), ascii_only=True).sentence() == "idle, n?ck"
    assert running.press("H", 0) == b"press 5.2\r\n"
    assert fed(hello(), FREE_CUE).press("p", 0) == b"resume\r\n"
    assert fed(hello(), status(trim=100)).press("+", 0) == b"trim 100\r\n"
    assert fed(hello(), status(trim=10)).press("-", 0) == b"trim 10\r\n"


@pytest.mark.parametrize(
    ("state", "at_ms", "said"),
    [
        ("idle", 1_499, LOCKED),
        ("idle", 1_500, "Start button pressed."),
        ("running", 1_499, "Start button pressed."),
    ],
)
def test_a_press_that_the_lock_ignores_is_told(state: str, at_ms: int, said: str) -> None:
    picture = fed(hello(), status(state, locked_until_ms=1_500))
    assert picture.press(" ", at_ms) == b"press\r\n"
    picture.feed("ok", at_ms)
    assert picture.sentence().endswith(f" | {said}")


def test_the_daemon_tells_its_times_on_the_clock_of_the_view() -> None:
    world = world_in(State.RUNNING)
    connection = Connection()
    feed = Feed(connection, "/dev/pts/5", "/s", lambda now_ms: (0,) * 3, origin_ms=10_000)
    feed.step(world.session, Stop(), world.at(11_000, Stop()), 11_000)
    _, moved, told = (json.loads(line) for line in connection.unsent.splitlines())
    assert (moved["at_ms"], told["status"]["locked_until_ms"]) == (21_000, 22_500)


def test_every_fault_has_its_remedy() -> None:
    assert set(FAULTS) == set(FAULT_CODES)
    assert all(remedy.endswith(".") for remedy in FAULTS.values())


def test_why_the_daemon_ended() -> None:
    kill = int(signal.SIGKILL)
    assert [
        _verdict(0, "", overdue=False),
        _verdict(1 << 8, "tick-late", overdue=False),
        _verdict(2 << 8, "", overdue=False),
        _verdict(kill, "", overdue=False),
        _verdict(kill, "", overdue=True),
        _verdict(kill, "", overdue=False, running=True),
        _verdict(int(signal.SIGSEGV), "", overdue=False, running=True),
    ] == [
        (0, ""),
        (1, "the daemon ended with exit code 1 after the fault tick-late."),
        (2, "the daemon ended with exit code 2."),
        (1, "the daemon was killed by signal 9 (SIGKILL)."),
        (1, "the daemon did not end within 2 s and was killed."),
        (
            1,
            "the daemon was killed by signal 9 (SIGKILL) while a session ran, "
            "as its dead-man does when it hangs or is stopped.",
        ),
        (1, "the daemon was killed by signal 11 (SIGSEGV)."),
    ]


FAKE = """
import os, signal, socket, sys
ours, its = socket.socketpair()
child_pid = os.fork()
if child_pid:
    its.close()
    from firmware_ctl.view import run
    sys.exit(run(ours, child_pid, "serial port: /dev/pts/5"))
ours.close()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
its.sendall(b"\\r\\n".join(line.encode() for line in sys.argv[1:]) + b"\\r\\n")
heard = b""
while more := its.recv(100):
    heard += more
    if b"press\\r\\n" in heard:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"press long\\r\\n" in heard:
        os.kill(os.getppid(), signal.SIGTERM)
sys.exit(3 if heard == b"events on\\r\\nselect neck\\r\\n!" else 4)
"""


@pytest.mark.parametrize(
    ("keys", "code", "why"),
    [
        ("4q", 3, "the daemon ended with exit code 3."),
        ("4\x03", 3, "the daemon ended with exit code 3."),
        ("\x1b[A!h", 4, "the daemon ended with exit code 4."),
        (" ", 1, "the daemon was killed by signal 9 (SIGKILL)."),
    ],
    ids=["q", "ctrl-c", "sigterm", "killed"],
)
def test_in_a_terminal_that_is_restored_whatever_happens(keys: str, code: int, why: str) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    view = subprocess.Popen(
        [sys.executable, "-c", FAKE, hello(), status()],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1"},
        start_new_session=True,
    )
    heard = b""

    def expect(words: str) -> None:
        nonlocal heard
        while words.encode() not in heard:
            assert select.select([master], [], [], 30)[0], heard
            heard += os.read(master, 4096)

    try:
        expect("guided-points")
        os.write(master, keys.encode())
        expect(f"{why}\r\n")
        assert view.wait(30) == code
        assert termios.tcgetattr(slave) == before
    finally:
        view.kill()
        view.wait()
        os.close(master)
        os.close(slave)
    shown = heard.decode()
    assert shown.startswith("serial port: /dev/pts/5\r\n\x1b[?1049h")
    assert shown.endswith(f"\x1b[?25h\x1b[?1049lfirmware-ctl: {why}\r\n")
