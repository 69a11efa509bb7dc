"""YAML text to a tree of nodes, each with its line and column.

Every scalar stays text until `fields` reads it by its type. So YAML's own booleans, octals and
dates cannot surprise an author. Any bytes give either a tree, or mistakes with line and column.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from firmware_ctl.config.yaml_syntax import INVISIBLE, LINE_END, explain, invisible
from firmware_ctl.errors import AuthorError, Mistake

BYTES_MAX: Final = 64 * 1024
"""The largest file. It bounds the time to read one."""
DEPTH_MAX: Final = 16
"""The deepest nesting. It bounds the recursion of the tree builder."""
ALIASED_MAX: Final = 5_000
"""The most nodes that all aliases of a file together may stand for. Without it, aliases of aliases
would make a few lines stand for billions of nodes."""
MISTAKES_MAX: Final = 1_000
"""The most mistakes in a report. A file of 64 KiB can hold thirty thousand, and the sentence for
one takes up to 0.2 ms on a Pi Zero 2, so all of them would take 6 s.
"""


class EventParser(Protocol):
    """One of PyYAML's loaders, of which only the events are used."""

    def get_event(self) -> Any:
        """The next event. Its type says Any, because PyYAML's stubs call every mark optional."""


FASTEST_PARSER: Final[Callable[[str], EventParser]] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The parser of libyaml if PyYAML was built with it. It takes an eighth of the time of the Python
parser."""

# Characters that a file may not hold. Among them, NEL, LS and PS end a line in YAML but not in an
# editor, so each later line number would be wrong.
_FORBIDDEN: Final = frozenset(
    map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF))
) - set("\t\n\r")


# ---- nodes and mistakes


class Node:
    """A node with its line and column, both from 1. `size` counts the node and all nodes inside."""

    __slots__ = ("column", "line", "size")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.size = 1


class ScalarNode(Node):
    __slots__ = ("quoted", "value")

    def __init__(self, line: int, column: int, value: str, quoted: bool = False) -> None:
        # Without super(): most nodes are scalars, and the call takes 8 % of the time of `parse`.
        self.line = line
        self.column = column
        self.size = 1
        self.value = value
        self.quoted = quoted


class SequenceNode(Node):
    __slots__ = ("nodes",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.nodes: list[Node] = []


class MappingNode(Node):
    """A block of keys. `pairs`: text of a key → (node of the key, node of the value)."""

    __slots__ = ("pairs",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.pairs: dict[str, tuple[ScalarNode, Node]] = {}


class Report:
    """The mistakes of one file. A mistake that is found again through an alias counts once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.mistakes: set[Mistake] = set()

    def add(self, node: Node, sentence: str) -> None:
        """Adds a mistake at a node. Raises AuthorError if there are more than MISTAKES_MAX."""
        is_full = len(self.mistakes) >= MISTAKES_MAX
        if is_full:
            sentence = f"more than {MISTAKES_MAX} mistakes; the file was not read further"
        self.mistakes.add(Mistake(self.path, node.line, node.column, sentence))
        if is_full:
            raise self.error()

    def give_up(self, line: int, column: int, sentence: str) -> NoReturn:
        """Raises AuthorError with this mistake and all earlier ones: no tree can be read."""
        self.add(Node(line, column), sentence)
        raise self.error()

    def error(self) -> AuthorError:
        return AuthorError(list(self.mistakes))


# ---- words of sentences


def shown(text: str) -> str:
    """The text for use in a sentence: short, printable, and in quotes unless it is one word.

    The first invisible character in the text is named.
    """
    match = INVISIBLE.search(text)
    return quoted(text) + (f" (with {invisible(match[0])} in it)" if match else "")


def quoted(text: str) -> str:
    """Like `shown`, but does not name invisible characters."""
    text = text if len(text) <= 40 else text[:37] + "..."
    return text if text and " " not in text and text.isprintable() else repr(text)


def duplicate(noun: str, text: str, first: Node) -> str:
    return f"duplicate {noun} {shown(text)} (first used in line {first.line}); change or remove one"


# ---- reading


def parse(
    data: bytes,
    report: Report,
    parser: Callable[[str], EventParser] = FASTEST_PARSER,
    *,
    if_empty: str = "`firmware-ctl new NAME` writes one to start from",
) -> Node:
    """The root node of the file's one document.

    `if_empty`: what a person can do about a file of this kind that is empty.
    Raises AuthorError if the text cannot be read as a tree. Duplicate keys, keys that are not
    scalars, and tags are only reported, so that the reader of the tree can find more mistakes.
    """
    text = _decoded(data, report)
    try:
        return _TreeBuilder(parser(text), report, if_empty).build()
    except AuthorError:
        raise
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in (error.problem or "") and parser is not yaml.BaseLoader:
            # libyaml 0.2.6 refuses deep nesting while it looks ahead, and gives no useful place.
            # The parser in Python reads as far as the node that exceeds DEPTH_MAX.
            return parse(data, report, yaml.BaseLoader, if_empty=if_empty)
        row, column, sentence = explain(error, text)
        report.give_up(row + 1, column + 1, sentence)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML does not check some escapes in tags and quoted scalars, so that a call inside it
        # raises ValueError or OverflowError.
        report.give_up(1, 1, f"this is not YAML: {shown(str(error))}")


def _decoded(data: bytes, report: Report) -> str:
    if len(data) > BYTES_MAX:
        report.give_up(1, 1, f"the file is longer than {BYTES_MAX // 1024} KiB; divide it")
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        sentence = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        report.give_up(*_place_after(data[: error.start].decode()), sentence)
    if forbidden := _FORBIDDEN.intersection(text):
        index = min(map(text.index, forbidden))
        sentence = f"the control character U+{ord(text[index]):04X} stands here; remove it"
        report.give_up(*_place_after(text[:index]), sentence)
    return text


def _place_after(text: str) -> tuple[int, int]:
    lines = LINE_END.split(text)
    return len(lines), len(lines[-1]) + 1


class _TreeBuilder:
    """Builds the tree from a parser's events, by recursive descent to at most DEPTH_MAX.

    Not `yaml.compose`: with libyaml 0.2.5 a file of 64 KiB full of `- - - ` overflows the stack of
    its composer in C, which kills the process, and the composer in Python takes twice the time.
    Neither keeps the place of an alias, or whether a tag was written.
    """

    def __init__(self, parser: EventParser, report: Report, if_empty: str) -> None:
        self._next_event = parser.get_event
        self._report = report
        self._if_empty = if_empty
        self._anchors: dict[str, Node] = {}
        self._aliased = 0

    def build(self) -> Node:
        self._next_event()  # the start of the stream
        if type(self._next_event()) is StreamEndEvent:
            self._report.give_up(1, 1, f"the file is empty; {self._if_empty}")
        root = self._node(self._next_event(), 0)
        self._next_event()  # the end of the document
        event = self._next_event()
        if type(event) is not StreamEndEvent:
            mark = event.start_mark
            sentence = "a second document begins here; a file holds one, so remove the `---`"
            self._report.give_up(mark.line + 1, mark.column + 1, sentence)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        node: ScalarNode | SequenceNode | MappingNode
        if kind is ScalarEvent:
            node = ScalarNode(line, column, event.value, bool(event.style))
        elif kind is AliasEvent:
            return self._aliased_node(event.anchor, line, column)
        elif depth == DEPTH_MAX:
            self._report.give_up(line, column, f"nested more than {DEPTH_MAX} deep")
        else:
            node = (MappingNode if kind is MappingStartEvent else SequenceNode)(line, column)
        if event.tag:
            sentence = f"the tag {shown(event.tag)} has no meaning here; leave it out"
            self._report.add(node, sentence)
        if type(node) is MappingNode:
            self._fill_mapping(node, depth + 1)
        elif type(node) is SequenceNode:
            self._fill_sequence(node, depth + 1)
        # The anchor is known only after its node is complete, so that no node can contain itself.
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _fill_sequence(self, sequence: SequenceNode, depth: int) -> None:
        while type(event := self._next_event()) is not SequenceEndEvent:
            node = self._node(event, depth)
            sequence.size += node.size
            sequence.nodes.append(node)

    def _fill_mapping(self, mapping: MappingNode, depth: int) -> None:
        again: list[tuple[ScalarNode, ScalarNode]] = []  # a key, and the first key of its name
        while type(event := self._next_event()) is not MappingEndEvent:
            key = self._node(event, depth)
            if type(key) is ScalarNode:
                value = self._node(self._next_event(), depth)
                first = mapping.pairs.setdefault(key.value, (key, value))[0]
                if first is not key:
                    again.append((key, first))
            else:
                self._report.add(key, "a key has to be a plain word; write `word: value`")
                value = self._node(self._next_event(), depth)
            mapping.size += key.size + value.size
        if len({key.value for key, _ in again}) > 1:
            key, first = again[0]
            sentence = f"{shown(key.value)} and other keys come again (first in line {first.line})"
            self._report.add(key, f"{sentence}; begin a new item with `- `, or remove them")
        else:
            for key, first in again:
                self._report.add(key, duplicate("key", key.value, first))

    def _aliased_node(self, anchor: str, line: int, column: int) -> Node:
        """The node that an alias stands for. Counts its size against ALIASED_MAX."""
        name = shown(anchor)
        if anchor not in self._anchors:
            self._report.give_up(
                line,
                column,
                f"no anchor &{name} ends before this alias; quote a text that begins with `*`",
            )
        node = self._anchors[anchor]
        self._aliased += node.size
        if self._aliased > ALIASED_MAX:
            sentence = f"*{name}: the aliases up to here stand for too much; write less by alias"
            self._report.give_up(line, column, sentence)
        return node
