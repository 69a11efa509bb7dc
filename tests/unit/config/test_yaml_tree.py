"""What YAML becomes a tree, and that any other bytes are answered with places and sentences."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.yaml_tree import (
    FASTEST_PARSER,
    MISTAKES_MAX,
    MappingNode,
    Node,
    Report,
    ScalarNode,
    SequenceNode,
    parse,
    shown,
)
from firmware_ctl.errors import AuthorError

PARSERS = {"libyaml": FASTEST_PARSER, "python": yaml.BaseLoader}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Any:
    return PARSERS[request.param]


def read(data: bytes | str, parser: Any) -> list[str] | object:
    """The document as plain values, or every mistake in it."""
    report = Report("f.yaml")
    try:
        node = parse(data if isinstance(data, bytes) else data.encode(), report, parser)
    except AuthorError as error:
        return str(error).split("\n")
    return [str(mistake) for mistake in sorted(report.mistakes)] or plain(node)


def plain(node: Node) -> object:
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.nodes]
    assert isinstance(node, MappingNode)
    return {key: plain(value) for key, (_, value) in node.pairs.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes\nb: 010\nc: 1:30\nd: ~\n", {"a": "yes", "b": "010", "c": "1:30", "d": "~"}),
        ("a: {on: 500ms}\r\nb: [1, 'x y']\r\n", {"a": {"on": "500ms"}, "b": ["1", "x y"]}),
        ("a: 1\rb: 2\r", {"a": "1", "b": "2"}),
        ("\ufeffa: 1", {"a": "1"}),
        ("a scalar", "a scalar"),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": "1", "b": "2", "c": "2"}),
        ("a: &x {b: [1]}\nc:\n  '<<': *x\n", {"a": {"b": ["1"]}, "c": {"<<": {"b": ["1"]}}}),
        ("[" * 16 + "]" * 16, [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]),
    ],
)
def test_parse_every_scalar_is_text(text: str, value: object, parser: Any) -> None:
    assert read(text, parser) == value


BOMB = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 8)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "mistakes"),
    [
        (b"", ["1:1: the file is empty; `firmware-ctl new NAME` writes one to start from"]),
        (
            b"# nothing\n\n",
            ["1:1: the file is empty; `firmware-ctl new NAME` writes one to start from"],
        ),
        (b"title: caf\xe9\n", ["1:11: byte 0xe9 is not UTF-8; save the file as UTF-8"]),
        (b"a: 1\r\nb: 2\rc: \xff", ["3:4: byte 0xff is not UTF-8; save the file as UTF-8"]),
        ("a: 1".encode("utf-16"), ["1:1: byte 0xff is not UTF-8; save the file as UTF-8"]),
        (b"a: b\0c", ["1:5: the control character U+0000 stands here; remove it"]),
        (b"a: 1\nb: \x07", ["2:4: the control character U+0007 stands here; remove it"]),
        ("a: \u2028", ["1:4: the control character U+2028 stands here; remove it"]),
        ("a: \ufeffb", ["1:4: the control character U+FEFF stands here; remove it"]),
        (b"a" * 65537, ["1:1: the file is longer than 64 KiB; divide it"]),
        (b"a:\n\tb: 1\n", ["2:1: a tab stands here; indent with spaces"]),
        (
            b"about: one: two\n",
            [
                '1:11: a value cannot hold `: `; write {one: two} for a block, or "one: two" for a text'
            ],
        ),
        (
            b"a: %30\n",
            ["1:4: `%30` has the unit first; write 30%"],
        ),
        (
            b'a: "b\n',
            ['1:4: this quote is not closed; write " at the end of the text'],
        ),
        (
            b"a: 1\n---\nb: 2\n",
            ["2:1: a second document begins here; a file holds one, so remove the `---`"],
        ),
        (
            b"a: !!int 3\nb: !x {c: 1}\nc: ! [x]\n",
            [
                "1:4: the tag tag:yaml.org,2002:int has no meaning here; leave it out",
                "2:4: the tag !x has no meaning here; leave it out",
                "3:4: the tag ! has no meaning here; leave it out",
            ],
        ),
        (
            b"a: 1\nb: 2\na: 3\na: 4\n",
            [
                "3:1: duplicate key a (first used in line 1); change or remove one",
                "4:1: duplicate key a (first used in line 1); change or remove one",
            ],
        ),
        (
            b"? [a]\n: 1\n{b: 1}: 2\n",
            [
                "1:3: a key has to be a plain word; write `word: value`",
                "3:1: a key has to be a plain word; write `word: value`",
            ],
        ),
        (
            b"a: !!python/object/apply:os.system [ls]\n",
            [
                "1:4: the tag tag:yaml.org,2002:python/object/apply... has no meaning here; leave it out",
            ],
        ),
        (
            b"a: &b [&b 1, *b]\n? *b\n: 1\n",
            ["1:4: a key has to be a plain word; write `word: value`"],
        ),
        (
            b"a: *b\n",
            ["1:4: no anchor &b ends before this alias; quote a text that begins with `*`"],
        ),
        (
            b"a: &b [*b]\n",
            ["1:8: no anchor &b ends before this alias; quote a text that begins with `*`"],
        ),
        (BOMB, ["4:29: *c: the aliases up to here stand for too much; write less by alias"]),
        (b"[" * 60_000, ["1:17: nested more than 16 deep"]),
        (b"- " * 32_000, ["1:33: nested more than 16 deep"]),
        (b"? " * 32_000, ["1:33: nested more than 16 deep"]),
        (b"{a: " * 16_000, ["1:65: nested more than 16 deep"]),
        (b"\n".join(b" " * n + b"a:" for n in range(20)), ["17:17: nested more than 16 deep"]),
        (
            b"a: !x 1\na: 2\nb: 3\n--- c\n",
            [
                "1:4: the tag !x has no meaning here; leave it out",
                "2:1: duplicate key a (first used in line 1); change or remove one",
                "4:1: a second document begins here; a file holds one, so remove the `---`",
            ],
        ),
    ],
)
def test_parse_mistake_is_reported_with_its_place(
    data: bytes | str, mistakes: list[str], parser: Any
) -> None:
    assert read(data, parser) == [f"f.yaml:{mistake}" for mistake in mistakes]


def pieces() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=200)
    yield st.text(max_size=200).map(str.encode)
    marks = ["---", "...", "<<", ": ", "- ", "&a ", "*a", "!%ff ", "%YAML 9.9\n", "\n  ", "\u2028"]
    yaml_like = st.sampled_from(
        [*"ab:-?,[]{}&*!|>'\"%@`#~ \n\r\t\ufeff", *marks, "\\x", "\\UFFFFFFFF"]
    )
    yield st.lists(yaml_like, max_size=60).map(lambda parts: "".join(parts).encode())


@given(data=st.one_of(*pieces()), parser=st.sampled_from(list(PARSERS.values())))
def test_parse_any_bytes_are_read_or_answered_with_a_place_in_the_file(
    data: bytes, parser: Any
) -> None:
    report = Report("f.yaml")
    try:
        parse(data, report, parser)
        mistakes = tuple(report.mistakes)
    except AuthorError as error:
        mistakes = error.mistakes
        assert mistakes
    for mistake in mistakes:
        assert_in_file(data, mistake.line, mistake.column)
        assert mistake.sentence
        assert str(mistake).isprintable()


def assert_in_file(data: bytes, line: int, column: int) -> None:
    lines = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert 1 <= line <= len(lines)
    assert 1 <= column <= len(lines[line - 1]) + 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\u00a0b\nc: d\n", "1:3"),
        ("a: b\nc:\u00a0d\n", "2:3"),
        ("a:\n  -\u00a0b: c\n    d: e\n", "2:4"),
        ("a:\u3000b\nc: d\n", "1:3"),
        ("a: b\n\u200bc: d\ne\n", "2:1"),
        ("# with\u00a0one\na: b # and\u00a0one\nc:\u202fd\n", "3:3"),
    ],
)
def test_parse_invisible_character_is_named_and_not_called_a_colon_too_many(
    text: str, place: str, parser: Any
) -> None:
    with pytest.raises(AuthorError) as error:
        parse(text.encode(), Report("p.yaml"), parser)
    (mistake,) = error.value.mistakes
    char = next(char for char in reversed(text) if not char.isprintable() and char != "\n")
    assert str(mistake) == (
        f"p.yaml:{place}: the invisible character U+{ord(char):04X} stands here; "
        "type a plain space, or nothing"
    )


def test_parse_invisible_character_in_a_comment_is_not_blamed(parser: Any) -> None:
    with pytest.raises(AuthorError, match="a value cannot hold `: `"):
        parse("# with\u00a0one\na: b: c\n".encode(), Report("p.yaml"), parser)


def test_shown_invisible_character_is_named() -> None:
    assert shown("10\u00a0%") == r"'10\xa0%' (with the invisible character U+00A0 in it)"
    assert shown("10 %") == "'10 %'"


def test_report_full_of_mistakes_ends_the_reading(parser: Any) -> None:
    data = "[" + "!a b," * (MISTAKES_MAX + 500) + "]"
    with pytest.raises(AuthorError) as error:
        parse(data.encode(), Report("f.yaml"), parser)
    mistakes = error.value.mistakes
    assert len(mistakes) == MISTAKES_MAX + 1
    assert str(mistakes[-2]).endswith("the tag !a has no meaning here; leave it out")
    assert str(mistakes[-1]).endswith("more than 1000 mistakes; the file was not read further")
