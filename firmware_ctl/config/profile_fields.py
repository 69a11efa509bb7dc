"""The tables of a profile file: its keys, the values that a mat allows for each, and the schema.

`profile` has the rules between keys.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from firmware_ctl.config import phase_items, slips
from firmware_ctl.config.fields import (
    REQUIRED,
    VERSION,
    Block,
    Field,
    Json,
    Kind,
    boolean,
    choice,
    identifier,
    list_of,
    named_blocks,
    pair_of,
    plain_text,
    scalar_or_block,
    scalar_text,
    table,
)
from firmware_ctl.config.mat import Mat, Motor, zone_name
from firmware_ctl.config.patterns import AFTER, LONGEST_MS, PATTERNS, SHORTEST_MS, Key
from firmware_ctl.config.phase_items import REPEAT, items_kind
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.quantities import duration, integer
from firmware_ctl.config.yaml_tree import (
    MappingNode,
    Node,
    Report,
    ScalarNode,
    SequenceNode,
    shown,
)


class Target(NamedTuple):
    """What a line of `play` may name: a zone, a side or a row of it, a side of a row, or `all`."""

    motors: frozenset[str]
    cap_pct: int
    """The highest level that a profile may ask of the target."""
    cap_of: str
    """Where the cap comes from, as a mistake words it: "the neck zone's cap of"."""


_PARTS: Final[tuple[Callable[[Motor], str], ...]] = (
    lambda motor: motor.side,
    lambda motor: motor.row,
    lambda motor: motor.row and f"{motor.row}.{motor.side}",
)
"""The parts of its zone that a motor belongs to, as a target names them. Empty: there is none."""


@lru_cache(maxsize=4)
def targets_of(mat: Mat) -> Mapping[str, Target]:
    """Name → target, for every target of the mat.

    Zones that are not present are targets as well: a profile may name them, and they stay silent.
    So one profile serves mats with and without a part.
    """
    lowest = min((zone for zone in mat.zones if zone.present), key=lambda zone: zone.cap_pct)
    every = frozenset(motor.name for motor in mat.motors)
    targets = {"all": Target(every, lowest.cap_pct, f"the {lowest.name} zone's cap of")}
    for zone in mat.zones:
        parts = {zone.name: zone.motors}
        for part_of in _PARTS:
            for motor in zone.motors:
                if part := part_of(motor):
                    name = f"{zone.name}.{part}"
                    parts[name] = (*parts.get(name, ()), motor)
        for name, motors in parts.items():
            members = frozenset(motor.name for motor in motors)
            targets[name] = Target(members, zone.cap_pct, f"the {zone.name} zone's cap of")
    return targets


# ---- one line of `play`

_MOST: Final = "the most,"
_PATTERN_NAME: Final = choice(PATTERNS, "pattern")


def _texts(node: Node) -> list[str]:
    """The words of a list, of a scalar, or of a block like `{25%, 0%}`. Empty for other nodes."""
    nodes: Iterable[Node] = [node]
    if isinstance(node, SequenceNode):
        nodes = node.nodes
    elif isinstance(node, MappingNode):
        nodes = [key if not value.value else value for key, value in _scalars(node)]
    return [inner.value for inner in nodes if isinstance(inner, ScalarNode)]


def _scalars(node: MappingNode) -> Iterable[tuple[ScalarNode, ScalarNode]]:
    return [(key, value) for key, value in node.pairs.values() if isinstance(value, ScalarNode)]


def _ramp_meant(node: Node) -> str | None:
    """The block for a ramp that is written in another form. None for a level or a right block."""
    if isinstance(node, ScalarNode) and node.value[:-1].isdecimal():
        return None  # most levels of a file: without the pattern match, reading is faster
    if isinstance(node, MappingNode) and not {"from", "to"}.isdisjoint(node.pairs):
        return None
    return slips.ramp(_texts(node))


def _level_or_ramp(percent: Kind[int]) -> Kind[int | Block]:
    """A level, or the block of a ramp. A ramp in another form is refused with the block for it."""
    level = _constant_or_ramp(percent)

    def read(node: Node, key: str, report: Report) -> Any:
        block = _ramp_meant(node)
        if block:
            report.add(node, f"{key}: one level belongs here; for a ramp write {block}")
            return None
        return level.read(node, key, report)

    return level._replace(read=read)


def _constant_or_ramp(percent: Kind[int]) -> Kind[int | Block]:
    return scalar_or_block(
        percent,
        table(
            "a level that changes",
            Field("from", percent, "level when the phase begins"),
            Field("to", percent, "level when the phase ends"),
        ),
    )


def _frames(
    pairs: Kind[tuple[tuple[int, int] | None, ...]],
) -> Kind[tuple[tuple[int, int] | None, ...]]:
    """A list of pairs. A flat list `[0s, 0%, 10s, 40%]` is one mistake, and not one an item."""

    def read(node: Node, key: str, report: Report) -> Any:
        if isinstance(node, SequenceNode) and node.nodes:
            texts = _texts(node)
            if len(texts) == len(node.nodes):
                ends = [f"[{a}, {b}]" for a, b in zip(texts[:4:2], texts[1:4:2], strict=False)]
                example = ", ".join(ends) or "[0s, 0%], [10s, 40%]"
                report.add(node, f"{key}: each frame is a list of two; write [{example}]")
                return None
        return pairs.read(node, key, report)

    return pairs._replace(read=read)


@lru_cache(maxsize=128)
def _pattern_block(pattern: str, cap_pct: int, cap_of: str) -> Kind[Block]:
    """The block of one pattern, on a target with this cap."""
    percent = integer(0, cap_pct, "%", cap_of)
    frames = _frames(list_of(pair_of(duration(0, LONGEST_MS), percent), least=1))
    pattern_kind = PATTERNS[pattern]
    return table(
        f"the pattern {pattern}",
        Field("pattern", choice((pattern,), "pattern"), pattern_kind.about),
        Field("frames", frames, "pairs of [time, level]")
        if pattern_kind.course is None
        else Field(
            "level", _level_or_ramp(percent), "how strong it is felt; {from, to} over one pass"
        ),
        *(
            Field(
                key.name,
                _kind_of(key),
                key.about,
                REQUIRED if key.default is None else key.default,
            )
            for key in (*pattern_kind.keys, AFTER)
        ),
    )


def _kind_of(key: Key) -> Kind[Any]:
    if key.is_count:
        return integer(key.least, key.most)
    constant = duration(key.least, key.most)
    if not key.may_change:
        return constant
    return scalar_or_block(
        constant,
        table(
            "a period that changes",
            Field("from", constant, "its length when the phase begins"),
            Field("to", constant, "its length when the phase ends"),
        ),
    )


_KEYS_MAX: Final = 4
"""Among how many keys of a block a misspelt `pattern` is looked for."""
_PLAY_KEYS: Final = {"level", "frames", AFTER.name}.union(
    key.name for kind in PATTERNS.values() for key in kind.keys
)


def _with_pattern(node: MappingNode, report: Report) -> MappingNode:
    """The block with a misspelt `pattern` renamed, so that the rest of the block can be read."""
    if "pattern" in node.pairs:
        return node
    # A block may hold thousands of keys, and each comparison takes time.
    for name in islice(node.pairs, _KEYS_MAX):
        joined = slips.without_space(name)
        if joined and joined[0] == "pattern":
            return _with_space(node, name, joined[1], report)
    near = [name for name in islice(node.pairs, _KEYS_MAX) if name not in _PLAY_KEYS]
    known = ["pattern", *sorted(_PLAY_KEYS)]
    misspelt = next((name for name in near if slips.probable(name, known) == "pattern"), None)
    if misspelt is None:
        return node
    key, value = node.pairs[misspelt]
    report.add(key, f"{shown(key.value)}: unknown key; did you mean pattern?")
    renamed = MappingNode(node.line, node.column)
    renamed.pairs = {name: pair for name, pair in node.pairs.items() if name != key.value}
    renamed.pairs["pattern"] = (key, value)
    return renamed


def _with_space(node: MappingNode, name: str, pattern: str, report: Report) -> MappingNode:
    """The block with the key `pattern:wave` read as `pattern: wave`."""
    key = node.pairs[name][0]
    right = slips.with_space("pattern", pattern)
    report.add(key, f"pattern: no space after the colon; write `{right}`")
    value = ScalarNode(key.line, key.column + len("pattern:"), pattern)
    separate = MappingNode(node.line, node.column)
    separate.pairs = {other: pair for other, pair in node.pairs.items() if other != name}
    separate.pairs["pattern"] = (key, value)
    return separate


def _pattern_for(node: MappingNode) -> str:
    """What to write in a block that has no pattern."""
    if node.pairs.keys() == {"from", "to"}:
        ends = [value.value for _, value in _scalars(node)]
        if len(ends) == 2:
            return f"write {{pattern: steady, level: {{from: {ends[0]}, to: {ends[1]}}}}}"
    return f"known: {', '.join(PATTERNS)}"


def _instead_of_list(texts: list[str]) -> str:
    block = slips.ramp(texts)
    return (
        f"for a ramp write {{pattern: steady, level: {block}}}"
        if block
        else "write a level, such as 20%"
    )


def play_kind(cap_pct: int, cap_of: str) -> Kind[Block]:
    """The value of a line of `play`: the block of a pattern, or a level alone for `steady`."""

    level = _level_or_ramp(integer(0, cap_pct, "%", cap_of))

    def read(node: Node, key: str, report: Report) -> Block | None:
        if isinstance(node, ScalarNode):
            return read_steady(node, key, report)
        if not isinstance(node, MappingNode):
            report.add(node, f"{key}: a list cannot play; {_instead_of_list(_texts(node))}")
            return None
        node = _with_pattern(node, report)
        pattern = None
        if "pattern" in node.pairs:
            pattern = _PATTERN_NAME.read(node.pairs["pattern"][1], "pattern", report)
        else:
            report.add(node, f"pattern: is missing; {_pattern_for(node)}")
        if pattern is not None:
            return _pattern_block(pattern, cap_pct, cap_of).read(node, key, report)
        if "level" in node.pairs:  # The rules for a level are the same in all patterns.
            level.read(node.pairs["level"][1], "level", report)
        return None

    def read_steady(node: ScalarNode, key: str, report: Report) -> Block | None:
        if node.value in PATTERNS:
            block = f"{{pattern: {node.value}, level: 30%}}"
            report.add(node, f"{key}: a pattern needs a block; write {block} with its keys")
            return None
        if ramp := _ramp_meant(node):
            block = f"{{pattern: steady, level: {ramp}}}"
            report.add(node, f"{key}: one level belongs here; for a ramp write {block}")
            return None
        steady = ScalarNode(node.line, node.column, "steady")
        expanded = MappingNode(node.line, node.column)
        expanded.pairs = {"pattern": (steady, steady), "level": (steady, node)}
        return read(expanded, key, report)

    return Kind(read, {"$ref": "#/definitions/play"})


ANY_PLAY: Final = play_kind(100, _MOST)
"""Reads the line of a target that the mat does not have, to find the other mistakes in the line."""


def _play_schema() -> Json:
    """The schema that `#/definitions/play` refers to."""
    level = integer(0, 100, "%").schema | {"description": "a level, short for steady"}
    patterns = [_pattern_block(name, 100, _MOST).schema for name in PATTERNS]
    return {"anyOf": [level, *patterns]}


# ---- the file

_ZONE_PATTERN: Final = "[a-z0-9_-]{1,32}"
_BY_HAND: Final = [point.name for point in POINTS.values() if point.by_hand]
_BY_MAT: Final = choice([point.name for point in POINTS.values() if not point.by_hand], "point")


def _known_on_mat(
    known: Iterable[str],
    noun: str,
    pattern: str,
    hint: Callable[[str, Sequence[str]], str] = slips.suggestion,
) -> Kind[str]:
    """A name that the mat knows. The author may write '-' for '_'; the value has '_'."""
    names = tuple(known)

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar_text(node, key, report)
        if text is None or zone_name(text) in names:
            return text and zone_name(text)
        instead = hint(zone_name(text), names)
        report.add(node, f"{key}: the mat has no {noun} {shown(text)}; {instead}")
        return None

    return Kind(read, {"type": "string", "pattern": pattern})


def target_kind(targets: Iterable[str]) -> Kind[str]:
    pattern = rf"^{_ZONE_PATTERN}(\.{_ZONE_PATTERN})?(\.(left|right))?$"
    return _known_on_mat(targets, "zone, row or side", pattern, _target_meant)


def _target_meant(text: str, names: Sequence[str]) -> str:
    """What to write instead of a target that the mat does not have."""
    part = text.removeprefix("all.")
    if of_part := [name for name in names if name.partition(".")[2] == part]:
        return f"name its zone: {', '.join(of_part)}"
    zone, dot, part = text.partition(".")
    if dot and zone in names and zone != "all":
        parts = [name.partition(".")[2] for name in names if name.startswith(f"{zone}.")]
        turned = ".".join(reversed(part.split(".")))
        meant = turned if turned in parts else slips.probable(part, parts)
        known = ", ".join(f"{zone}.{name}" for name in parts)
        return f"did you mean {zone}.{meant}?" if meant else f"known: {known}"
    meant = slips.probable(text, names)
    zones = ", ".join(name for name in names if "." not in name)
    return f"did you mean {meant}?" if meant else f"known: {zones}"


def _read_cue(node: Node, key: str, report: Report) -> str | None:
    text = plain_text(60).read(node, key, report)
    if text and text in POINTS and not POINTS[text].by_hand:
        sentence = f"{text} is pressed by the mat, not by hand; name it under points"
        report.add(node, f"{key}: {sentence}")
        return None
    if text and text not in POINTS and isinstance(node, ScalarNode) and not node.quoted:
        sentence = f"unknown point {shown(text)} ({slips.suggestion(text, _BY_HAND)})"
        report.add(node, f"{key}: {sentence}; put free text in quotes")
        return None
    return text


def _read_point(node: Node, key: str, report: Report) -> str | None:
    if isinstance(node, ScalarNode) and node.value in _BY_HAND:
        sentence = f"{node.value} is pressed by hand, the mat does not reach it; make it a cue"
        report.add(node, f"{key}: {sentence}")
        return None
    return _BY_MAT.read(node, key, report)


PROFILE_NAME: Final = identifier("a-z0-9-", "a-z, 0-9 and '-'")
_CUE: Final = Kind(
    _read_cue, {"type": "string", "minLength": 1, "maxLength": 60, "examples": _BY_HAND}
)
_POINTS: Final = list_of(Kind(_read_point, _BY_MAT.schema), unique=True)


@lru_cache(maxsize=4)
def phase_kind(mat: Mat) -> Kind[Block]:
    """The table of a phase on this mat."""
    targets = targets_of(mat)
    plays = named_blocks(
        "zones",
        "hips: 20%",
        target_kind(targets),
        ANY_PLAY,
        {name: play_kind(target.cap_pct, target.cap_of) for name, target in targets.items()},
    )
    # Editors complete the names of targets from the schema's properties.
    play = plays._replace(
        schema=plays.schema | {"properties": dict.fromkeys(targets, ANY_PLAY.schema)}
    )
    return table(
        "a phase",
        Field("name", plain_text(60), "what the phase is called while it plays"),
        Field("for", duration(SHORTEST_MS, LONGEST_MS), "length of one pass"),
        Field("repeat", REPEAT, "how often it plays", default=1),
        Field("play", play, "what zones and sides do, or `all` of them", default=None),
        Field("cue", _CUE, "a point pressed by hand, or a text in quotes", default=None),
        Field("points", _POINTS, "the points that the mat presses in this phase", default=()),
    )


@lru_cache(maxsize=4)
def file_kind(mat: Mat) -> Kind[Block]:
    """The table of a profile file on this mat."""
    zones = [zone.name for zone in mat.zones]
    needs = list_of(_known_on_mat(zones, "zone", f"^{_ZONE_PATTERN}$"), unique=True)
    return table(
        "a profile",
        Field("schema", VERSION, "version of the format", default="1"),
        Field("name", PROFILE_NAME, "the name of the file, without .yaml", default=None),
        Field("title", plain_text(80), "the name that people read"),
        Field("about", plain_text(1_000), "what it is, and what to know first", default=""),
        Field("needs", needs, "zones without which it does not start", default=()),
        Field("strict", boolean(), "treat too much current as an error", default=False),
        Field("phases", items_kind(phase_kind(mat)), "what happens, one after another"),
    )


def definitions(mat: Mat) -> Json:
    """The schemas to which the schema of a profile file refers by their names."""
    return {"play": _play_schema(), **phase_items.definitions(phase_kind(mat))}
