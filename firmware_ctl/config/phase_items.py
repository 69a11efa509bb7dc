"""The items of a list of phases: a phase, a rest, or a group that repeats a list of its own.

This module has their tables, and decides which of them an author means. `profile` makes phases of
what was read.
"""

from typing import Final

from firmware_ctl.config import slips
from firmware_ctl.config.fields import Block, Field, Json, Kind, list_of, table
from firmware_ctl.config.patterns import LONGEST_MS, SHORTEST_MS
from firmware_ctl.config.quantities import duration, integer
from firmware_ctl.config.yaml_tree import MappingNode, Node, Report, ScalarNode, SequenceNode

DEEPEST: Final = 2
"""How many groups may stand inside one another."""

Items = tuple[Block | None, ...]

REPEAT: Final = integer(1, 100)
"""How often a phase or a group plays."""

REST: Final = table(
    "a rest",
    Field("rest", duration(SHORTEST_MS, LONGEST_MS), "silence of this length, without a name"),
)

_OF_PHASE: Final = ("name", "for", "play", "cue", "points")
"""The keys that a phase has, and neither a rest nor a group."""


def is_group(item: Block) -> bool:
    return "phases" in item


def is_rest(item: Block) -> bool:
    return "rest" in item


def items_kind(phase: Kind[Block], may_hold: int = DEEPEST) -> Kind[Items]:
    """A list of phases, rests and groups. `may_hold`: how many groups may stand in one another."""
    group = _group(phase, may_hold)

    def read(node: Node, key: str, report: Report) -> Block | None:
        if isinstance(node, ScalarNode):
            joined = slips.without_space(node.value)
            if joined and joined[0] == "rest":
                report.add(node, f"rest: no space after the colon; write `rest: {joined[1]}`")
                return None
            if node.value.split(" ")[0] == "rest":
                length = node.value.partition(" ")[2] or "10s"
                report.add(node, f"rest: needs its length; write `rest: {length}`")
                return None
        if not isinstance(node, MappingNode):
            return phase.read(node, key, report)
        meant = _meant(node)
        if meant == "rest":
            return REST.read(node, key, report)
        if meant == "phases" and group is None:
            sentence = f"groups stand at most {DEEPEST} deep; write the phases of this one out"
            report.add(node, f"{key}: {sentence}, or let a phase repeat by its own `repeat`")
            return None
        if meant == "phases" and group is not None:
            return group.read(node, key, report)
        return phase.read(_without_rest(node, report), key, report)

    return list_of(Kind(read, _item_schema(may_hold)), least=1)


def _meant(node: MappingNode) -> str:
    """The key that decides what an item is: "rest", "phases", or "" for a phase."""
    if "phases" in node.pairs:
        return "phases"
    if "play" in node.pairs or "cue" in node.pairs:
        return ""
    if "rest" in node.pairs:
        return "rest"
    if not node.pairs.keys().isdisjoint(_OF_PHASE):
        return ""
    if "repeat" in node.pairs:
        return "phases"
    if len(node.pairs) == 1:
        ((name, (_, value)),) = node.pairs.items()
        meant = "phases" if isinstance(value, SequenceNode) else "rest"
        return meant if slips.probable(name, [meant]) else ""
    return ""


def _without_rest(node: MappingNode, report: Report) -> MappingNode:
    """The block of a phase without the key `rest`, which is a mistake there."""
    if "rest" not in node.pairs:
        return node
    sentence = "rest: takes the place of a phase; write it as an item of its own, `- rest: 10s`"
    report.add(node.pairs["rest"][0], sentence)
    rest = MappingNode(node.line, node.column)
    rest.pairs = {name: pair for name, pair in node.pairs.items() if name != "rest"}
    return rest


def _group(phase: Kind[Block], may_hold: int) -> Kind[Block] | None:
    """The table of a group, whose list may hold one group fewer in one another."""
    if not may_hold:
        return None
    return table(
        "a group",
        Field("repeat", REPEAT, "how often the whole list plays"),
        Field("phases", items_kind(phase, may_hold - 1), "phases, rests and groups"),
    )


# ---- the schema


def _item_schema(may_hold: int) -> Json:
    names = ["phase", "rest", *([_group_name(may_hold)] if may_hold else [])]
    return {"anyOf": [{"$ref": f"#/definitions/{name}"} for name in names]}


def _group_name(may_hold: int) -> str:
    return "group" if may_hold == DEEPEST else "inner-group"


def definitions(phase: Kind[Block]) -> Json:
    """The schemas that the items of a list of phases refer to."""
    found = {"phase": phase.schema, "rest": REST.schema}
    for may_hold in range(DEEPEST, 0, -1):
        if group := _group(phase, may_hold):
            found[_group_name(may_hold)] = group.schema
    return found
