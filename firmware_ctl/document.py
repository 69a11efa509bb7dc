"""YAML text in, a tree of places and text out, and the kinds of value that tables read from it.

Every scalar is text and the table of fields gives it its type, so YAML's own booleans, octals and
dates do not exist here. All mistakes of a file are collected. Knows neither profiles nor mats.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from firmware_ctl.errors import AuthorError, Mistake

Json = dict[str, Any]

BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 16
ALIASED_MAX: Final = 5_000
"""Most nodes that all aliases of a file together may stand for."""
MOST_MISTAKES: Final = 1_000
"""A file of 64 KiB can hold thirty thousand, and the sentence for one takes up to 0.2 ms on a Pi
Zero 2.
"""

# libyaml where PyYAML was built with it: an eighth of the time of the parser in Python.
_PARSER: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_LINE_END: Final = re.compile("\r\n|\r|\n")
# NEL, LS and PS end a line for YAML and for no editor: places would be wrong after them.
_UNFIT: Final = frozenset(
    map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF))
) - set("\t\n\r")
# They look like a space or like nothing and come with text that is pasted from a web page. YAML
# takes them for letters, and then complains about a colon or the indentation.
_INVISIBLE: Final = re.compile(
    "[\u00a0\u00ad\u1680\u2000-\u200f\u202a-\u202f\u205f-\u2064\u2066-\u206f\u3000]"
)
_COMMENT: Final = re.compile("(?:^|(?<=[ \t]))#.*")
_ADVICE: Final = (
    (
        "mapping values are not allowed",
        "a `: ` too many; mend the indentation, or put the text in quotes",
    ),
    ("cannot start any token", "a text that begins like this has to stand in quotes"),
)


# ---- the tree


class Node:
    """A place in the file, line and column from 1; `size` counts the nodes from here inwards."""

    __slots__ = ("column", "line", "size")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.size = 1


class Text(Node):
    __slots__ = ("quoted", "value")

    def __init__(self, line: int, column: int, value: str, quoted: bool = False) -> None:
        self.line = line
        self.column = column
        self.size = 1
        self.value = value
        self.quoted = quoted


class Items(Node):
    __slots__ = ("nodes",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.nodes: list[Node] = []


class Entries(Node):
    __slots__ = ("pairs",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.pairs: dict[str, tuple[Text, Node]] = {}


class Report:
    """The mistakes of one file; what is met again through an alias counts once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.mistakes: set[Mistake] = set()

    def add(self, node: Node, sentence: str) -> None:
        """Raises all of them where there are too many to go on."""
        if len(self.mistakes) >= MOST_MISTAKES:
            sentence = f"more than {MOST_MISTAKES} mistakes; the file was not read further"
            self.mistakes.add(Mistake(self.path, node.line, node.column, sentence))
            raise self.error()
        self.mistakes.add(Mistake(self.path, node.line, node.column, sentence))

    def error(self) -> AuthorError:
        return AuthorError(list(self.mistakes))


def parse(data: bytes, report: Report) -> Node:
    """The tree of the file's one document.

    Raises AuthorError where there is none to be had. Duplicate keys, keys that are no text, and
    tags only go into the report, so that the reader finds what else is wrong.
    """
    if len(data) > BYTES_MAX:
        raise _hopeless(report, 1, 1, f"the file is longer than {BYTES_MAX // 1024} KiB")
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode())
        sentence = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _hopeless(report, line, column, sentence) from None
    if unfit := _UNFIT.intersection(text):
        index = min(map(text.index, unfit))
        line, column = _place(text[:index])
        sentence = f"the control character U+{ord(text[index]):04X} has no place in this file"
        raise _hopeless(report, line, column, sentence)
    return _parsed(text, _PARSER, report)


def _parsed(text: str, parser: Any, report: Report) -> Node:
    try:
        return _tree(parser(text), report)
    except AuthorError:
        raise
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in (error.problem or "") and parser is not yaml.BaseLoader:
            # libyaml 0.2.6 gives up while it looks ahead, before it tells of the place.
            return _parsed(text, yaml.BaseLoader, report)
        mark = error.problem_mark or error.context_mark
        lines = _LINE_END.split(text)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if line > len(lines):  # libyaml's place for what is missing at the end of the file
            line, column = len(lines), len(lines[-1]) + 1
        problem = error.problem or "it cannot be read"
        for number, written in enumerate(lines[:line], 1):
            if found := _INVISIBLE.search(_COMMENT.sub("", written)):
                sentence = f"{_unseen(found[0])} stands here; type a plain space, or nothing"
                raise _hopeless(report, number, found.start() + 1, sentence) from None
        if lines[line - 1][column - 1 : column] == "\t":
            advice = "a tab stands here; indent with spaces"
        else:
            said = ", ".join(filter(None, (error.context, problem)))
            advice = next((advice for known, advice in _ADVICE if known in problem), said)
        raise _hopeless(report, line, column, f"this is not YAML: {advice}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets its own slips through for some escapes in tags and in quoted texts.
        raise _hopeless(report, 1, 1, f"this is not YAML: {shown(str(error))}") from None


def _place(before: str) -> tuple[int, int]:
    lines = _LINE_END.split(before)
    return len(lines), len(lines[-1]) + 1


def _hopeless(report: Report, line: int, column: int, sentence: str) -> AuthorError:
    report.add(Node(line, column), sentence)
    return report.error()


def _tree(parser: Any, report: Report) -> Node:
    """Builds the tree from events in one loop, so that no depth of nesting costs a stack."""
    top: Items | Entries | None = None  # the innermost open list or block
    key: Node | None = None  # the key in it that waits for its value
    anchor: str | None = None  # its own name, for aliases after its end
    outer: list[tuple[Items | Entries | None, Node | None, str | None]] = []
    anchors: dict[str, Node] = {}
    aliased = 0
    root: Node | None = None
    while True:
        event = parser.get_event()
        kind = type(event)
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        node: Node
        if kind is ScalarEvent:
            node = Text(line, column, event.value, bool(event.style))
            if event.anchor:
                anchors[event.anchor] = node
            if event.tag:
                _refuse_tag(event.tag, node, report)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            if len(outer) == DEPTH_MAX:
                raise _hopeless(report, line, column, f"nested more than {DEPTH_MAX} deep")
            outer.append((top, key, anchor))
            top = Entries(line, column) if kind is MappingStartEvent else Items(line, column)
            key, anchor = None, event.anchor
            if event.tag:
                _refuse_tag(event.tag, top, report)
            continue
        elif top is not None and (kind is MappingEndEvent or kind is SequenceEndEvent):
            node = top
            if anchor:
                anchors[anchor] = node
            top, key, anchor = outer.pop()
        elif kind is AliasEvent:
            name = shown(event.anchor)
            if event.anchor not in anchors:
                raise _hopeless(report, line, column, f"no anchor &{name} ends before this alias")
            node = anchors[event.anchor]
            aliased += node.size
            if aliased > ALIASED_MAX:
                sentence = (
                    f"*{name}: the aliases up to here stand for too much; write less by alias"
                )
                raise _hopeless(report, line, column, sentence)
        elif kind is DocumentStartEvent and root is not None:
            raise _hopeless(report, line, column, "a second document begins here; a file holds one")
        elif kind is StreamEndEvent:
            if root is None:
                raise _hopeless(report, 1, 1, "the file is empty")
            return root
        else:
            continue

        if top is None:
            root = node
            continue
        top.size += node.size
        if isinstance(top, Items):
            top.nodes.append(node)
        elif key is None:
            key = node
            if not isinstance(node, Text):
                report.add(node, "a key has to be a plain word")
        else:
            if isinstance(key, Text):
                first = top.pairs.setdefault(key.value, (key, node))[0]
                if first is not key:
                    report.add(key, again(key.value, first))
            key = None


def _refuse_tag(tag: str, node: Node, report: Report) -> None:
    report.add(node, f"the tag {shown(tag)} has no meaning here; leave it out")


# ---- words of sentences


def shown(text: str) -> str:
    """The text as a sentence quotes it: short, printable, in quotes unless it is one word."""
    found = _INVISIBLE.search(text)
    return _quoted(text) + (f" (with {_unseen(found[0])} in it)" if found else "")


def _quoted(text: str) -> str:
    text = text if len(text) <= 40 else text[:37] + "..."
    return text if text and " " not in text and text.isprintable() else repr(text)


def _unseen(char: str) -> str:
    return f"the invisible character U+{ord(char):04X}"


def near(word: str, known: Iterable[str]) -> str:
    """What an unknown word probably meant, or else all there is to choose from."""
    from difflib import get_close_matches  # only a mistake has to pay for this import

    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower()[:40], by_lower, 1)
    return f"did you mean {by_lower[close[0]]}?" if close else "known: " + ", ".join(known)


def again(key: str, first: Node) -> str:
    return f"{shown(key)}: stands here again; it is already in line {first.line}"


def in_units(length_ms: int) -> str:
    """A length of time as an author writes it: 150ms, 2.5s, 15min."""
    if length_ms and length_ms % 60_000 == 0:
        return f"{length_ms // 60_000}min"
    if 0 < length_ms < 1_000:
        return f"{length_ms}ms"
    return f"{length_ms / 1_000}".removesuffix(".0") + "s"


# ---- kinds of value


class Kind(NamedTuple):
    """How a value is read, how an editor's schema describes it, how an author writes it.

    `read(node, key, report)` gives the value, or None after it reported the mistake.
    """

    read: Callable[[Node, str, Report], Any]
    schema: Json
    show: Callable[[Any], str] = str


def scalar(node: Node, key: str, report: Report) -> str | None:
    if not isinstance(node, Text):
        what = "a list" if isinstance(node, Items) else "a block of keys"
        report.add(node, f"{key}: one value belongs here, not {what}")
    elif not node.value:
        report.add(node, f"{key}: has no value")
    else:
        return node.value
    return None


def words(most: int) -> Kind:
    """Plain printable text of at most so many characters; the line ends of a block are spaces."""

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar(node, key, report)
        if text is None:
            return None
        text = re.sub("[ \n]+", " ", text).strip()
        if not text:
            report.add(node, f"{key}: has no value")
        elif len(text) > most:
            report.add(node, f"{key}: has {len(text)} characters; at most {most} can be shown")
        elif not text.isprintable():
            report.add(node, f"{key}: {_quoted(text)} holds a character that cannot be shown")
        else:
            return text
        return None

    return Kind(read, {"type": "string", "minLength": 1, "maxLength": most})


def word(letters: str, spelt: str, most: int = 32) -> Kind:
    """A name made of `letters`, the inside of a regular expression's class."""
    pattern = f"[{letters}]{{1,{most}}}"

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar(node, key, report)
        if text is None or re.fullmatch(pattern, text):
            return text
        sentence = f"{shown(text)} is no name; a name is 1 to {most} characters of {spelt}"
        report.add(node, f"{key}: {sentence}")
        return None

    return Kind(read, {"type": "string", "pattern": f"^{pattern}$"})


def choice(known: Iterable[str], what: str) -> Kind:
    names = tuple(known)

    def read(node: Node, key: str, report: Report) -> str | None:
        text = scalar(node, key, report)
        if text is None or text in names:
            return text
        report.add(node, f"{key}: {shown(text)} is no {what}; {near(text, names)}")
        return None

    return Kind(read, {"enum": list(names)})


VERSION: Final = Kind(choice(("1",), "version that this program reads").read, {"const": 1})
"""The version of a file's format, under its key `schema`."""


def flag() -> Kind:
    def read(node: Node, key: str, report: Report) -> bool | None:
        text = scalar(node, key, report)
        if text == "true" or text == "false":
            return text == "true"
        if text is not None:
            report.add(node, f"{key}: {shown(text)} is neither true nor false")
        return None

    return Kind(read, {"type": "boolean"}, lambda value: "true" if value else "false")


_QUANTITY: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,29})(?:\.([0-9]{1,9}))?([a-z%/]*)")


def _quantity(
    units: dict[str, int],
    what: str,
    least: int,
    most: int,
    limit: str,
    show: Callable[[int], str],
    like: str,
) -> Callable[[Node, str, Report], int | None]:
    """A reader of a number and its unit, counted in the smallest of `units`."""

    def read(node: Node, key: str, report: Report) -> int | None:
        text = scalar(node, key, report)
        if text is None:
            return None
        match = _QUANTITY.fullmatch(text)
        if match is None or match[4] not in ("", *units):
            report.add(node, f"{key}: {shown(text)} is no {what}; write it like {like}")
            return None
        minus, digits, decimals, unit = match.groups("")
        number, scale = int(digits + decimals), int(10 ** len(decimals))
        if unit not in units:
            fit = [u for u, size in units.items() if least <= number * size / scale <= most]
            proposals = " or ".join(text + u for u in fit or units)
            report.add(node, f"{key}: {text} has no unit; write {proposals}")
            return None
        value, rest = divmod(number * units[unit], scale)
        if minus or value < least:
            report.add(node, f"{key}: {text} is below the least, {show(least)}")
        elif value > most or (value == most and rest):
            report.add(node, f"{key}: {text} is above {limit} {show(most)}")
        elif rest:
            report.add(node, f"{key}: {text} is finer than {show(1)}, the smallest step")
        else:
            return value
        return None

    return read


def whole(least: int, most: int, unit: str = "", limit: str = "the most,") -> Kind:
    """A whole number with its unit. `limit` says in a sentence where the most comes from."""

    def show(value: int) -> str:
        return f"{value}{unit}"

    if unit:
        schema: Json = {"type": "string", "pattern": f"^(0|[1-9][0-9]*){unit}$"}
    else:
        schema = {"type": "integer", "minimum": least, "maximum": most}
    what = "percentage" if unit == "%" else "whole number" + (unit and f" of {unit}")
    like = show(max(least, min(most, 30)))
    schema["description"] = f"{show(least)} to {show(most)}"
    return Kind(_quantity({unit: 1}, what, least, most, limit, show, like), schema, show)


def length(least_ms: int, most_ms: int, limit: str = "the most,") -> Kind:
    """A length of time in milliseconds, written with its unit: 500ms, 2s, 1.5min."""
    schema = {
        "type": "string",
        "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?(ms|s|min)$",
        "description": f"{in_units(least_ms)} to {in_units(most_ms)}",
    }
    like = f"{in_units(max(least_ms, min(most_ms, 2_000)))}, in ms, s or min"
    units = {"ms": 1, "s": 1_000, "min": 60_000}
    read = _quantity(units, "length of time", least_ms, most_ms, limit, in_units, like)
    return Kind(read, schema, in_units)


def list_of(kind: Kind, least: int = 0, unique: bool = False) -> Kind:
    """A list as a tuple; a mistaken item stands in it as None."""

    def read(node: Node, key: str, report: Report) -> tuple[Any, ...] | None:
        if not isinstance(node, Items):
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


def pair_of(first: Kind, second: Kind) -> Kind:
    def read(node: Node, key: str, report: Report) -> tuple[Any, Any] | None:
        if not isinstance(node, Items) or len(node.nodes) != 2:
            like = f"{first.show(2_000)}, {second.show(30)}"
            report.add(node, f"{key}: two values belong here, like [{like}]")
            return None
        left, right = (
            kind.read(item, key, report)
            for kind, item in zip((first, second), node.nodes, strict=True)
        )
        return None if left is None or right is None else (left, right)

    items = {"items": [first.schema, second.schema], "minItems": 2, "maxItems": 2}
    return Kind(read, {"type": "array"} | items)


REQUIRED: Final = object()


class Field(NamedTuple):
    """One key of a block: a row of the table that reader and schema share."""

    key: str
    kind: Kind
    about: str
    default: Any = REQUIRED


class Form(dict[str, Any]):
    """A block that was read: the value of every key of its table, None where there is none."""

    def __init__(self, node: Entries) -> None:
        super().__init__()
        self.node = node
        self.is_sound = True
        """Nothing missing, nothing mistaken in the keys themselves."""

    def at(self, key: str) -> Node:
        """The place of a key's value, or of the block where the key is not written."""
        return self.node.pairs[key][1] if key in self.node.pairs else self.node


def table(what: str, *fields: Field) -> Kind:
    """A block of the keys in `fields`, read as a Form."""
    by_key = {field.key: field for field in fields}

    def read(node: Node, key: str, report: Report) -> Form | None:
        if not isinstance(node, Entries):
            report.add(node, f"{key}: {what} belongs here, a block of keys: {', '.join(by_key)}")
            return None
        form = Form(node)
        for name, (place, value) in node.pairs.items():
            if name in by_key:
                form[name] = by_key[name].kind.read(value, name, report)
                form.is_sound &= form[name] is not None
            else:
                report.add(place, f"{shown(name)}: {what} has no such key; {near(name, by_key)}")
                form.is_sound = False
        for name, field in by_key.items():
            if name not in form and field.default is REQUIRED:
                report.add(node, f"{name}: is missing; {what} needs it: {field.about}")
                form.is_sound = False
            form.setdefault(name, None if field.default is REQUIRED else field.default)
        return form

    schema = {
        "title": what,
        "type": "object",
        "properties": {field.key: _described(field) for field in fields},
        "required": [field.key for field in fields if field.default is REQUIRED],
        "additionalProperties": False,
    }
    return Kind(read, schema)


def _described(field: Field) -> Json:
    parts = [field.about]
    if "description" in field.kind.schema:
        parts.append(field.kind.schema["description"])
    if field.default not in (REQUIRED, None, "", ()):
        parts.append(f"{field.kind.show(field.default)} if not given")
    return field.kind.schema | {"description": "; ".join(parts)}


def either(simple: Kind, block: Kind) -> Kind:
    """A block where a block is written, else the simple kind."""

    def read(node: Node, key: str, report: Report) -> Any:
        return (block if isinstance(node, Entries) else simple).read(node, key, report)

    return Kind(read, {"anyOf": [simple.schema, block.schema]}, simple.show)


def blocks(what: str, name: Kind, block: Kind, special: Mapping[str, Kind] | None = None) -> Kind:
    """A block whose keys are names: a dict of the name to its place and what `block` read.

    `special` holds the kinds of names that differ in what they allow.
    """

    def read(node: Node, key: str, report: Report) -> dict[str, tuple[Text, Any]] | None:
        if not isinstance(node, Entries) or not node.pairs:
            report.add(node, f"{key}: {what} belong here, each with its name and a colon")
            return None
        found: dict[str, tuple[Text, Any]] = {}
        for place, value in node.pairs.values():
            known_as = name.read(place, key, report)
            kind = (special or {}).get(known_as, block)
            value_read = kind.read(value, shown(place.value), report)
            if known_as in found:
                report.add(place, again(place.value, found[known_as][0]))
            elif known_as is not None:
                found[known_as] = (place, value_read)
        return found

    schema = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": name.schema,
        "additionalProperties": block.schema,
    }
    return Kind(read, schema)
