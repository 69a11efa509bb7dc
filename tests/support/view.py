"""Lines of the daemon's feed, and the screens that the live view draws from these lines."""

import io
import json

from rich.console import Console

from firmware_ctl.cli.view_layout import render
from firmware_ctl.cli.view_picture import Picture
from firmware_ctl.config.mat import Motor

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
                Motor(name, name, "right" if index % 2 else "left", 16, **MOTOR)._asdict()
                for index in range(count)
            ],
        }
        for name, count in ZONES
    ]
    profiles = [{"name": n, "title": t, "minutes": m} for n, t, m in PROFILES]
    paths = {"serial": "/dev/pts/5", "socket": "/run/user/1000/firmware-ctl/control.sock"}
    fields = {"mat": mat, **paths, "speed": speed, "max_ma": 900, "zones": zones}
    return json.dumps({"hello": {**fields, "profiles": profiles, "refused": refused}})


def status(state: str = "idle", **changed: object) -> str:
    words = dict.fromkeys(("cert", "phase", "signal", "fault", "cue", "repeat", "group"), "")
    figures = {"t": 0.0, "left": 0.0, "trim": 100, "locked_until_ms": 0}
    ends = {"by_itself": False, "has_reason": False}
    fields = {"state": state, "profile": "guided-points", **words, **figures, **ends, **changed}
    return json.dumps({"status": fields})


ABOUT = (
    "Four points in twelve minutes. The mat presses two points by itself; you press the others by "
    "hand, gently, with a thumb. A short gap in the hum says begin. LI4 is traditionally avoided "
    "in pregnancy: leave the hand out then and only rest."
)


def selected(name: str = "guided-points", about: str = ABOUT) -> str:
    return json.dumps({"selected": {"name": name, "about": about}})


RUNNING = status("running", phase="knead", repeat="2/4", t=100.0, left=620.0, trim=70)


def row(at_ms: int, duty: list[int], *, kicks: tuple[int, ...] = (), power: bool = True) -> str:
    level = [0, 1, 30, 50, 80, 100, 7, 93]
    powers = duty if power else [0] * len(duty)
    fields = {"at_ms": at_ms, "level": level, "duty": duty, "kicks": kicks, "power": powers}
    return json.dumps(fields)


STARTS = row(0, [0, 0, 72, 72, 72, 80, 0, 80], kicks=(2, 3, 4))
LEVELS = row(120, [0, 72, 44, 50, 68, 80, 35, 77], kicks=(1,))
"""One motor is off, one motor is in its kick, one motor is stalled. The other motors turn."""


def picture_after(*lines: str) -> Picture:
    """The picture after these lines of the feed, all at time 0."""
    picture = Picture()
    for line in lines:
        picture.feed(line, 0)
    return picture


def screen(
    picture: Picture,
    width: int = 80,
    height: int = 24,
    at_ms: int = 0,
    *,
    ascii_only: bool = False,
) -> list[str]:
    """The lines that a terminal shows, without colours and trailing spaces."""
    console = Console(width=width, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(render(picture, width, height, at_ms, ascii_only=ascii_only))
    return [line.rstrip() for line in capture.get().splitlines()]


CUE = status("running", phase="press the hand", cue="LI4", signal="cue-begin", t=60, left=660)
FREE_CUE = status("paused", phase="rest", cue="breathe out slowly", t=60, left=660)
FAULT = status("fault", fault="pin-write GPIO17")
