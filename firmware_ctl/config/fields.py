"""The kinds of value in a file, and the tables of fields made from kinds.

A kind reads a value from its node, and describes the value in a JSON Schema for editors. Every
mistake goes into the report with its line and column, and the reading goes on, so that an author
gets all mistakes at once. This module knows neither profiles nor mats.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from firmware_ctl.config import slips
from firmware_ctl.config.slips import suggestion
from firmware_ctl.config.yaml_tree import (
    MappingNode,
    Node,
    Report,
    ScalarNode,
    SequenceNode,
    duplicate,
    quoted,
    shown,
)

Json = dict[str, Any]
"""A JSON Schema. Nothing reads it but the writer of JSON."""

Value = TypeVar("Value")
Other = TypeVar("Other")


# ---- scalars


class Kind(NamedTuple, Generic[Value]):
    """How a value is read, what its schema is, and how an author writes the value.

    `read(node, key, report)` returns the value, or reports a mistake and returns None. The sentence
    of the mistake begins with `key`. `show` writes a value as an author would.
    """

    read: Callable[[Node, str, Report], Value | None]
    schema: Json
    show: Callable[[Value], str] = str


def is_blank(node: Node) -> bool:
    """True if the author wrote nothing where a value belongs."""
    return isinstance(node, ScalarNode) and not node.value


def scalar_text(node: Node, key: str, report: Report) -> str | None:
    """The text of a scalar. None if the node is empty or not a scalar, which is reported."""
    if isinstance(node, SequenceNode):
        report.add(node, f"{key}: one value belongs here, not a list; remove the dash or brackets")
    elif not isinstance(node, ScalarNode):
        report.add(node, f"{key}: one value belongs here, not a block; write `{key}: value`")
    elif not node.value:
        report.add(node, f"{key}: has no value; write one after the colon")
    else:
        return node.value
    return None


def plain_text(length_max: int) -> Kind[str]:
    """Printable text of at most `length_max` characters. Line ends become spaces."""

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar_text(node, key, report)
        if text is None:
            return None
        text = re.sub("[ \n]+", " ", text).strip()
        if not text:
            report.add(node, f"{key}: has no value; write a text, or leave the key out")
        elif len(text) > length_max:
            count = len(text)
            report.add(node, f"{key}: has {count} characters; write at most {length_max}")
        elif not text.isprintable():
            report.add(
                node, f"{key}: {quoted(text)} has a character that cannot be shown; remove it"
            )
        else:
            return text
        return None

    return Kind(read, {"type": "string", "minLength": 1, "maxLength": length_max})


def identifier(letters: str, letters_shown: str, length_max: int = 32) -> Kind[str]:
    """A name of 1 to `length_max` characters out of `letters`.

    `letters` is the inside of a character class, such as `a-z0-9`. `letters_shown` is its wording
    for an author.
    """
    pattern = f"[{letters}]{{1,{length_max}}}"

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar_text(node, key, report)
        if text is None or re.fullmatch(pattern, text):
            return text
        hint = f"use 1 to {length_max} characters of {letters_shown}"
        lower = text.lower()
        meant = lower if re.fullmatch(pattern, lower) else re.sub("[ ._]+", "-", lower).strip("-")
        if re.fullmatch(pattern, meant):
            hint = f"use lower case: {meant}" if meant == lower else f"write {meant}"
        report.add(node, f"{key}: {shown(text)} is not a valid name; {hint}")
        return None

    return Kind(read, {"type": "string", "pattern": f"^{pattern}$"})


def choice(known: Iterable[str], noun: str) -> Kind[str]:
    """One of the known words. `noun` is the word for them in a mistake: "unknown pattern ..."."""
    names = tuple(known)

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar_text(node, key, report)
        if text is None or text in names:
            return text
        report.add(node, f"{key}: unknown {noun} {shown(text)}; {suggestion(text, names)}")
        return None

    return Kind(read, {"enum": list(names)})


VERSION: Final = Kind(choice(("1",), "version").read, {"const": 1})
"""The version of a file's format, under the file's key `schema`."""


def boolean() -> Kind[bool]:
    def read(node: Node, key: str, report: Report) -> bool | None:
        text = scalar_text(node, key, report)
        if text == "true" or text == "false":
            return text == "true"
        if text is not None:
            report.add(node, f"{key}: {shown(text)} is neither true nor false; write one of them")
        return None

    return Kind(read, {"type": "boolean"}, lambda value: "true" if value else "false")


# ---- lists


def list_of(
    kind: Kind[Value], least: int = 0, unique: bool = False
) -> Kind[tuple[Value | None, ...]]:
    """A list of at least `least` items, read as a tuple. An item with a mistake becomes None."""

    def read(node: Node, key: str, report: Report) -> tuple[Value | None, ...] | None:
        if not isinstance(node, SequenceNode):
            hint = "write [one, two], or lines with `- `"
            if isinstance(node, ScalarNode) and node.value.startswith("-"):
                hint = f"write a space after the dash: `- {quoted(node.value[1:])}`"
            elif unique and isinstance(node, ScalarNode) and node.value:
                hint = f"write [{quoted(node.value)}]"
            report.add(node, f"{key}: a list belongs here; {hint}")
            return None
        if len(node.nodes) < least:
            report.add(node, f"{key}: the list is empty; write one item or more")
            return None
        values = tuple(kind.read(item, key, report) for item in node.nodes)
        if unique:
            for index, value in enumerate(values):
                if value is not None and value in values[:index]:
                    report.add(
                        node.nodes[index], f"{key}: {value} stands in the list twice; remove one"
                    )
        return values

    schema: Json = {"type": "array", "items": kind.schema, "minItems": least}
    return Kind(read, schema | ({"uniqueItems": True} if unique else {}))


def pair_of(first: Kind[int], second: Kind[int]) -> Kind[tuple[int, int]]:
    """A list of exactly two numbers, read as a tuple. None if one of the values has a mistake."""

    def read(node: Node, key: str, report: Report) -> tuple[int, int] | None:
        if not isinstance(node, SequenceNode) or len(node.nodes) != 2:
            example = f"{first.show(2_000)}, {second.show(30)}"
            report.add(node, f"{key}: two values belong here; write them like [{example}]")
            return None
        left, right = (
            kind.read(item, key, report)
            for kind, item in zip((first, second), node.nodes, strict=True)
        )
        return None if left is None or right is None else (left, right)

    items = {"items": [first.schema, second.schema], "minItems": 2, "maxItems": 2}
    return Kind(read, {"type": "array"} | items)


# ---- blocks of keys

REQUIRED: Final = object()
"""The default of a field that an author has to write. None is a real default: "not given"."""


class Field(NamedTuple):
    """One key of a block. The reader and the schema are made from the same fields."""

    key: str
    kind: Kind[Any]
    about: str
    default: object = REQUIRED


class Block(dict[str, Any]):
    """A block as read: each key of its table with a value. The value is None after a mistake, and
    may be None by default. The table alone knows the type of a value: its reader names it."""

    def __init__(self, node: MappingNode) -> None:
        super().__init__()
        self.node = node
        self.is_valid = True
        """True if no key is missing, unknown or has a mistake. Rules between keys do not count."""

    def at(self, key: str) -> Node:
        """The node of a key's value. The node of the block if the author did not write the key."""
        return self.node.pairs[key][1] if key in self.node.pairs else self.node


def table(title: str, *fields: Field) -> Kind[Block]:
    """A block with the keys in `fields`, read as a `Block`. `title` names it in mistakes."""
    by_key = {field.key: field for field in fields}

    def read(node: Node, key: str, report: Report) -> Block | None:
        if not isinstance(node, MappingNode):
            report.add(node, f"{key}: {title} belongs here; write its keys: {', '.join(by_key)}")
            return None
        block = Block(_repaired(node, by_key, report))
        meant: set[str | None] = set()
        for name, (key_node, value) in block.node.pairs.items():
            if name in by_key and key_node.value.startswith(f"{name}:") and is_blank(value):
                block[name], block.is_valid = None, False  # its mistake is reported already
            elif name in by_key:
                block[name] = by_key[name].kind.read(value, name, report)
                block.is_valid &= block[name] is not None
            else:
                key_meant = _unknown_key(title, name, key_node, block.node.pairs, by_key, report)
                if key_meant and key_meant not in meant:
                    by_key[key_meant].kind.read(value, key_meant, report)  # for its mistakes
                meant.add(key_meant)
                block.is_valid = False
        for name, field in by_key.items():
            # A missing key that stands there with a slip in it is one mistake, not two.
            if name not in block and name not in meant and field.default is REQUIRED:
                report.add(node, f"{name}: is missing; {title} needs it: {field.about}")
                block.is_valid = False
            block.setdefault(name, None if field.default is REQUIRED else field.default)
        return block

    schema = {
        "title": title,
        "type": "object",
        "properties": {field.key: _field_schema(field) for field in fields},
        "required": [field.key for field in fields if field.default is REQUIRED],
        "additionalProperties": False,
    }
    return Kind(read, schema)


def _unknown_key(
    title: str,
    name: str,
    node: Node,
    written: Mapping[str, Any],
    known: Mapping[str, Field],
    report: Report,
) -> str | None:
    """Reports a key that the block does not have. Returns the missing key that is meant, if any."""
    missing = [
        key for key, field in known.items() if field.default is REQUIRED and key not in written
    ]
    meant = slips.probable(name, missing)
    hint = f"did you mean {meant}?" if meant else suggestion(name, known)
    report.add(node, f"{shown(name)}: {title} has no such key; {hint}")
    return meant


_DIGITS: Final = re.compile(r"-?[0-9]{1,9}")
_AFTER_COMMA: Final = re.compile(r"[0-9]{1,9} ?(%|ms|s|min|m|h)?")


def _repaired(node: MappingNode, known: Mapping[str, Field], report: Report) -> MappingNode:
    """The block without what YAML makes of two slips.

    `{level: 25,5%}` is a level of 25 and a key `5%` without a value: the number is joined again, so
    that its sentence shows what the author wrote. `{level:20%}` is a key `level:20%`: it is
    reported, and its value is read as the value of `level`.
    """
    if node.pairs.keys() <= known.keys():
        return node
    repaired = MappingNode(node.line, node.column)
    before = ""
    for name, (key, value) in node.pairs.items():
        is_empty = is_blank(value)
        joined = slips.without_space(name) if name not in known else None
        if before and is_empty and name not in known and _AFTER_COMMA.fullmatch(name):
            first_key, first = repaired.pairs[before]
            if isinstance(first, ScalarNode) and _DIGITS.fullmatch(first.value):
                text = f"{first.value},{name}"
                number = ScalarNode(first.line, first.column, text)
                # Only what is refused in any case may be joined: a name could be `1,5`.
                if known[before].kind.read(number, before, Report("")) is None:
                    repaired.pairs[before] = (first_key, number)
                    continue
        if joined and joined[0] in known and joined[0] not in node.pairs:
            name, text = joined
            right = slips.with_space(name, text)
            report.add(key, f"{name}: no space after the colon; write `{right}`")
            column = key.column if key.quoted else key.column + len(name) + 1
            value = ScalarNode(key.line, column, text if is_empty else "")
        repaired.pairs[name] = (key, value)
        before = name if name in known else ""
    return repaired


def _field_schema(field: Field) -> Json:
    parts = [field.about]
    if "description" in field.kind.schema:
        parts.append(field.kind.schema["description"])
    if field.default not in (REQUIRED, None, "", ()):
        parts.append(f"{field.kind.show(field.default)} if not given")
    return field.kind.schema | {"description": "; ".join(parts)}


def scalar_or_block(scalar: Kind[Value], block: Kind[Block]) -> Kind[Value | Block]:
    """Reads a block of keys with `block`, and anything else with `scalar`."""

    def read(node: Node, key: str, report: Report) -> Value | Block | None:
        if isinstance(node, MappingNode):
            return block.read(node, key, report)
        return scalar.read(node, key, report)

    return Kind(read, {"anyOf": [scalar.schema, block.schema]})


def named_blocks(
    plural: str,
    example: str,
    name: Kind[str],
    block: Kind[Value],
    special: Mapping[str, Kind[Value]] | None = None,
) -> Kind[dict[str, tuple[ScalarNode, Value | None]]]:
    """A block whose keys are names: name → (node of the key, value). A bad value is None.

    The value of a name is read with the kind in `special`, or else with `block`. `plural` and
    `example` tell an author what belongs here.
    """

    def read(
        node: Node, key: str, report: Report
    ) -> dict[str, tuple[ScalarNode, Value | None]] | None:
        if not isinstance(node, MappingNode) or not node.pairs:
            joined = slips.without_space(node.value) if isinstance(node, ScalarNode) else None
            if joined:
                right = slips.with_space(*joined)
                report.add(node, f"{key}: no space after the colon; write `{right}`")
            else:
                report.add(node, f"{key}: expected {plural}; write for example `{example}`")
            return None
        values: dict[str, tuple[ScalarNode, Value | None]] = {}
        for key_node, value_node in node.pairs.values():
            joined = slips.without_space(key_node.value)
            if joined and is_blank(value_node):
                right = slips.with_space(*joined)
                report.add(key_node, f"{joined[0]}: no space after the colon; write `{right}`")
                continue
            name_read = name.read(key_node, key, report)
            kind = (special or {}).get(name_read or "", block)
            value = kind.read(value_node, shown(key_node.value), report)
            if name_read in values:
                report.add(key_node, duplicate("key", key_node.value, values[name_read][0]))
            elif name_read is not None:
                values[name_read] = (key_node, value)
        return values

    schema = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": name.schema,
        "additionalProperties": block.schema,
    }
    return Kind(read, schema)
