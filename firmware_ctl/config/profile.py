"""A profile as frozen values, read from YAML text or from the words of the command `try`.

Every mistake is reported with its line and column. This module knows the mat's zones and caps, and
never its pins.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from firmware_ctl import limits
from firmware_ctl.config.fields import Block
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import (
    LONGEST_MS,
    MOST_CHANGING,
    PATTERNS,
    SHORTEST_MS,
    changing_periods,
)
from firmware_ctl.config.phase_items import Items, is_group, is_rest
from firmware_ctl.config.profile_fields import (
    ANY_PLAY,
    PROFILE_NAME,
    Target,
    file_kind,
    play_kind,
    target_kind,
    targets_of,
)
from firmware_ctl.config.quantities import in_units
from firmware_ctl.config.session_size import check_size
from firmware_ctl.config.yaml_tree import (
    MappingNode,
    Node,
    Report,
    ScalarNode,
    SequenceNode,
    parse,
    shown,
)
from firmware_ctl.errors import CallerError


class Level(NamedTuple):
    """The level at the start and at the end of one pass of the phase; equal if it is constant."""

    from_pct: int
    to_pct: int


class Play(NamedTuple):
    """One line of `play`: what a target does in a phase."""

    target: str
    """A zone, a side or a row of it, a side of a row, or every zone: `hips`, `hips.left`, `all`."""
    pattern: str
    level: Level
    """For keyframes, `from_pct` and `to_pct` are both the highest level of any frame."""
    keys: tuple[tuple[str, int], ...] = ()
    """Every key of the pattern with its value or default, in the order of the pattern's table."""
    frames: tuple[tuple[int, int], ...] = ()
    """Pairs of (at_ms, level_pct) for keyframes, with `at_ms` from the end of `after_ms`. Empty for
    all other patterns."""
    after_ms: int = 0
    """Length of the silence at the beginning of each pass."""
    period_to_ms: int | None = None
    """The period at the end of a pass, if it changes from the one in `keys`. None: it stays."""
    place: tuple[int, int] = (1, 1)
    """Line and column of the target in the file, from 1, for notes."""


class GroupPass(NamedTuple):
    """One playing of a group: `number` 2 of `total` 3 is the second of three."""

    number: int
    total: int


GroupPasses = tuple[GroupPass, ...]
"""The pass of each group that a phase is in, from the outermost group inwards."""


def groups_begun(before: GroupPasses, now: GroupPasses) -> Iterator[tuple[int, GroupPass]]:
    """The groups that begin between two phases that play one after the other, each with its depth
    from 0."""
    for depth, group_pass in enumerate(now):
        if len(before) <= depth or before[depth].number > group_pass.number:
            yield depth, group_pass


REST: Final = "rest"
"""The name under which a rest plays."""


class Phase(NamedTuple):
    name: str
    for_ms: int
    """The duration of one pass."""
    repeat: int
    play: tuple[Play, ...]
    cue: str | None = None
    """The name of a point, or free text. None: the phase has no cue."""
    points: tuple[str, ...] = ()
    """The names of the points that the mat presses in this phase."""
    place: tuple[int, int] = (1, 1)
    """Line and column in the file, from 1, for mistakes that are found later."""
    group_passes: GroupPasses = ()
    """Empty outside of groups. A group that plays once does not count."""

    @property
    def is_rest(self) -> bool:
        return not self.play and self.cue is None

    @property
    def is_first(self) -> bool:
        """Whether no pass of a group has played the phase before."""
        return all(group_pass.number == 1 for group_pass in self.group_passes)


class Profile(NamedTuple):
    name: str
    title: str
    about: str
    needs: tuple[str, ...]
    """The zones without which the profile does not start."""
    strict: bool
    """True: too much current is a mistake. False: starts, kicks and levels are changed to fit."""
    phases: tuple[Phase, ...]
    """The phases as they play. A group's phases stand here once for each of its passes."""

    @property
    def written(self) -> Iterator[Phase]:
        """The phases as the author wrote them, each once."""
        return (phase for phase in self.phases if phase.is_first)

    @property
    def length_ms(self) -> int:
        return sum(phase.for_ms * phase.repeat for phase in self.phases)


# ---- from a file


def read_profile(data: bytes, path: str, mat: Mat) -> Profile:
    """The profile in the text of a file. Raises AuthorError with every mistake in the file.

    `path` is for the mistakes and for the profile's name; no file is opened.
    """
    report = Report(path)
    root = parse(data, report)
    if isinstance(root, MappingNode) and "zones" in root.pairs and "phases" not in root.pairs:
        command = f"firmware-ctl check --mat {path}"
        report.add(root, f"this looks like a mat file; check it with: {command}")
        raise report.error()
    block = file_kind(mat).read(root, "the file", report)
    if block is None:
        raise report.error()
    stem = profile_stem(path)
    _check_name(block, stem, report)
    _check_needs(block, mat, report)
    phases = _read_items(block["phases"], targets_of(mat), report)
    check_size(block["phases"], mat, report)
    if report.mistakes:
        raise report.error()
    return Profile(
        name=stem,
        title=block["title"],
        about=block["about"],
        needs=block["needs"],
        strict=block["strict"],
        phases=tuple(_unrolled(phases)),
    )


def profile_stem(path: str) -> str:
    """The name of the profile in a file: `ok` for `ok.yaml`.

    Also for `ok.yml`, `ok.txt` and `ok.yaml.bak`, which become the profile ok if they are renamed.
    """
    base = path.rpartition("/")[2]
    if not base.endswith(".yaml") and ".yaml" in base:
        base = base.partition(".yaml")[0] + ".yaml"
    return base.rpartition(".")[0] or base


def _items(block: Block, key: str) -> Iterable[tuple[Node, Any]]:
    """The nodes of a list with their values, which are of the type that the key's field has.

    Empty if the key does not hold a valid list.
    """
    node = block.at(key)
    if not isinstance(node, SequenceNode) or block[key] is None:
        return ()
    return zip(node.nodes, block[key], strict=True)


def _check_name(block: Block, stem: str, report: Report) -> None:
    if block["name"] not in (None, stem):
        sentence = f"name: {block['name']} is not the file's name, {shown(stem)}; leave it out"
        report.add(block.at("name"), sentence)
    else:
        PROFILE_NAME.read(ScalarNode(1, 1, stem), "file name", report)
    if stem == "try":
        report.add(Node(1, 1), "file name: try is taken by the command; use another")


def _check_needs(block: Block, mat: Mat, report: Report) -> None:
    present = {zone.name for zone in mat.zones if zone.present}
    for node, zone in _items(block, "needs"):
        if zone is not None and zone not in present:
            report.add(node, f"needs: the {zone} zone is not there (present: false); remove it")


# ---- the list of phases


class _Group(NamedTuple):
    """A group as it was read. `items` has what is valid in its list."""

    repeat: int
    items: "Sequence[Phase | _Group]"


def _read_items(
    items: Items | None, targets: Mapping[str, Target], report: Report
) -> list[Phase | _Group]:
    read: list[Phase | _Group] = []
    for item in items or ():
        if item is None:
            continue
        if is_group(item):
            read.append(_Group(item["repeat"], _read_items(item["phases"], targets, report)))
        elif is_rest(item):
            read.append(Phase(REST, item["rest"], 1, (), place=(item.node.line, item.node.column)))
        elif phase := _read_phase(item, targets, report):
            read.append(phase)
    return read


def _unrolled(items: Sequence[Phase | _Group], passes: GroupPasses = ()) -> Iterator[Phase]:
    """The phases as they play, each with its passes of groups."""
    for item in items:
        if isinstance(item, Phase):
            yield item._replace(group_passes=passes) if passes else item
        elif item.repeat == 1:
            yield from _unrolled(item.items, passes)
        else:
            for number in range(1, item.repeat + 1):
                yield from _unrolled(item.items, (*passes, GroupPass(number, item.repeat)))


# ---- a phase


def _read_phase(block: Block, targets: Mapping[str, Target], report: Report) -> Phase | None:
    if "play" not in block.node.pairs and "cue" not in block.node.pairs:
        report.add(block.node, "play: is missing; a phase needs play, or a cue, or both")
    if block["cue"] and block["for"] and block["for"] < limits.CUE_MS:
        least = in_units(limits.CUE_MS)
        sentence = f"a cue takes at least {least}, so that its start and its end can be felt"
        report.add(block.at("for"), f"for: {in_units(block['for'])} is too short; {sentence}")
    plays: dict[str, tuple[ScalarNode, Block | None]] = block["play"] or {}
    lines = [
        _read_line(name, play, block["for"], report, (node.line, node.column))
        for name, (node, play) in plays.items()
    ]
    _check_overlaps({name: node for name, (node, _) in plays.items()}, targets, report)
    if not block.is_valid:
        return None
    return Phase(
        name=block["name"],
        for_ms=block["for"],
        repeat=block["repeat"],
        play=tuple(line for line in lines if line is not None),
        cue=block["cue"],
        points=block["points"],
        place=(block.node.line, block.node.column),
    )


def _check_overlaps(
    nodes: Mapping[str, ScalarNode], targets: Mapping[str, Target], report: Report
) -> None:
    """Reports each target that shares motors with targets before it."""
    owners: dict[str, str] = {}  # motor → the last target that has the motor
    for name, node in nodes.items():
        motors = targets[name].motors
        others = sorted({owners[motor] for motor in motors if motor in owners})
        if others:
            included = [other for other in others if motors > targets[other].motors]
            way_out = "remove one of them"
            if included:
                sentence = f"`{name}` already includes {' and '.join(included)}"
            elif motors <= targets[others[0]].motors:
                sentence = f"`{others[0]}` already includes {name}"
            else:  # a row and a side
                shared = ", ".join(sorted(motors & targets[others[0]].motors))
                sentence = f"`{name}` and {others[0]} share {shared}"
                way_out = "name a side of the row, or remove one of them"
            report.add(node, f"{shown(node.value)}: {sentence}; {way_out}")
        owners.update(dict.fromkeys(motors, name))


def _read_line(
    target: str,
    block: Block | None,
    for_ms: int | None,
    report: Report,
    place: tuple[int, int] = (1, 1),
) -> Play | None:
    """One line of `play`. `for_ms` is None if the phase's own duration has a mistake."""
    if block is None:
        return None
    after_ms: int | None = block["after"]
    if after_ms and for_ms and after_ms >= for_ms:
        length = in_units(for_ms)
        sentence = f"{in_units(after_ms)} is not shorter than the phase; write less than {length}"
        report.add(block.at("after"), f"after: {sentence}")
    if "frames" in block:
        _check_frames(block, (for_ms or LONGEST_MS) - (after_ms or 0), report)
    if not block.is_valid or None in (block.get("frames") or ()):
        return None
    pattern = PATTERNS[block["pattern"]]
    period_to_ms = _changed_period(block, for_ms or LONGEST_MS, report)
    if "frames" in block:
        highest_pct = max(level_pct for _, level_pct in block["frames"])
        level = Level(highest_pct, highest_pct)
    elif isinstance(block["level"], Block):
        level = Level(block["level"]["from"], block["level"]["to"])
    else:
        level = Level(block["level"], block["level"])
    return Play(
        target=target,
        pattern=pattern.name,
        level=level,
        keys=tuple((key.name, _at_begin(block[key.name])) for key in pattern.keys),
        frames=block.get("frames", ()),
        after_ms=block["after"],
        period_to_ms=period_to_ms,
        place=place,
    )


def _at_begin(value: "int | Block") -> int:
    begin: int = value["from"] if isinstance(value, Block) else value
    return begin


def _changed_period(block: Block, pass_ms: int, report: Report) -> int | None:
    """The period at the end of a pass. None if the period stays, or has too many in a pass."""
    period = block.get("period")
    if not isinstance(period, Block) or period["from"] == period["to"]:
        return None
    from_ms: int | None = period["from"]
    to_ms: int | None = period["to"]
    if from_ms is None or to_ms is None:
        return None
    if len(changing_periods(from_ms, to_ms, block["after"], pass_ms)) > MOST_CHANGING:
        sentence = f"one pass would have more than {MOST_CHANGING} periods that change"
        way_out = "lengthen the period, or shorten the pass and use `repeat`"
        report.add(block.at("period"), f"period: {sentence}; {way_out}")
        return None
    return to_ms


def _check_frames(block: Block, room_ms: int, report: Report) -> None:
    last_ms: int | None = None
    for node, frame in _items(block, "frames"):
        if frame is None:
            continue
        at_ms = frame[0]
        if last_ms is not None and at_ms < last_ms + SHORTEST_MS:
            least = in_units(last_ms + SHORTEST_MS)
            sentence = f"is too early after the frame before it; write {least} or more"
            report.add(node, f"frames: {in_units(at_ms)} {sentence}")
        elif at_ms > room_ms:
            sentence = f"lies after the end of the phase; {in_units(room_ms)} is the last moment"
            report.add(node, f"frames: {in_units(at_ms)} {sentence}")
        last_ms = at_ms


# ---- from words


def read_play(target: str, pattern: str, level: str, keys: Mapping[str, str], mat: Mat) -> Play:
    """One line of `play` from words. `keys` are the words `key=value` after the level.

    A number without a unit counts as percent for the level, and as seconds for a duration. Raises
    CallerError ("bad-argument") with all mistakes in one sentence.
    """
    report = Report("try")
    targets = targets_of(mat)
    counts = {key.name for kind in PATTERNS.values() for key in kind.keys if key.is_count}
    node = MappingNode(1, 1)
    for key, text in (("pattern", pattern), ("level", level), *keys.items()):
        unit = "%" if key == "level" else "" if key in counts | {"pattern"} else "s"
        value = text + unit if text.replace(".", "", 1).isdecimal() else text
        key_node = ScalarNode(1, 1, key)
        if node.pairs.setdefault(key, (key_node, ScalarNode(1, 1, value)))[0] is not key_node:
            report.add(key_node, f"{key}: is given already")
    name = target_kind(targets).read(ScalarNode(1, 1, target), "target", report)
    kind = play_kind(targets[name].cap_pct, targets[name].cap_of) if name else ANY_PLAY
    play = _read_line(name or target, kind.read(node, "play", report), limits.TRY_MS, report)
    for zone in mat.zones:
        if name is not None and name.partition(".")[0] == zone.name and not zone.present:
            report.add(node, f"target: the {zone.name} zone is not there (present: false)")
    if report.mistakes or play is None:
        sentences = [mistake.sentence for mistake in sorted(report.mistakes)]
        raise CallerError("bad-argument", "; ".join(sentences))
    return play
