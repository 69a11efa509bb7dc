"""Mats with a weak supply, profiles that strain it, and the current of every frame."""

from hypothesis import strategies as st

from firmware_ctl.config.mat import Mat, MatLimits, Motor, Zone
from firmware_ctl.config.patterns import PATTERNS, Side
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.supply import DryRun, PeakCurrent, Work
from tests.support.worlds_timeline import (
    Frame,
    FramePlayback,
    changed,
    keyframes,
    phase,
    play,
    profile,
    rest,
)

SIDES: tuple[Side, ...] = ("left", "right")


def mat_of_single_motors(count: int, max_ma: int, start_ma: int, run_ma: int) -> Mat:
    """A mat with `count` zones of one motor each: z0, z1 and so on."""
    zones = []
    for n in range(count):
        motor = Motor(f"m{n}", f"z{n}", "left", 16 + n, 50, 30, 80, 0, run_ma, start_ma)
        zones.append(Zone(f"z{n}", True, 100, (motor,)))
    limits = MatLimits(900_000, 1_800_000, 80, 25)
    return Mat("singles", tuple(zones), 100, max_ma, limits, None, None, None, ())


@st.composite
def tight_mats(draw: st.DrawFn) -> Mat:
    """Two or three zones of two motors. The supply bears one motor, some motors or all motors."""
    zones = []
    for n, name in enumerate(("neck", "back", "hips")[: draw(st.integers(2, 3))]):
        motors = []
        for i, side in enumerate(SIDES):
            hold_pct = draw(st.integers(5, 40))
            start_pct = draw(st.integers(hold_pct, 70))
            kick_ms = draw(st.sampled_from((0, 40, 120, 300)))
            run_ma = draw(st.integers(60, 120))
            start_ma = draw(st.integers(run_ma, 200))
            figures = (start_pct, hold_pct, 80, kick_ms, run_ma, start_ma)
            motors.append(Motor(f"{name}_{side}", name, side, 16 + 2 * n + i, *figures))
        zones.append(Zone(name, True, 100, tuple(motors)))
    all_ma = sum(motor.start_ma for zone in zones for motor in zone.motors)
    rise_pct_s = draw(st.sampled_from((7, 25, 50)))
    return Mat(
        name="tight mat",
        zones=tuple(zones),
        pwm_hz=100,
        max_ma=draw(st.integers(200, all_ma)),
        limits=MatLimits(900_000, 1_800_000, 80, rise_pct_s),
        button=None,
        led_pin=None,
        gate=None,
        ports=(),
    )


@st.composite
def _plays(draw: st.DrawFn, target: str, for_ms: int) -> Play:
    kind = PATTERNS[draw(st.sampled_from(sorted(PATTERNS)))]
    after_ms = draw(st.sampled_from((0, 0, 130, 777)))
    after_ms = after_ms if after_ms < for_ms else 0
    percents = st.integers(0, 100)
    if kind.course is None:
        most = max(1, (for_ms - after_ms) // 10)
        times_10_ms = draw(st.lists(st.integers(0, most), min_size=1, max_size=6, unique=True))
        frames = tuple((10 * t_10_ms, draw(percents)) for t_10_ms in sorted(times_10_ms))
        return keyframes(target, *frames, after_ms=after_ms)
    # With these step widths, periods coincide again soon, late or never, on ticks or between ticks.
    step_ms = draw(st.sampled_from((1, 10, 20, 50, 100)))
    keys = {
        key.name: draw(st.integers(1, 4))
        if key.is_count
        else max(key.least, step_ms * draw(st.integers(0, 1_500 // step_ms)))
        for key in kind.keys
    }
    level = draw(st.one_of(percents, percents, st.tuples(percents, percents)))
    line = play(target, kind.name, level, after=after_ms, **keys)
    return changed(draw, line, for_ms, st.integers(10, 75).map(lambda n: 20 * n))


@st.composite
def _phases(draw: st.DrawFn, zones: list[str]) -> Phase:
    if draw(st.sampled_from((False,) * 7 + (True,))):
        return rest(draw(st.integers(10, 3_000)))
    targets = ["all"]
    if draw(st.integers(0, 3)):
        targets = [f"{zone}.{side}" for zone in zones for side in SIDES if draw(st.integers(0, 3))]
        targets = targets or [zones[0]]
    for_ms = draw(st.one_of(st.integers(10, 3_000), st.integers(3_000, 9_000)))
    cue = draw(st.sampled_from((None, None, "KI3"))) if for_ms >= 3_000 else None
    lines = [draw(_plays(target, for_ms)) for target in targets]
    return phase(for_ms, *lines, repeat=draw(st.sampled_from((1, 1, 2, 4, 8))), cue=cue)


@st.composite
def strained_mats_and_profiles(draw: st.DrawFn) -> tuple[Mat, Profile]:
    """A mat and a profile for this mat. Some sessions are longer than five minutes."""
    mat = draw(tight_mats())
    phases = st.lists(_phases([zone.name for zone in mat.zones]), min_size=1, max_size=3)
    chosen_phases = draw(phases)
    if draw(st.integers(0, 4)) == 0:
        chosen_phases.append(phase(301_000, play("neck", "tap", 30, taps=2, tap_for=150, rest=700)))
    return mat, profile(*chosen_phases)


def frames(timeline: Timeline) -> list[tuple[int, Frame, float]]:
    """Every frame of an uninterrupted session, with its time and its current in mA."""
    return frames_and_longest_wait(timeline)[0]


def frames_and_longest_wait(
    timeline: Timeline, is_limited: bool = True
) -> tuple[list[tuple[int, Frame, float]], int]:
    """Every frame with its time and current, and the longest time in ms that a start waits."""
    playback = FramePlayback(timeline, is_limited)
    rows = []
    now_ms: int | None = 0
    while now_ms is not None:
        frame = playback.at(now_ms)
        rows.append((now_ms, frame, playback.drive.draws_ma(now_ms)))
        now_ms = frame.until_ms
    return rows, playback.drive.longest_wait_ms


def peak_current(
    timeline: Timeline, work: Work | None = None, limited: bool = True
) -> tuple[PeakCurrent, int]:
    """The peak of an undisturbed session by the proof's dry run, and the longest wait of a start.

    Raises `TooLongError` if the dry run takes more steps than `work` has left.
    """
    dry_run = DryRun(timeline, work or Work(), limited)
    dry_run.run()
    return dry_run.peak, dry_run.longest_wait_ms


def line(target: str, pattern: str, level: tuple[int, int], after_ms: int = 0, **keys: int) -> Play:
    return Play(target, pattern, Level(*level), tuple(keys.items()), after_ms=after_ms)


TARGETS = ("neck.left", "neck.right", "lower_back.left", "lower_back.right", "hips.left")
"""Five motors of the shipped mat."""


def waves(for_ms: int, count: int = 5) -> tuple[Play, ...]:
    """A wave for each target. The periods do not coincide again within a session."""
    return tuple(
        line(side, "wave", (60, 60), 200 * n, period=period_ms)
        for n, (side, period_ms) in enumerate(
            zip(TARGETS[:count], (1_009, 1_013, 1_019, 1_021, 1_031), strict=False)
        )
        if 200 * n < for_ms
    )


def taps(at_ms: int) -> tuple[Play, ...]:
    """Fast taps for each target, with a different rest for each."""
    keys = {"taps": 10, "tap_for": 10}
    return tuple(
        line(side, "tap", (40, 60), n, rest=at_ms + 2 * n, **keys) for n, side in enumerate(TARGETS)
    )


def key_frames(count: int) -> tuple[Play, ...]:
    """`count` key frames for each target."""
    frames = tuple((10 * n, 1 + n % 40) for n in range(count))
    level = Level(40, 40)
    return tuple(
        Play(side, "keyframes", level, frames=frames, after_ms=200 * n)
        for n, side in enumerate(TARGETS)
    )


HOSTILE = {
    "waves whose periods never coincide": [Phase("a", 890_000, 1, waves(890_000), place=(7, 5))],
    "such waves in many phases": [
        Phase(f"p{n}", 11_000, 1, waves(11_000), place=(7 + n, 5)) for n in range(80)
    ],
    "such waves in short passes": [
        Phase(f"p{n}", 1_100, 100, waves(1_100), place=(7 + n, 5)) for n in range(8)
    ],
    "taps": [Phase("a", 890_000, 1, taps(11), place=(7, 5))],
    "taps with a cue in each pass": [Phase("a", 8_900, 100, taps(11), "KI3", place=(7, 5))],
    "key frames": [Phase("a", 14_000, 30, key_frames(1_300), place=(7, 5))],
    "many phases of one pass": [
        Phase(f"p{n}", 1_100, 1, waves(1_100, 1 + n % 5), place=(7 + n, 5)) for n in range(500)
    ],
    "a travel of all": [
        Phase("a", 890_000, 1, (line("all", "travel", (1, 60), period=211),), place=(7, 5))
    ],
}
"""Phases whose proof would take hours if its number of steps were not bounded."""
