"""What is proven of a compiled session before it plays, as figures."""

from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from firmware_ctl.budget import Budget, Worst, most_drawn
from firmware_ctl.mat import Mat
from firmware_ctl.shaping import Drive
from firmware_ctl.timeline import Timeline, Voice

MOST_CYCLES: Final = 500
"""A voice has a cycle for each level of its ramp, up to 101, and to draw one takes up to a
millisecond on a Pi Zero 2. In a session with more of them than this the steps are not counted, and
the highest cycle of each voice is drawn alone.
"""


class ZoneProof(NamedTuple):
    zone: str
    played_ms: int
    """The time of the phases in which it plays, rests of patterns included."""
    level_pct: int
    """The highest; so are both duties."""
    duty_pct: int
    kick_pct: int
    """0: no motor needs one."""
    steps: int
    """Steps of level in one cycle of everything that it plays, motors alike counted once; 0 where
    they are too many to count."""
    dead_steps: int
    """Those too small to change a duty."""


class Certificate(NamedTuple):
    """Holds for every session of the profile: a trim, a pause or a stop only lowers its figures."""

    length_ms: int
    rise_pct_s: int
    """Of the envelope; inside it a pattern may jump."""
    zones: tuple[ZoneProof, ...]
    worst: Worst
    """The instant at which it can draw most, as it does if a pause ends there."""
    budget: Budget
    cert: str


def certify(timeline: Timeline, budget: Budget, mat: Mat) -> Certificate:
    cycles = sum(len(voice.ramp.level_pct) for s in timeline.segments for voice in s.voices)
    counts = cycles <= MOST_CYCLES
    zones = tuple(_zone(zone.name, timeline, mat, counts) for zone in mat.zones)
    played = tuple(zone for zone in zones if zone.played_ms)
    return Certificate(
        timeline.end_ms, timeline.rise_pct_s, played, most_drawn(timeline), budget, timeline.cert
    )


def _zone(name: str, timeline: Timeline, mat: Mat, counts: bool) -> ZoneProof:
    motors = [i for i, motor in enumerate(mat.motors) if motor.zone == name]
    drives = timeline.shape.drives
    played_ms = level_pct = duty_pct = kick_pct = steps = dead_steps = 0
    for segment in timeline.segments:
        if any(segment.high_pct[i] for i in motors):
            played_ms += segment.end_ms - segment.begin_ms
        played = {(segment.voice_of[i], drives[i]) for i in motors if segment.voice_of[i] >= 0}
        for voice, drive in played:
            found = _figures(segment.voices[voice], drive, counts)
            level_pct = max(level_pct, found.level_pct)
            duty_pct = max(duty_pct, found.duty_pct)
            steps += found.steps
            dead_steps += found.dead_steps
            # The soft start and every trim pass through the lowest level.
            is_weak = found.level_pct and drive.duty_pct[1] < drive.start_pct
            if timeline.shape.kicks and drive.kick_ms and is_weak:
                kick_pct = max(kick_pct, drive.highest_pct)
    steps, dead_steps = (steps, dead_steps) if counts else (0, 0)
    return ZoneProof(name, played_ms, level_pct, duty_pct, kick_pct, steps, dead_steps)


class _Figures(NamedTuple):
    level_pct: int
    duty_pct: int
    steps: int
    dead_steps: int


@lru_cache(maxsize=64)
def _figures(voice: Voice, drive: Drive, all_cycles: bool) -> _Figures:
    """One voice on one kind of motor, over its cycles: zones and phases share them."""
    cycles = voice.cycles if all_cycles else [voice.cycle(max(voice.ramp.level_pct))]
    levels = [cycle.level_pct for cycle in cycles]
    duties = [[drive.duty_pct[level] for level in cycle] for cycle in levels]
    return _Figures(
        max(map(max, levels)),
        max(map(max, duties)),
        sum(len(cycle) - 1 for cycle in duties),
        sum(a == b for cycle in duties for a, b in pairwise(cycle)),
    )
