"""Notes on a profile: what is valid, and probably not what its author meant.

A note refuses nothing. It is for the author alone, and a daemon never makes one.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import PATTERNS
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.profile import Phase, Play, Profile
from firmware_ctl.config.profile_fields import targets_of
from firmware_ctl.config.quantities import in_units
from firmware_ctl.config.yaml_syntax import LINE_END


class Note(NamedTuple):
    """`line` is the line of the target, or of the phase, in the file, from 1."""

    line: int
    sentence: str


STRONG_PCT: Final = 100
"""A level from here on is noted: nothing stronger is left, and a person rarely wants it."""


def notes(profile: Profile, mat: Mat) -> list[Note]:
    """Every note on a valid profile, in the order of its phases."""
    found: list[Note] = []
    for rule in _PROFILE_RULES:
        found += rule(profile)
    for phase in profile.written:
        for play in phase.play:
            for play_rule in _PLAY_RULES:
                sentence = play_rule(phase, play)
                if sentence:
                    found.append(Note(play.place[0], f"{phase.name}: {play.target}: {sentence}"))
            found += _long_turn(phase, play, mat)
        found += [*_silent(phase, mat), *_points(phase, mat)]
    return sorted(found)


# ---- the text

_CUT_TEXT: Final = re.compile(r"""[ {-]*(title|about|name|cue): +[^\s"'|>#].*? #(?=\S)""")
"""A text before ` #` and a word: `Hips #2`. A comment begins with `# `, and gets no note."""


def cut_texts(source: bytes) -> list[Note]:
    """A note for each text of which YAML takes the rest for a comment."""
    found = []
    for number, line in enumerate(LINE_END.split(source.decode()), 1):
        if match := _CUT_TEXT.match(line):
            sentence = f"{match[1]}: ` #` begins a comment; put the text in quotes"
            found.append(Note(number, sentence))
    return found


# ---- the whole profile


def _same_names(profile: Profile) -> Iterator[Note]:
    first: dict[str, int] = {}
    for phase in profile.written:
        if phase.is_rest:
            continue
        if phase.name in first:
            sentence = f"{phase.name}: the phase in line {first[phase.name]} has the same name"
            yield Note(phase.place[0], f"{sentence}; status and log cannot tell them apart")
        first.setdefault(phase.name, phase.place[0])


def _last_rest(profile: Profile) -> Iterator[Note]:
    last = profile.phases[-1]
    if last.is_rest:
        sentence = "the session ends with a rest, in which nothing is felt; leave it out"
        yield Note(last.place[0], f"{last.name}: {sentence}")


def _end(profile: Profile) -> Iterator[Note]:
    last = profile.phases[-1]
    if not last.play:
        return
    highest = max(last.play, key=_last_pct)
    highest_pct = _last_pct(highest)
    rises = any(play.level.to_pct > play.level.from_pct for play in last.play)
    if rises or highest_pct >= _ABRUPT_PCT:
        sentence = f"{last.name}: the last phase ends at {highest_pct}%"
        ramp = f"{{from: {highest_pct}%, to: 0%}}"
        advice = f"the mat fades out by itself; for a slow end write level: {ramp}"
        yield Note(highest.place[0], f"{sentence}; {advice}")


_ABRUPT_PCT: Final = 50
"""From this level on, an end is noted. Below it, the fade of the mat is all that is felt."""


def _last_pct(play: Play) -> int:
    return play.frames[-1][1] if play.frames else play.level.to_pct


# ---- one line of `play`


def _cycle_ms(play: Play) -> int:
    """The length of one cycle of the pattern. 0 if it has none."""
    kind = PATTERNS[play.pattern]
    keys = dict(play.keys)
    if kind.name == "tap":
        return keys["tap_for"] * (2 * keys["taps"] - 1) + keys["rest"]
    if "period" in keys:
        return keys["period"]
    return sum(keys[key.name] for key in kind.keys if not key.is_count)


def _long_cycle(phase: Phase, play: Play) -> str:
    cycle_ms = _cycle_ms(play)
    room_ms = phase.for_ms - play.after_ms
    if cycle_ms <= room_ms:
        return ""
    found = f"one cycle takes {in_units(cycle_ms)}, and the phase has {in_units(room_ms)} for it"
    return f"{found}; shorten the cycle, or lengthen the phase"


def _strong(phase: Phase, play: Play) -> str:
    level_pct = max(play.level.from_pct, play.level.to_pct)
    if level_pct < STRONG_PCT:
        return ""
    return f"{level_pct}% is the strongest there is; feel it first with `firmware-ctl try`"


def _zero(phase: Phase, play: Play) -> str:
    if max(play.level.from_pct, play.level.to_pct):
        return ""
    return "plays at 0%, so nothing is felt; raise the level, or leave the line out"


def _late_frames(phase: Phase, play: Play) -> str:
    if not play.frames or play.frames[0][0] == 0:
        return ""
    found = f"is silent until its first frame at {in_units(play.frames[0][0])}"
    return f"{found}; add a frame at 0s, or write the silence as `after`"


def _jump(phase: Phase, play: Play) -> str:
    # A repeated phase that does not end where it begins jumps at each repetition.
    begin_pct, end_pct = play.level
    if phase.repeat == 1 or play.frames or abs(begin_pct - end_pct) < _JUMP_PCT:
        return ""
    found = f"each repetition jumps from {end_pct}% back to {begin_pct}%"
    return f"{found}; leave `repeat` out, or make two phases of it"


_JUMP_PCT: Final = 30


def _repeated_silence(phase: Phase, play: Play) -> str:
    if phase.repeat == 1 or not play.after_ms:
        return ""
    found = f"each repetition begins with {in_units(play.after_ms)} of silence"
    return f"{found}; for one silence, make a phase of it"


def _one_side(phase: Phase, play: Play) -> str:
    zone, _, side = play.target.rpartition(".")
    if play.pattern != "alternate" or side not in ("left", "right"):
        return ""
    other = "right" if side == "left" else "left"
    found = f"is silent in the half of each period that belongs to the {other} side"
    return f"{found}; name {zone} for both sides, or write `pulse`"


def _long_turn(phase: Phase, play: Play, mat: Mat) -> Iterator[Note]:
    if play.pattern != "shuffle":
        return
    names = targets_of(mat)[play.target].motors
    present = [zone for zone in mat.zones if zone.present]
    count = sum(motor.name in names for zone in present for motor in zone.motors)
    keys = dict(play.keys)
    if count and keys["on_for"] > keys["period"] // count:
        most = in_units(keys["period"] // count)
        found = (
            f"`on_for` is {in_units(keys['on_for'])}, and a motor's share of the period is {most}"
        )
        advice = "each plays only that long; shorten `on_for`, or lengthen `period`"
        yield Note(play.place[0], f"{phase.name}: {play.target}: {found}; {advice}")


def _points(phase: Phase, mat: Mat) -> Iterator[Note]:
    on_mat = {zone.name for zone in mat.zones}
    played = {play.target.partition(".")[0] for play in phase.play}
    for point in (POINTS[name] for name in phase.points):
        if point.zone in on_mat - played and "all" not in played:
            where = point.zone.replace("_", " ")
            found = f"{point.name} is at the {where}, which does not play in this phase"
            advice = f"let {point.zone} play, or remove the point"
            yield Note(phase.place[0], f"{phase.name}: {found}; {advice}")


def _silent(phase: Phase, mat: Mat) -> Iterator[Note]:
    if phase.cue and not phase.play:
        sentence = f"{phase.name}: nothing plays, so its start and end cannot be felt"
        yield Note(phase.place[0], f"{sentence}; give it a gentle level")
    absent = {zone.name for zone in mat.zones if not zone.present}
    names = {play.target.partition(".")[0] for play in phase.play}
    if phase.play and names <= absent:
        sentence = f"{phase.name}: this mat has none of its zones; all of the phase is silent"
        yield Note(phase.place[0], sentence)


_PROFILE_RULES: Final[tuple[Callable[[Profile], Iterator[Note]], ...]] = (
    _same_names,
    _last_rest,
    _end,
)
_PLAY_RULES: Final[tuple[Callable[[Phase, Play], str], ...]] = (
    _long_cycle,
    _strong,
    _zero,
    _late_frames,
    _jump,
    _repeated_silence,
    _one_side,
)
