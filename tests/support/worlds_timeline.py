"""Small mats, random profiles and complete sessions frame by frame, for the tests of the timeline.

This module builds mats and profiles from values, without files.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from firmware_ctl.config.mat import ButtonPins, Mat, MatLimits, Motor, Zone
from firmware_ctl.config.patterns import PATTERNS, Side, changing_periods
from firmware_ctl.config.profile import REST, Level, Phase, Play, Profile
from firmware_ctl.timeline.compiler import motors_of
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.motor_drive import Levels, MotorDrive
from firmware_ctl.timeline.playback import Playback

Row = TypeVar("Row")

AT_ONCE = 1_000_000
"""A rise above the limit of a mat, so that the envelope ends at the first tick."""


class Frame(NamedTuple):
    """Levels and duties that hold from some time on, until `until_ms`. None: until the end."""

    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]
    """The indexes of the motors that are in their kick."""
    until_ms: int | None


class FramePlayback:
    """An uninterrupted session with its duties. The session and the motors share a clock."""

    def __init__(self, timeline: Timeline, limited: bool = True) -> None:
        self.playback = Playback(timeline)
        self.drive = MotorDrive(timeline.drive_table, limited)

    def at(self, t_ms: int) -> Frame:
        """The frame at `t_ms`. Times must not decrease from call to call."""
        levels = self.playback.levels(t_ms)
        duties, kicks, until_ms = self.drive.duties(levels, t_ms)
        if self.playback.until_ms is not None:
            until_ms = min(self.playback.until_ms, until_ms or self.playback.until_ms)
        return Frame(levels, duties, kicks, until_ms)


def make_mat(rise_pct_s: int = AT_ONCE, absent: str = "", button: bool = False) -> Mat:
    """A mat of six motors on pins 16 to 21: neck left and right, back left, right, left, right."""

    def motor(zone: str, side: Side, pin: int) -> Motor:
        return Motor(f"{zone}_{pin}", zone, side, pin, 50, 30, 80, 0, 100, 150)

    neck = (motor("neck", "left", 16), motor("neck", "right", 17))
    back = tuple(
        motor("back", side, 18 + i)._replace(row=row)
        for i, (row, side) in enumerate(
            (row, side) for row in ("upper", "lower") for side in ("left", "right")
        )
    )
    return Mat(
        name="test mat",
        zones=(Zone("neck", absent != "neck", 100, neck), Zone("back", True, 100, back)),  # type: ignore[arg-type]
        pwm_hz=100,
        max_ma=2_000,
        limits=MatLimits(900_000, 1_800_000, 80, rise_pct_s),
        button=ButtonPins(5, 6) if button else None,
        led_pin=None,
        gate=None,
        ports=(),
    )


def play(target: str, pattern: str, level: int | tuple[int, int] = 0, **keys: int) -> Play:
    """A line of `play`. `level` is a pair if the level changes during the pass. `period_to`: the
    period at the end of the pass, if it changes."""
    begin, end = (level, level) if isinstance(level, int) else level
    after_ms, to_ms = keys.pop("after", 0), keys.pop("period_to", None)
    given = tuple(keys.items())
    return Play(target, pattern, Level(begin, end), given, after_ms=after_ms, period_to_ms=to_ms)


def changed(draw: st.DrawFn, line: Play, for_ms: int, to_ms: st.SearchStrategy[int]) -> Play:
    """The line, with a period that changes if its pattern has one and it is not too short."""
    keys = dict(line.keys)
    if "period" not in keys or not draw(st.sampled_from((False, False, True))):
        return line
    changed_line = line._replace(period_to_ms=draw(to_ms))
    periods = changing_periods(
        keys["period"], changed_line.period_to_ms or 0, line.after_ms, for_ms
    )
    return changed_line if len(periods) <= 200 else line


def keyframes(target: str, *frames: tuple[int, int], after_ms: int = 0) -> Play:
    peak = max(level for _, level in frames)
    return Play(target, "keyframes", Level(peak, peak), frames=frames, after_ms=after_ms)


def phase(for_ms: int, *plays: Play, repeat: int = 1, cue: str | None = None) -> Phase:
    return Phase(f"{for_ms} ms", for_ms, repeat, plays, cue)


def rest(for_ms: int) -> Phase:
    return Phase(REST, for_ms, 1, ())


def profile(*phases: Phase) -> Profile:
    return Profile("test", "Test", "", (), False, phases)


@lru_cache(maxsize=2)
def frames(timeline: Timeline) -> list[tuple[int, Frame]]:
    """Every frame of an uninterrupted session, with its time."""
    playback = FramePlayback(timeline)
    rows: list[tuple[int, Frame]] = []
    t_ms: int | None = 0
    while t_ms is not None:
        frame = playback.at(t_ms)
        rows.append((t_ms, frame))
        t_ms = frame.until_ms
    return rows


def frame_at(timeline: Timeline, t_ms: int) -> Frame:
    """The frame of an uninterrupted session `t_ms` after its start."""
    rows = frames(timeline)
    return rows[bisect_right(rows, t_ms, key=lambda row: row[0]) - 1][1]


def level_changes(timeline: Timeline) -> list[tuple[int, Levels]]:
    """Every change of a level: when, and the levels from then on."""
    return unrepeated([(t_ms, frame.level_pct) for t_ms, frame in frames(timeline)])


def unrepeated(rows: Sequence[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """The rows whose value differs from the row before."""
    return [row for i, row in enumerate(rows) if i == 0 or rows[i - 1][1] != row[1]]


# --- random profiles, valid on a mat with any rise ---

_TARGET_SETS: Sequence[Sequence[str]] = (
    ("all",), ("neck", "back"), ("neck.left", "back"), ("back.left", "back.right"),
    ("back.upper", "back.lower.left"),
)  # fmt: skip


@st.composite
def plays(draw: st.DrawFn, target: str, for_ms: int) -> Play:
    kind = PATTERNS[draw(st.sampled_from(sorted(PATTERNS)))]
    after_ms = draw(st.sampled_from((0, 0, for_ms // 3)))
    percents = st.integers(0, 100)
    if kind.course is None:
        room_ms = for_ms - after_ms
        times_10_ms = draw(
            st.lists(st.integers(0, room_ms // 10), min_size=1, max_size=6, unique=True)
        )
        frames = tuple((10 * t_10_ms, draw(percents)) for t_10_ms in sorted(times_10_ms))
        return keyframes(target, *frames, after_ms=after_ms)
    keys = {
        key.name: draw(st.integers(key.least, min(key.most, 3_000)))
        for key in kind.keys
    }  # fmt: skip
    level = draw(st.one_of(percents, st.tuples(percents, percents)))
    line = play(target, kind.name, level, after=after_ms, **keys)
    return changed(draw, line, for_ms, st.integers(200, 3_000))


@st.composite
def phases(draw: st.DrawFn) -> Phase:
    for_ms = draw(st.one_of(st.integers(10, 3_000), st.integers(10, 200_000)))
    if draw(st.sampled_from((False,) * 5 + (True,))):
        return rest(for_ms)
    targets = draw(st.sampled_from(_TARGET_SETS))
    cue = draw(st.sampled_from((None, None, "KI3"))) if for_ms >= 5_000 else None
    lines = tuple(draw(plays(target, for_ms)) for target in targets)
    return phase(for_ms, *lines, repeat=draw(st.integers(1, 4)), cue=cue)


PROFILES = st.lists(phases(), min_size=1, max_size=4).map(lambda phases: profile(*phases))
MATS = st.builds(make_mat, st.integers(1, 50), st.sampled_from(("", "neck")))


def highest_duties(profile: Profile, timeline: Timeline, mat: Mat) -> list[tuple[str, str, int]]:
    """The highest compiled duty of each line of `play` in each zone, without kicks.

    The phases of a group count once, as `explain` shows them.
    """
    rows = []
    for phase, segment in zip(profile.phases, timeline.segments, strict=True):
        for play in phase.play if phase.is_first else ():
            _, dot, side = play.target.partition(".")
            for zone in mat.zones:
                motors = [i for i in motors_of(play.target, mat) if mat.motors[i].zone == zone.name]
                if motors:
                    curves = timeline.drive_table.curves
                    duty_pct = max(curves[i].duty_pct[segment.high_pct[i]] for i in motors)
                    rows.append((phase.name, zone.name + dot + side, duty_pct))
    return rows
