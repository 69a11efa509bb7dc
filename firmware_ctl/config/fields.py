"""The kinds of value in a file, and the tables of fields made from kinds.

A kind reads a value from its node, and describes the value in a JSON Schema for editors. Every
mistake goes into the report with its line and column, and the reading goes on, so that an author
gets all mistakes at once. This module knows neither profiles nor mats.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

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


# ---- words of sentences


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known word that an unknown one probably stands for, or a list of all known words."""
    from difflib import get_close_matches  # imported only when there is a mistake to explain

    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower()[:40], by_lower, 1)
    return f"did you mean {by_lower[close[0]]}?" if close else "known: " + ", ".join(known)


def in_units(duration_ms: int) -> str:
    """A duration as an author writes it: 150ms, 2.5s, 15min."""
    if duration_ms and duration_ms % 60_000 == 0:
        return f"{duration_ms // 60_000}min"
    if 0 < duration_ms < 1_000:
        return f"{duration_ms}ms"
    return f"{duration_ms / 1_000}".removesuffix(".0") + "s"


# ---- scalars


class Kind(NamedTuple, Generic[Value]):
    """How a value is read, what its schema is, and how an author writes the value.

    `read(node, key, report)` returns the value, or reports a mistake and returns None. The sentence
    of the mistake begins with `key`. `show` writes a value as an author would.
    """

    read: Callable[[Node, str, Report], Value | None]
    schema: Json
    show: Callable[[Value], str] = str


def scalar_text(node: Node, key: str, report: Report) -> str | None:
    """The text of a scalar. None if the node is empty or not a scalar, which is reported."""
    if not isinstance(node, ScalarNode):
        written = "a list" if isinstance(node, SequenceNode) else "a block of keys"
        report.add(node, f"{key}: one value belongs here, not {written}")
    elif not node.value:
        report.add(node, f"{key}: has no value")
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
            report.add(node, f"{key}: has no value")
        elif len(text) > length_max:
            count = len(text)
            report.add(node, f"{key}: has {count} characters; at most {length_max} can be shown")
        elif not text.isprintable():
            report.add(node, f"{key}: {quoted(text)} holds a character that cannot be shown")
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
            report.add(node, f"{key}: {shown(text)} is neither true nor false")
        return None

    return Kind(read, {"type": "boolean"}, lambda value: "true" if value else "false")


# At most 30 digits and 9 decimals: Python raises ValueError for an int of thousands of digits.
_QUANTITY: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,29})(?:\.([0-9]{1,9}))?([a-z%/]*)")


class _Quantity(NamedTuple):
    """Reads a number with a unit as a whole number of the smallest unit: `1.5s` as 1500 (ms)."""

    units: dict[str, int]
    """Unit → its size in smallest units. The smallest unit is the first key."""
    least: int
    most: int
    limit: str
    """Begins the sentence about a value above `most`, such as "the neck zone's cap of"."""
    show: Callable[[int], str]
    noun: str
    hint: str

    def read(self, node: Node, key: str, report: Report) -> int | None:
        text = scalar_text(node, key, report)
        if text is None:
            return None
        match = _QUANTITY.fullmatch(text)
        if match is None or match[4] not in ("", *self.units):
            report.add(node, f"{key}: {shown(text)} is not a {self.noun}; {self.hint}")
            return None
        minus, digits, decimals, unit = match.groups("")
        number, scale = int(digits + decimals), int(10 ** len(decimals))
        if unit not in self.units:
            proposals = " or ".join(text + unit for unit in self._units_in_range(number, scale))
            report.add(node, f"{key}: {text} has no unit; write {proposals}")
            return None
        value, rest = divmod(number * self.units[unit], scale)
        if minus or value < self.least:
            report.add(node, f"{key}: must be at least {self.show(self.least)}, not {text}")
        elif value > self.most or (value == self.most and rest):
            report.add(node, f"{key}: {text} is above {self.limit} {self.show(self.most)}")
        elif rest:
            smallest = next(iter(self.units))
            whole = "whole number" + (smallest and f" of {smallest}")
            report.add(node, f"{key}: must be a {whole}, not {text}")
        else:
            return value
        return None

    def _units_in_range(self, number: int, scale: int) -> Iterable[str]:
        """The units with which `number / scale` lies in the range, or all units if none fits."""
        return [
            unit
            for unit, size in self.units.items()
            if self.least <= number * size / scale <= self.most
        ] or self.units


def integer(least: int, most: int, unit: str = "", limit: str = "the most,") -> Kind[int]:
    """A whole number with its unit. `unit` empty: the number stands alone.

    `limit` tells an author where the highest value comes from, as in "the code's own limit of".
    """

    def show(value: int) -> str:
        return f"{value}{unit}"

    if unit:
        schema: Json = {"type": "string", "pattern": f"^(0|[1-9][0-9]*){unit}$"}
    else:
        schema = {"type": "integer", "minimum": least, "maximum": most}
    schema["description"] = f"{show(least)} to {show(most)}"
    noun = "percentage" if unit == "%" else "whole number" + (unit and f" of {unit}")
    hint = f"write it like {show(max(least, min(most, 30)))}"
    return Kind(_Quantity({unit: 1}, least, most, limit, show, noun, hint).read, schema, show)


def duration(least_ms: int, most_ms: int, limit: str = "the most,") -> Kind[int]:
    """A duration, read as milliseconds and written with its unit: 500ms, 2s, 1.5min."""
    schema = {
        "type": "string",
        "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?(ms|s|min)$",
        "description": f"{in_units(least_ms)} to {in_units(most_ms)}",
    }
    hint = f"use ms, s or min, for example {in_units(max(least_ms, min(most_ms, 2_000)))}"
    units = {"ms": 1, "s": 1_000, "min": 60_000}
    quantity = _Quantity(units, least_ms, most_ms, limit, in_units, "duration", hint)
    return Kind(quantity.read, schema, in_units)


# ---- lists


def list_of(
    kind: Kind[Value], least: int = 0, unique: bool = False
) -> Kind[tuple[Value | None, ...]]:
    """A list of at least `least` items, read as a tuple. An item with a mistake becomes None."""

    def read(node: Node, key: str, report: Report) -> tuple[Value | None, ...] | None:
        if not isinstance(node, SequenceNode):
            report.add(node, f"{key}: a list belongs here: [one, two], or lines that begin with -")
            return None
        if len(node.nodes) < least:
            report.add(node, f"{key}: the list is empty")
            return None
        values = tuple(kind.read(item, key, report) for item in node.nodes)
        if unique:
            for index, value in enumerate(values):
                if value is not None and value in values[:index]:
                    report.add(node.nodes[index], f"{key}: {value} stands in the list twice")
        return values

    schema: Json = {"type": "array", "items": kind.schema, "minItems": least}
    return Kind(read, schema | ({"uniqueItems": True} if unique else {}))


def pair_of(first: Kind[int], second: Kind[int]) -> Kind[tuple[int, int]]:
    """A list of exactly two numbers, read as a tuple. None if one of the values has a mistake."""

    def read(node: Node, key: str, report: Report) -> tuple[int, int] | None:
        if not isinstance(node, SequenceNode) or len(node.nodes) != 2:
            example = f"{first.show(2_000)}, {second.show(30)}"
            report.add(node, f"{key}: two values belong here, like [{example}]")
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
            report.add(node, f"{key}: {title} belongs here, a block of keys: {', '.join(by_key)}")
            return None
        block = Block(node)
        for name, (key_node, value) in node.pairs.items():
            if name in by_key:
                block[name] = by_key[name].kind.read(value, name, report)
                block.is_valid &= block[name] is not None
            else:
                hint = suggestion(name, by_key)
                report.add(key_node, f"{shown(name)}: {title} has no such key; {hint}")
                block.is_valid = False
        for name, field in by_key.items():
            if name not in block and field.default is REQUIRED:
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
            report.add(node, f"{key}: expected {plural}, for example `{example}`")
            return None
        values: dict[str, tuple[ScalarNode, Value | None]] = {}
        for key_node, value_node in node.pairs.values():
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
