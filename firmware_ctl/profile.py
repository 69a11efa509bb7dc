"""A profile: YAML text in, a frozen value out, every mistake with its place.

Knows the mat's zones and caps, and never a pin.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, NamedTuple

from firmware_ctl import limits
from firmware_ctl.document import (
    REQUIRED,
    VERSION,
    Entries,
    Field,
    Form,
    Items,
    Json,
    Kind,
    Node,
    Report,
    Text,
    blocks,
    choice,
    either,
    flag,
    in_units,
    length,
    list_of,
    near,
    pair_of,
    parse,
    scalar,
    shown,
    table,
    whole,
    word,
    words,
)
from firmware_ctl.errors import CallerError
from firmware_ctl.limits import CUE_MS
from firmware_ctl.mat import Mat, zone_name
from firmware_ctl.patterns import AFTER, LONGEST_MS, PATTERNS, SHORTEST_MS
from firmware_ctl.points import POINTS


class Level(NamedTuple):
    """Percent at the begin and the end of one pass of the phase; equal where it does not change."""

    from_pct: int
    to_pct: int


class Play(NamedTuple):
    """One line of `play`: what a target does in a phase."""

    target: str
    """A zone, `all`, or a side: `hips`, `all`, `hips.left`."""
    pattern: str
    level: Level
    """For keyframes: the highest frame, from and to."""
    keys: tuple[tuple[str, int], ...] = ()
    """Every key of the pattern with its value, defaults filled in, in the table's order."""
    frames: tuple[tuple[int, int], ...] = ()
    """Keyframes only: (at_ms, level_pct)."""
    after_ms: int = 0


class Phase(NamedTuple):
    name: str
    for_ms: int
    """One pass."""
    repeat: int
    play: tuple[Play, ...]
    cue: str | None = None
    """A point's name, or free text."""
    points: tuple[str, ...] = ()
    place: tuple[int, int] = (1, 1)
    """Line and column in its file."""


class Profile(NamedTuple):
    name: str
    title: str
    about: str
    needs: tuple[str, ...]
    strict: bool
    phases: tuple[Phase, ...]

    @property
    def length_ms(self) -> int:
        return sum(phase.for_ms * phase.repeat for phase in self.phases)


# ---- the file


class Target(NamedTuple):
    """What a line of `play` may name: its motors, and the highest level asked of them."""

    motors: frozenset[str]
    cap_pct: int
    cap_of: str


@lru_cache(maxsize=4)
def targets_of(mat: Mat) -> Mapping[str, Target]:
    """Every target of the mat; absent zones too, since a profile may play on them all the same."""
    lowest = min((zone for zone in mat.zones if zone.present), key=lambda zone: zone.cap_pct)
    every = frozenset(motor.name for motor in mat.motors)
    targets = {"all": Target(every, lowest.cap_pct, f"the {lowest.name} zone's cap of")}
    for zone in mat.zones:
        parts = {zone.name: zone.motors}
        for motor in zone.motors:
            side = f"{zone.name}.{motor.side}"
            parts[side] = (*parts.get(side, ()), motor)
        for name, motors in parts.items():
            names = frozenset(motor.name for motor in motors)
            targets[name] = Target(names, zone.cap_pct, f"the {zone.name} zone's cap of")
    return targets


def _level(percent: Kind) -> Kind:
    return either(
        percent,
        table(
            "a level that changes",
            Field("from", percent, "level when the phase begins"),
            Field("to", percent, "level when the phase ends"),
        ),
    )


@lru_cache(maxsize=128)
def _pattern(name: str, cap_pct: int, cap_of: str) -> Kind:
    """The block of one pattern, on a target with this cap."""
    percent = whole(0, cap_pct, "%", cap_of)
    frames = list_of(pair_of(length(0, LONGEST_MS), percent), least=1)
    kind = PATTERNS[name]
    return table(
        f"the pattern {name}",
        Field("pattern", choice((name,), "pattern"), kind.about),
        Field("frames", frames, "pairs of [time, level]")
        if kind.course is None
        else Field("level", _level(percent), "how strong it is felt; {from, to} over one pass"),
        *(
            Field(
                key.name,
                whole(key.least, key.most) if key.is_count else length(key.least, key.most),
                key.about,
                REQUIRED if key.default is None else key.default,
            )
            for key in (*kind.keys, AFTER)
        ),
    )


_PATTERN_NAME: Final = choice(PATTERNS, "pattern")


def _play(cap_pct: int, cap_of: str) -> Kind:
    """What a target does: the block of a pattern, or a level alone, which is `steady`."""

    def read(node: Node, key: str, report: Report) -> Form | None:
        if isinstance(node, Text):
            short = Entries(node.line, node.column)
            steady = Text(node.line, node.column, "steady")
            short.pairs = {"pattern": (steady, steady), "level": (steady, node)}
            return read(short, key, report)
        if not isinstance(node, Entries):
            report.add(node, f"{key}: a level or the block of a pattern belongs here, not a list")
            return None
        name = None
        if "pattern" in node.pairs:
            name = _PATTERN_NAME.read(node.pairs["pattern"][1], "pattern", report)
        else:
            report.add(node, f"pattern: is missing; known: {', '.join(PATTERNS)}")
        if name is not None:
            form: Form | None = _pattern(name, cap_pct, cap_of).read(node, key, report)
            return form
        if "level" in node.pairs:  # wrong whatever the pattern is to be
            percent = whole(0, cap_pct, "%", cap_of)
            _level(percent).read(node.pairs["level"][1], "level", report)
        return None

    return Kind(read, {"$ref": "#/definitions/play"})


def play_schema() -> Json:
    """What the schema of a file refers to: a reader has no use for it."""
    level = whole(0, 100, "%").schema | {"description": "a level, short for steady"}
    patterns = [_pattern(name, 100, _THE_MOST).schema for name in PATTERNS]
    return {"anyOf": [level, *patterns]}


def _spelt_like_zones(known: Iterable[str], what: str, pattern: str) -> Kind:
    names = tuple(known)

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar(node, key, report)
        if text is None or zone_name(text) in names:
            return text and zone_name(text)
        hint = near(zone_name(text), names)
        report.add(node, f"{key}: the mat has no {what} {shown(text)}; {hint}")
        return None

    return Kind(read, {"type": "string", "pattern": pattern})


def _target(targets: Iterable[str]) -> Kind:
    return _spelt_like_zones(targets, "zone or side", rf"^{_ZONE_PATTERN}(\.(left|right))?$")


def _read_cue(node: Node, key: str, report: Report) -> str | None:
    text: str | None = words(60).read(node, key, report)
    if text and text in POINTS and not POINTS[text].by_hand:
        sentence = f"{text} is pressed by the mat, not by hand; name it under points"
        report.add(node, f"{key}: {sentence}")
        return None
    if text and text not in POINTS and isinstance(node, Text) and not node.quoted:
        sentence = f"{shown(text)} is no point, and a free text goes in quotes"
        report.add(node, f"{key}: {sentence}; {near(text, _BY_HAND)}")
        return None
    return text


def _read_point(node: Node, key: str, report: Report) -> str | None:
    if isinstance(node, Text) and node.value in _BY_HAND:
        sentence = f"{node.value} is pressed by hand, the mat does not reach it; make it a cue"
        report.add(node, f"{key}: {sentence}")
        return None
    name: str | None = _ON_THE_MAT.read(node, key, report)
    return name


_NAME: Final = word("a-z0-9-", "a-z, 0-9 and '-'")
_ZONE_PATTERN: Final = "[a-z0-9_-]{1,32}"
_BY_HAND: Final = [point.name for point in POINTS.values() if point.by_hand]
_ON_THE_MAT: Final = choice([p.name for p in POINTS.values() if not p.by_hand], "point")
_CUE: Final = Kind(
    _read_cue, {"type": "string", "minLength": 1, "maxLength": 60, "examples": _BY_HAND}
)
_POINTS: Final = list_of(Kind(_read_point, _ON_THE_MAT.schema), unique=True)
_THE_MOST: Final = "the most,"
_ANY_PLAY: Final = _play(100, _THE_MOST)


@lru_cache(maxsize=4)
def file_kind(mat: Mat) -> Kind:
    """The table of a profile file: what may stand in it on this mat."""
    targets = targets_of(mat)
    zones = [zone.name for zone in mat.zones]
    plays = blocks(
        "targets",
        _target(targets),
        _ANY_PLAY,
        {name: _play(target.cap_pct, target.cap_of) for name, target in targets.items()},
    )
    to_complete = {"properties": dict.fromkeys(targets, _ANY_PLAY.schema)}
    play = Kind(plays.read, plays.schema | to_complete)
    phase = table(
        "a phase",
        Field("name", words(60), "what the phase is called while it plays"),
        Field("for", length(SHORTEST_MS, LONGEST_MS), "length of one pass"),
        Field("repeat", whole(1, 100), "how often it plays", default=1),
        Field("play", play, "what zones and sides do, or `all` of them", default=None),
        Field("cue", _CUE, "a point pressed by hand, or a text in quotes", default=None),
        Field("points", _POINTS, "the points that the mat presses in this phase", default=()),
    )
    needs = list_of(_spelt_like_zones(zones, "zone", f"^{_ZONE_PATTERN}$"), unique=True)
    return table(
        "a profile",
        Field("schema", VERSION, "version of the format", default="1"),
        Field("name", _NAME, "the name of the file, without .yaml", default=None),
        Field("title", words(80), "the name that people read"),
        Field("about", words(1_000), "what it is, and what to know first", default=""),
        Field("needs", needs, "zones without which it does not start", default=()),
        Field("strict", flag(), "too much current is then a mistake", default=False),
        Field("phases", list_of(phase, least=1), "what happens, one after another"),
    )


def read_profile(data: bytes, path: str, mat: Mat) -> Profile:
    """The profile in this file. Raises AuthorError with every mistake in it."""
    report = Report(path)
    targets = targets_of(mat)
    root = parse(data, report)
    if isinstance(root, Entries) and "zones" in root.pairs and "phases" not in root.pairs:
        command = f"firmware-ctl check --mat {path}"
        report.add(root, f"this looks like a mat file; check it with: {command}")
        raise report.error()
    form: Form | None = file_kind(mat).read(root, "the file", report)
    if form is None:
        raise report.error()
    name = path.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    _check_name(form, stem, report)
    present = {zone.name for zone in mat.zones if zone.present}
    for node, zone in _items(form, "needs"):
        if zone is not None and zone not in present:
            report.add(node, f"needs: the {zone} zone is not there (present: false)")
    phases = [
        _phase(phase, targets, report) for _, phase in _items(form, "phases") if phase is not None
    ]
    _check_length(form, mat, report)
    if report.mistakes:
        raise report.error()
    return Profile(
        name=stem,
        title=form["title"],
        about=form["about"],
        needs=form["needs"],
        strict=form["strict"],
        phases=tuple(phase for phase in phases if phase is not None),
    )


def read_play(target: str, pattern: str, level: str, keys: Mapping[str, str], mat: Mat) -> Play:
    """One line of play, from words. A number without a unit is percent for the level, else seconds.

    Raises CallerError (bad-argument) with every mistake in one sentence.
    """
    report = Report("try")
    targets = targets_of(mat)
    counts = {key.name for kind in PATTERNS.values() for key in kind.keys if key.is_count}
    node = Entries(1, 1)
    for key, text in (("pattern", pattern), ("level", level), *keys.items()):
        unit = "%" if key == "level" else "" if key in counts | {"pattern"} else "s"
        value = text + unit if text.replace(".", "", 1).isdecimal() else text
        place = Text(1, 1, key)
        if node.pairs.setdefault(key, (place, Text(1, 1, value)))[0] is not place:
            report.add(place, f"{key}: is given already")
    name = _target(targets).read(Text(1, 1, target), "target", report)
    play = None
    if pattern == "keyframes":
        report.add(node, "pattern: keyframes need a profile; they do not fit in one line")
    else:
        kind = _play(targets[name].cap_pct, targets[name].cap_of) if name else _ANY_PLAY
        form = kind.read(node, "play", report)
        play = _line(name or target, form, limits.TRY_MS, report)
    for zone in mat.zones:
        if name is not None and name.partition(".")[0] == zone.name and not zone.present:
            report.add(node, f"target: the {zone.name} zone is not there (present: false)")
    if report.mistakes or play is None:
        raise CallerError("bad-argument", "; ".join(m.sentence for m in sorted(report.mistakes)))
    return play


def _items(form: Form, key: str) -> Iterable[tuple[Node, Any]]:
    """The items of a list with their places; none where there is no list."""
    node = form.at(key)
    return zip(node.nodes if isinstance(node, Items) else (), form[key] or (), strict=True)


def _check_name(form: Form, stem: str, report: Report) -> None:
    if form["name"] not in (None, stem):
        sentence = f"name: {form['name']} is not the file's name, {shown(stem)}; leave it out"
        report.add(form.at("name"), sentence)
    else:
        _NAME.read(Text(1, 1, stem), "the name of the file", report)
    if stem == "try":
        report.add(
            Text(1, 1, stem), "the name of the file: try is taken by the command; use another"
        )


def _check_length(form: Form, mat: Mat, report: Report) -> None:
    """Reports a session over the limit at the phase that crosses it."""
    most_ms = min(mat.limits.session_ms, mat.limits.daily_ms)
    phases = [phase for _, phase in _items(form, "phases") if phase and phase["for"]]
    ends = list(accumulate(phase["for"] * (phase["repeat"] or 1) for phase in phases))
    if ends and ends[-1] > most_ms:
        phase = next(phase for phase, end_ms in zip(phases, ends, strict=True) if end_ms > most_ms)
        sentence = f"the session takes {in_units(ends[-1])}, the mat allows {in_units(most_ms)}"
        report.add(phase.at("for"), f"for: {sentence}, and this phase goes over it")


def _phase(form: Form, targets: Mapping[str, Target], report: Report) -> Phase | None:
    if "play" not in form.node.pairs and "cue" not in form.node.pairs:
        report.add(form.node, "play: is missing; a phase needs play, or a cue, or both")
    if form["cue"] and form["for"] and form["for"] < CUE_MS:
        sentence = f"a cue takes at least {in_units(CUE_MS)}, to tell its begin and its end"
        report.add(form.at("for"), f"for: {in_units(form['for'])} is too short; {sentence}")
    plays: dict[str, tuple[Text, Form | None]] = form["play"] or {}
    lines = [_line(name, play, form["for"], report) for name, (_, play) in plays.items()]
    owners: dict[str, str] = {}
    for name, (place, _) in plays.items():
        shared = sorted({owners[motor] for motor in targets[name].motors if motor in owners})
        if shared:
            both = " and ".join((*shared, name))
            report.add(place, f"{shown(place.value)}: {both} share motors; name each motor once")
        owners.update(dict.fromkeys(targets[name].motors, name))
    if not form.is_sound:
        return None
    return Phase(
        name=form["name"],
        for_ms=form["for"],
        repeat=form["repeat"],
        play=tuple(line for line in lines if line is not None),
        cue=form["cue"],
        points=form["points"],
        place=(form.node.line, form.node.column),
    )


def _line(target: str, form: Form | None, for_ms: int | None, report: Report) -> Play | None:
    if form is None:
        return None
    after_ms: int | None = form["after"]
    if after_ms and for_ms and after_ms >= for_ms:
        sentence = f"{in_units(after_ms)} of {in_units(for_ms)} leaves nothing to play"
        report.add(form.at("after"), f"after: {sentence}")
    if "frames" in form:
        _check_frames(form, (for_ms or LONGEST_MS) - (after_ms or 0), report)
    if not form.is_sound or None in (form.get("frames") or ()):
        return None
    kind = PATTERNS[form["pattern"]]
    if "frames" in form:
        peak_pct = max(level_pct for _, level_pct in form["frames"])
        level = Level(peak_pct, peak_pct)
    elif isinstance(form["level"], Form):
        level = Level(form["level"]["from"], form["level"]["to"])
    else:
        level = Level(form["level"], form["level"])
    return Play(
        target=target,
        pattern=kind.name,
        level=level,
        keys=tuple((key.name, form[key.name]) for key in kind.keys),
        frames=form.get("frames", ()),
        after_ms=form["after"],
    )


def _check_frames(form: Form, room_ms: int, report: Report) -> None:
    last_ms: int | None = None
    for node, frame in _items(form, "frames"):
        if frame is None:
            continue
        at_ms = frame[0]
        if last_ms is not None and at_ms < last_ms + SHORTEST_MS:
            sentence = f"is not {in_units(SHORTEST_MS)} or more after the frame before it"
            report.add(node, f"frames: {in_units(at_ms)} {sentence}, {in_units(last_ms)}")
        elif at_ms > room_ms:
            sentence = f"lies after the end of the phase; {in_units(room_ms)} is the last moment"
            report.add(node, f"frames: {in_units(at_ms)} {sentence}")
        last_ms = at_ms
