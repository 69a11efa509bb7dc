"""What the tree takes and refuses, and that no bytes at all bring anything but a place."""

from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl import document
from firmware_ctl.document import (
    MOST_MISTAKES,
    Entries,
    Items,
    Node,
    Report,
    Text,
    in_units,
    length,
    parse,
    shown,
    whole,
)
from firmware_ctl.errors import AuthorError

PARSERS = {"libyaml": getattr(yaml, "CBaseLoader", yaml.BaseLoader), "python": yaml.BaseLoader}


@pytest.fixture(params=PARSERS, autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(document, "_PARSER", PARSERS[request.param])
    return str(request.param)


def read(data: bytes | str) -> list[str] | object:
    """The document as plain values, or every mistake in it."""
    report = Report("f.yaml")
    try:
        node = parse(data if isinstance(data, bytes) else data.encode(), report)
    except AuthorError as error:
        return str(error).split("\n")
    return [str(mistake) for mistake in sorted(report.mistakes)] or plain(node)


def plain(node: Node) -> object:
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.nodes]
    assert isinstance(node, Entries)
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
        ("a: &x {b: [1]}\nc:\n  <<: *x\n", {"a": {"b": ["1"]}, "c": {"<<": {"b": ["1"]}}}),
        ("[" * 16 + "]" * 16, [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]),
    ],
)
def test_reads_every_scalar_as_text(text: str, value: object) -> None:
    assert read(text) == value


BOMB = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 8)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "mistakes"),
    [
        (b"", ["1:1: the file is empty"]),
        (b"# nothing\n\n", ["1:1: the file is empty"]),
        (b"title: caf\xe9\n", ["1:11: byte 0xe9 is not UTF-8; save the file as UTF-8"]),
        (b"a: 1\r\nb: 2\rc: \xff", ["3:4: byte 0xff is not UTF-8; save the file as UTF-8"]),
        ("a: 1".encode("utf-16"), ["1:1: byte 0xff is not UTF-8; save the file as UTF-8"]),
        (b"a: b\0c", ["1:5: the control character U+0000 has no place in this file"]),
        (b"a: 1\nb: \x07", ["2:4: the control character U+0007 has no place in this file"]),
        ("a: \u2028", ["1:4: the control character U+2028 has no place in this file"]),
        ("a: \ufeffb", ["1:4: the control character U+FEFF has no place in this file"]),
        (b"a" * 65537, ["1:1: the file is longer than 64 KiB"]),
        (b"a:\n\tb: 1\n", ["2:1: this is not YAML: a tab stands here; indent with spaces"]),
        (
            b"about: one: two\n",
            [
                "1:11: this is not YAML: a `: ` too many; mend the indentation, or put the text in "
                "quotes"
            ],
        ),
        (
            b"a: %30\n",
            ["1:4: this is not YAML: a text that begins like this has to stand in quotes"],
        ),
        (
            b'a: "b\n',
            [
                "2:1: this is not YAML: while scanning a quoted scalar, found unexpected end of "
                "stream"
            ],
        ),
        (b"a: 1\n---\nb: 2\n", ["2:1: a second document begins here; a file holds one"]),
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
                "3:1: a: stands here again; it is already in line 1",
                "4:1: a: stands here again; it is already in line 1",
            ],
        ),
        (
            b"? [a]\n: 1\n{b: 1}: 2\n",
            ["1:3: a key has to be a plain word", "3:1: a key has to be a plain word"],
        ),
        (b"a: *b\n", ["1:4: no anchor &b ends before this alias"]),
        (b"a: &b [*b]\n", ["1:8: no anchor &b ends before this alias"]),
        (BOMB, ["4:29: *c: the aliases up to here stand for too much; write less by alias"]),
        (b"[" * 60_000, ["1:17: nested more than 16 deep"]),
        (b"\n".join(b" " * n + b"a:" for n in range(20)), ["17:17: nested more than 16 deep"]),
        (
            b"a: !x 1\na: 2\nb: 3\n--- c\n",
            [
                "1:4: the tag !x has no meaning here; leave it out",
                "2:1: a: stands here again; it is already in line 1",
                "4:1: a second document begins here; a file holds one",
            ],
        ),
    ],
)
def test_refuses_with_a_place(data: bytes | str, mistakes: list[str]) -> None:
    assert read(data) == [f"f.yaml:{mistake}" for mistake in mistakes]


def pieces() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=200)
    yield st.text(max_size=200).map(str.encode)
    marks = ["---", "...", "<<", ": ", "- ", "&a ", "*a", "!%ff ", "%YAML 9.9\n", "\n  ", "\u2028"]
    yaml_like = st.sampled_from(
        [*"ab:-?,[]{}&*!|>'\"%@`#~ \n\r\t\ufeff", *marks, "\\x", "\\UFFFFFFFF"]
    )
    yield st.lists(yaml_like, max_size=60).map(lambda parts: "".join(parts).encode())


@given(data=st.one_of(*pieces()), which=st.sampled_from(sorted(PARSERS)))
def test_any_bytes_are_read_or_answered_with_a_place_in_the_file(data: bytes, which: str) -> None:
    before, document._PARSER = document._PARSER, PARSERS[which]  # type: ignore[misc]
    report = Report("f.yaml")
    try:
        parse(data, report)
        mistakes = tuple(report.mistakes)
    except AuthorError as error:
        mistakes = error.mistakes
        assert mistakes
    finally:
        document._PARSER = before  # type: ignore[misc]
    for mistake in mistakes:
        assert_in_file(data, mistake.line, mistake.column)
        assert mistake.sentence
        assert str(mistake).isprintable()


def assert_in_file(data: bytes, line: int, column: int) -> None:
    lines = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert 1 <= line <= len(lines)
    assert 1 <= column <= len(lines[line - 1]) + 1


def kind_says(kind: document.Kind, text: str) -> object:
    report = Report("f")
    value = kind.read(Text(1, 1, text), "key", report)
    return value if value is not None else [mistake.sentence for mistake in report.mistakes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", 500),
        ("2s", 2_000),
        ("1.5min", 90_000),
        ("0.25s", 250),
        ("0.010s", 10),
        ("90", ["key: 90 has no unit; write 90ms or 90s"]),
        ("2", ["key: 2 has no unit; write 2s or 2min"]),
        ("5000000", ["key: 5000000 has no unit; write 5000000ms or 5000000s or 5000000min"]),
        ("0s", ["key: 0s is below the least, 10ms"]),
        ("-5s", ["key: -5s is below the least, 10ms"]),
        ("-0s", ["key: -0s is below the least, 10ms"]),
        ("5000000000s", ["key: 5000000000s is above the most, 30min"]),
        ("31min", ["key: 31min is above the most, 30min"]),
        ("30.000001min", ["key: 30.000001min is above the most, 30min"]),
        ("20.5ms", ["key: 20.5ms is finer than 1ms, the smallest step"]),
        ("nan", ["key: nan is no length of time; write it like 2s, in ms, s or min"]),
        (".inf", ["key: .inf is no length of time; write it like 2s, in ms, s or min"]),
        ("1e3s", ["key: 1e3s is no length of time; write it like 2s, in ms, s or min"]),
        ("2 s", ["key: '2 s' is no length of time; write it like 2s, in ms, s or min"]),
        ("2h", ["key: 2h is no length of time; write it like 2s, in ms, s or min"]),
        ("010s", ["key: 010s is no length of time; write it like 2s, in ms, s or min"]),
        ("1:30", ["key: 1:30 is no length of time; write it like 2s, in ms, s or min"]),
        ("٣s", ["key: ٣s is no length of time; write it like 2s, in ms, s or min"]),
        (
            "9" * 5_000,
            [f"key: {'9' * 37}... is no length of time; write it like 2s, in ms, s or min"],
        ),
        ("", ["key: has no value"]),
    ],
)
def test_lengths(text: str, value: object) -> None:
    assert kind_says(length(10, 30 * 60_000), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", 100),
        ("101", ["key: 101 is above the most, 100"]),
        ("1000000000000", ["key: 1000000000000 is above the most, 100"]),
        ("0", ["key: 0 is below the least, 1"]),
        ("many", ["key: many is no whole number; write it like 30"]),
    ],
)
def test_counts(text: str, value: object) -> None:
    assert kind_says(whole(1, 100), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30%", 30),
        ("30.0%", 30),
        ("60%", 60),
        ("30", ["key: 30 has no unit; write 30%"]),
        ("61%", ["key: 61% is above the neck zone's cap of 60%"]),
        ("-1%", ["key: -1% is below the least, 0%"]),
        ("12.5%", ["key: 12.5% is finer than 1%, the smallest step"]),
        ("30%/s", ["key: 30%/s is no percentage; write it like 30%"]),
        ("0x1e%", ["key: 0x1e% is no percentage; write it like 30%"]),
        ("true", ["key: true is no percentage; write it like 30%"]),
    ],
)
def test_percentages(text: str, value: object) -> None:
    assert kind_says(whole(0, 60, "%", "the neck zone's cap of"), text) == value


@given(st.integers(0, 10**8))
def test_a_length_written_by_the_code_reads_as_itself(length_ms: int) -> None:
    assert kind_says(length(0, 10**8), in_units(length_ms)) == length_ms


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
    text: str, place: str
) -> None:
    report = Report("p.yaml")
    with pytest.raises(AuthorError) as found:
        parse(text.encode(), report)
    (mistake,) = found.value.mistakes
    char = next(char for char in reversed(text) if not char.isprintable() and char != "\n")
    assert str(mistake) == (
        f"p.yaml:{place}: the invisible character U+{ord(char):04X} stands here; "
        "type a plain space, or nothing"
    )


def test_parse_invisible_character_in_a_comment_is_not_blamed() -> None:
    with pytest.raises(AuthorError, match="a `: ` too many"):
        parse("# with\u00a0one\na: b: c\n".encode(), Report("p.yaml"))


def test_shown_invisible_character_is_named() -> None:
    assert shown("10\u00a0%") == r"'10\xa0%' (with the invisible character U+00A0 in it)"
    assert shown("10 %") == "'10 %'"


def test_report_a_file_of_mistakes_is_not_read_to_its_end() -> None:
    data = "[" + "!a b," * (MOST_MISTAKES + 500) + "]"
    with pytest.raises(AuthorError) as error:
        parse(data.encode(), Report("f.yaml"))
    mistakes = error.value.mistakes
    assert len(mistakes) == MOST_MISTAKES + 1
    assert str(mistakes[-2]).endswith("the tag !a has no meaning here; leave it out")
    assert str(mistakes[-1]).endswith("more than 1000 mistakes; the file was not read further")
