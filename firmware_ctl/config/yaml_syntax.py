"""Explains YAML syntax errors: what is wrong, at which line, and what to write instead.

A parser reports the first token that it did not expect. That token often stands on the line after
the mistake, and its name means nothing to an author. So each rule here looks at the lines around
the parser's mark for one common slip, and gives the slip's own place.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

LINE_END: Final = re.compile("\r\n|\r|\n")
# Characters of pasted text that look like a space or like nothing. YAML reads them as letters.
INVISIBLE: Final = re.compile(
    "[\u00a0\u00ad\u1680\u2000-\u200f\u202a-\u202f\u205f-\u2064\u2066-\u206f\u3000]"
)
_COMMENT: Final = re.compile("(?:^|(?<=[ \t]))#.*")
_CLOSERS: Final = {"{": "}", "[": "]"}


class Explanation(NamedTuple):
    """The place of a mistake, both counted from 0, and its sentence."""

    row: int
    column: int
    sentence: str


class _Scene(NamedTuple):
    """What a rule may look at: the lines as `written`, with blanks for comments, and two marks."""

    written: list[str]
    lines: list[str]
    row: int
    column: int
    begin_row: int
    """Where the unfinished structure begins (`context_mark`). Equal to `row` if not reported."""
    begin_column: int
    context: str
    problem: str

    @property
    def line(self) -> str:
        return self.lines[self.row]

    @property
    def char(self) -> str:
        return self.line[self.column : self.column + 1]

    def row_above(self, row: int) -> int:
        """The closest row above that is not blank, or -1."""
        return next((above for above in range(row - 1, -1, -1) if self.lines[above].strip()), -1)


def invisible(char: str) -> str:
    return f"the invisible character U+{ord(char):04X}"


def explain(error: Any, text: str) -> Explanation:
    """The explanation of a `yaml.MarkedYAMLError` in this text."""
    written = LINE_END.split(text)
    lines = [_COMMENT.sub(_blank, line) for line in written]
    row, column = _place(error.problem_mark or error.context_mark, lines, (0, 0))
    begin = _place(error.context_mark, lines, (row, column))
    problem = error.problem or "it cannot be read"
    scene = _Scene(written, lines, row, column, *begin, error.context or "", problem)
    for rule in _RULES:
        explanation = rule(scene)
        if explanation:
            return explanation
    words = ", ".join(filter(None, (scene.context, problem)))
    return Explanation(row, column, f"this is not YAML: {words}")


def _blank(comment: re.Match[str]) -> str:
    return " " * len(comment[0])


def _place(mark: Any, lines: list[str], otherwise: tuple[int, int]) -> tuple[int, int]:
    """The row and column of a mark. A parser may place the end of the file after the last line."""
    if mark is None:
        return otherwise
    if mark.line >= len(lines):
        return len(lines) - 1, len(lines[-1])
    return mark.line, min(mark.column, len(lines[mark.line]))


def _code(text: str) -> str:
    """A piece of a file for a sentence: short, in back quotes."""
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


# ---- single characters


def _invisible_character(scene: _Scene) -> Explanation | None:
    for row, line in enumerate(scene.lines[: scene.row + 1]):
        if match := INVISIBLE.search(line):
            sentence = f"{invisible(match[0])} stands here; type a plain space, or nothing"
            return Explanation(row, match.start(), sentence)
    return None


def _tab(scene: _Scene) -> Explanation | None:
    indent = re.match("[ \t]*", scene.line)
    column = indent[0].find("\t") if indent else -1
    if scene.char == "\t" or column >= 0:
        place = scene.column if scene.char == "\t" else column
        return Explanation(scene.row, place, "a tab stands here; indent with spaces")
    return None


_LEFT_OVERS: Final = (
    (re.compile("<{7}|={7}|>{7}"), "a merge left this line; decide for one side and remove it"),
    (re.compile("```|~~~"), "this line belongs to Markdown, not to YAML; remove it"),
)


def _left_over(scene: _Scene) -> Explanation | None:
    for row in (scene.begin_row, scene.row):
        for pattern, sentence in _LEFT_OVERS:
            if pattern.match(scene.lines[row]):
                return Explanation(row, 0, sentence)
    return None


_FIRST_CHARACTERS: Final = "%@`*&!|>?,"


def _first_character(scene: _Scene) -> Explanation | None:
    """A text that begins with a character that means something else in YAML."""
    at_begin = any(word in scene.context for word in ("alias", "anchor", "tag", "block scalar"))
    row, column = (scene.begin_row, scene.begin_column) if at_begin else (scene.row, scene.column)
    text = scene.lines[row][column:].strip()
    if not text or text[0] not in _FIRST_CHARACTERS:
        return None
    if number := re.fullmatch(r"%(\d+)(?:[\s,}\]].*)?", text):
        sentence = f"`%{number[1]}` has the unit first; write {number[1]}%"
    else:
        first = "a back quote" if text[0] == "`" else f"`{text[0]}`"
        quote = "'" if '"' in text else '"'
        sentence = f"a text cannot begin with {first}; put it in quotes: {quote}{text}{quote}"
    return Explanation(row, column, sentence)


def _escape(scene: _Scene) -> Explanation | None:
    if "escape" not in scene.problem:
        return None
    column = scene.line.rfind("\\", 0, scene.column + 1)
    sentence = "a backslash in double quotes begins an escape; write two, or use single quotes"
    return Explanation(scene.row, max(column, 0), sentence)


# ---- quotes and brackets

_ROWS_MAX: Final = 20
"""How far above the mark an open quote is looked for. It bounds the time for a long file."""
_WORD_MAX: Final = 80
"""The longest word that is looked for before the mark. It bounds the time for a long line."""
_OPEN_QUOTE: Final = re.compile("(?:^|[:,{\\[-])[ ]*([\"'])")


def _open_quote(scene: _Scene) -> Explanation | None:
    if "end of stream" in scene.problem and "quoted scalar" in scene.context:
        place = scene.begin_row, scene.begin_column
    else:
        found = _quote_that_ends_at(scene)
        if found is None:
            return None
        place = found
    quote = scene.lines[place[0]][place[1] : place[1] + 1]
    return Explanation(*place, f"this quote is not closed; write {quote} at the end of the text")


def _quote_that_ends_at(scene: _Scene) -> tuple[int, int] | None:
    """A quote of an earlier line without its end there, which swallows text up to the mark."""
    for row in range(scene.row - 1, max(scene.row - _ROWS_MAX, 0) - 1, -1):
        for match in _OPEN_QUOTE.finditer(scene.lines[row]):
            if scene.lines[row].find(match[1], match.end()) >= 0:
                continue
            between = scene.lines[row + 1 : scene.row]
            if match[1] in scene.line[: scene.column] and match[1] not in "".join(between):
                return row, match.start(1)
    return None


def _after_the_end(scene: _Scene) -> Explanation | None:
    """Text that goes on after a closing quote or bracket."""
    before = scene.line[: scene.column].rstrip()
    if before[-1:] not in ("'", '"', "}", "]") or not scene.char or scene.char in "}],:":
        return None
    if before[-1] == "'" and scene.column == len(before):
        advice = "put it in double quotes, which may hold such a quote"
    elif before[-1] in "'\"":
        advice = "put the whole text between the quotes"
    else:
        advice = "put the whole text in quotes, or this entry on a line of its own"
    return Explanation(scene.row, scene.column, f"text goes on after `{before[-1]}`; {advice}")


def _opened_file(scene: _Scene) -> Explanation | None:
    """`{title: T,` as the first line, with plain lines below it."""
    column = len(scene.lines[0]) - len(scene.lines[0].lstrip())
    is_open = scene.lines[0][column : column + 1] == "{"
    if "flow" not in scene.context or not is_open or _is_closed(scene.lines, 0, column):
        return None
    sentence = (
        "the `{` that opens the file is not closed; remove it, and the comma after each value"
    )
    return Explanation(0, column, sentence)


def _brackets(scene: _Scene) -> Explanation | None:
    begin_line = scene.lines[scene.begin_row]
    opener = begin_line[scene.begin_column : scene.begin_column + 1]
    if "flow" not in scene.context or opener not in _CLOSERS:
        return None
    closer = _CLOSERS[opener]
    if scene.char and scene.char in "}]" and scene.char != closer:
        place = f" of line {scene.begin_row + 1}" if scene.begin_row != scene.row else ""
        sentence = f"`{scene.char}` cannot close the `{opener}`{place}; write `{closer}`"
        return Explanation(scene.row, scene.column, sentence)
    comment_row = next(
        (
            row
            for row in range(scene.begin_row, scene.row + 1)
            if closer in scene.written[row][len(scene.lines[row].rstrip()) :]
        ),
        None,
    )
    is_closed = _is_closed(scene.lines, scene.begin_row, scene.begin_column)
    rest = begin_line[scene.begin_column + 1 :].rstrip()
    is_spread = rest == "" or rest.endswith(",")
    if is_closed and (is_spread or scene.begin_row == scene.row):
        return _missing_comma(scene)
    sentence = f"this `{opener}` is not closed; write `{closer}` at its end"
    if comment_row is not None:
        sentence = (
            f"this `{opener}` is not closed: ` #` begins a comment, and the `{closer}` in line "
            f"{comment_row + 1} stands in it; write the `{closer}` before the `#`"
        )
    return Explanation(scene.begin_row, scene.begin_column, sentence)


def _is_closed(lines: list[str], row: int, column: int) -> bool:
    """Whether the bracket at this place has its partner, apart from quotes."""
    depth = 0
    for char in "".join([lines[row][column:], *lines[row + 1 :]]):
        depth += (char in "{[") - (char in "}]")
        if depth == 0:
            return True
    return False


def _missing_comma(scene: _Scene) -> Explanation:
    near = scene.line[max(scene.column - _WORD_MAX, 0) : scene.column]
    word = re.search(r"[^\s:,{}\[\]]+$", near) if scene.char == ":" else None
    column = scene.column - (len(word[0]) if word else 0)
    text = re.split(r"[\s:,{}\[\]]", scene.line[column:], maxsplit=1)[0]
    sentence = f"no comma before {_code(text)}; write {_code(', ' + text)}"
    if scene.line[:column].rstrip().endswith(";"):
        column = scene.line.rindex(";", 0, column)
        sentence = "`;` does not end a value; replace `;` by `,`"
    return Explanation(scene.row, column, sentence)


def _colon_in_brackets(scene: _Scene) -> Explanation | None:
    """`play:{...}` inside brackets, which libyaml alone refuses."""
    if scene.char != ":" or "unexpected ':'" not in scene.problem:
        return None
    near = scene.line[max(scene.column - _WORD_MAX, 0) : scene.column]
    word = re.search(r"[^\s:,{}\[\]]+$", near)
    after = scene.line[scene.column + 1 : scene.column + 2]
    if not word or not after.strip():
        return None
    value = f"{after}..." if after in _CLOSERS else after
    sentence = f"no space after the colon; write `{word[0]}: {value}`"
    return Explanation(scene.row, scene.column - len(word[0]), sentence)


def _closing_bracket(scene: _Scene) -> Explanation | None:
    if scene.char and scene.char in "}]":
        sentence = f"nothing is open that this `{scene.char}` could close; remove it"
        return Explanation(scene.row, scene.column, sentence)
    return None


# ---- keys and colons

_WORD: Final = r"([A-Za-z_][\w.-]*)"
_BARE_LINES: Final[tuple[tuple[str, str], ...]] = (
    (r"//+\s*(.*)", "`//` does not begin a comment; write `# {0}`"),
    (r"-([^\s-].*)", "no space after the dash; write `- {0}`"),
    (rf"{_WORD}\s*[=;]\s*(.*)", "no colon after {0}; write `{0}: {1}`"),
    (rf"{_WORD}:([^\s:/].*)", "no space after the colon; write `{0}: {1}`"),
    (
        rf"{_WORD}\s+([^\s:-][^:]* [^:]*)",
        "no colon after {0}; write `{0}: {1}`, or indent the line if a text goes on",
    ),
    (rf"{_WORD}\s+([^\s:-][^:]*)", "no colon after {0}; write `{0}: {1}`"),
    (_WORD, "no colon after {0}; write `{0}:`"),
)
"""A line that is not `key: value` → what it lacks, and the line as it should be."""


def _bare_line(scene: _Scene, row: int) -> Explanation | None:
    """Explains a line that lacks its colon, or the space after the colon or dash."""
    indent = re.match(r"[ ]*(?:- +)*", scene.lines[row])
    column = indent.end() if indent else 0
    text = scene.lines[row][column:].strip()
    for pattern, sentence in _BARE_LINES:
        if match := re.fullmatch(pattern, text):
            groups = (_cropped(group) for group in match.groups())
            return Explanation(row, column, sentence.format(*groups))
    return None


def _cropped(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _line_without_colon(scene: _Scene) -> Explanation | None:
    if "simple key" not in scene.context:
        return None
    explanation = _bare_line(scene, scene.begin_row)
    sentence = "a line `key: value` belongs here; add the colon, or quote a text of several lines"
    return explanation or Explanation(scene.begin_row, scene.begin_column, sentence)


def _colon_too_many(scene: _Scene) -> Explanation | None:
    if "mapping values are not allowed" not in scene.problem:
        return None
    before = scene.line[: scene.column]
    key = re.match(r"[ ]*(?:- +)*", before)
    name = before[key.end() if key else 0 :]
    first = re.search(r":\s+", name)
    if first is None and " " not in name.strip():
        above = scene.row_above(scene.row)
        explanation = (_bare_line(scene, above) if above >= 0 else None) or _indentation(scene)
        sentence = "unexpected `: `; fix the indentation, or quote the text"
        return explanation or Explanation(scene.row, scene.column, sentence)
    if first:
        column = len(before) - len(name) + first.end()
        text = scene.line[column:].strip()
        quote = "'" if '"' in text else '"'
        advice = f"put the text in quotes: {_cropped(f'{quote}{text}{quote}')}"
        if re.match("[a-z_.]+: ", text):
            block = _cropped(f"{{{text}}}")
            advice = f"write {block} for a block, or {quote}{_cropped(text)}{quote} for a text"
    else:
        advice = "put the whole text in quotes"
    return Explanation(scene.row, scene.column, f"a value cannot hold `: `; {advice}")


def _dash_in_value(scene: _Scene) -> Explanation | None:
    if "sequence entries are not allowed" not in scene.problem:
        return None
    sentence = "`- ` begins an item of a list; begin the item on a line of its own"
    return Explanation(scene.row, scene.column, sentence)


# ---- indentation


_BLOCKS_MAX: Final = 2_000
"""How many lines above the mark may hold the beginning of its block. It bounds the time."""
_DASHES_MAX: Final = 16
"""The most dashes of one line that count. The reader refuses deeper lists."""
_DASH: Final = re.compile("- +(?=[^ ])|-[ ]*$")
_KEY: Final = re.compile(r"[^\s:]+ *:(?:\s|$)")


class _Start(NamedTuple):
    """Where a dash or a key begins. All of one block begin in the same column."""

    column: int
    is_dash: bool
    row: int


def _starts(line: str, row: int) -> Iterator[_Start]:
    column = len(line) - len(line.lstrip(" "))
    for _ in range(_DASHES_MAX):
        match = _DASH.match(line, column)
        if not match:
            break
        yield _Start(column, True, row)
        column = match.end()
    if _KEY.match(line, column):
        yield _Start(column, False, row)


def _starts_above(scene: _Scene) -> list[_Start]:
    """The blocks that are open before the mark's line, from the outermost to the innermost."""
    stack: list[_Start] = []
    for row in range(max(scene.row - _BLOCKS_MAX, 0), scene.row):
        line = scene.lines[row]
        for start in _starts(line, row):
            while stack and stack[-1].column > start.column:
                stack.pop()
            stack = [open_ for open_ in stack if open_[:2] != start[:2]]
            stack.append(start)
    return stack


def _indentation(scene: _Scene) -> Explanation | None:
    if re.match(r"[ ]*-[^\s-]", scene.line):
        return _bare_line(scene, scene.row)
    here = next(_starts(scene.line, scene.row), None)
    if here is None:
        return None
    above = _starts_above(scene)
    alike = [start for start in above if start.is_dash == here.is_dash]
    if not alike or any(start.column == here.column for start in alike):
        return None
    nearest = min(reversed(alike), key=lambda start: abs(start.column - here.column))
    advice = f"indent this line by {nearest.column}" if nearest.column else "do not indent it"
    if any(start.column == here.column for start in above):
        advice += ", or remove the dash" if here.is_dash else ", or begin it with `- `"
    noun = "dash" if here.is_dash else "key"
    found = f"indented by {here.column}, but the {noun} in line {nearest.row + 1}"
    return Explanation(scene.row, here.column, f"{found} by {nearest.column}; {advice}")


def _list_without_key(scene: _Scene) -> Explanation | None:
    if "expected key" not in scene.problem or not scene.line.lstrip().startswith("- "):
        return None
    sentence = "a list begins here without its key; write the key, such as `phases:`, above it"
    return Explanation(scene.row, scene.column, sentence)


_RULES: Final[tuple[Callable[[_Scene], Explanation | None], ...]] = (
    _invisible_character,
    _tab,
    _left_over,
    _colon_in_brackets,
    _open_quote,
    _opened_file,
    _brackets,
    _line_without_colon,
    _colon_too_many,
    _dash_in_value,
    _closing_bracket,
    _escape,
    _after_the_end,
    _first_character,
    _indentation,
    _list_without_key,
)
"""The first rule that finds its slip explains the error."""
