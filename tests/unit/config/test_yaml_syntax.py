"""Each YAML syntax error in plain words, at its own line, and the same with both parsers."""

from typing import Any

import pytest
import yaml

from firmware_ctl.config.yaml_tree import FASTEST_PARSER, Report, parse
from firmware_ctl.errors import AuthorError

PHASE = "title: t\nphases:\n  - name: a\n"


@pytest.mark.parametrize("parser", [FASTEST_PARSER, yaml.BaseLoader], ids=["libyaml", "python"])
@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        # a space or a colon is missing
        (
            PHASE + "    for:1min\n    cue: KI3\n",
            "4:5: no space after the colon; write `for: 1min`",
        ),
        ("title:t\nphases:\n", "1:1: no space after the colon; write `title: t`"),
        (
            "title: t\nphases:\n  - name:a\n    for: 1s\n",
            "3:5: no space after the colon; write `name: a`",
        ),
        ("phases:\n  -name: a\n    for: 1s\n", "2:3: no space after the dash; write `- name: a`"),
        (PHASE + "    for 1min\n    cue: KI3\n", "4:5: no colon after for; write `for: 1min`"),
        (PHASE + "    play\n      all: 20%\n", "4:5: no colon after play; write `play:`"),
        (
            PHASE + "    for = 1min\n    cue: KI3\n",
            "4:5: no colon after for; write `for: 1min`",
        ),
        (
            "title: t\n// note\nabout: a\n",
            "2:1: `//` does not begin a comment; write `# note`",
        ),
        (
            "title: t\n'a'\nabout: a\n",
            "2:1: a line `key: value` belongs here; add the colon, or quote a text of several lines",
        ),
        (
            PHASE + "    for: 1s\n  -name: b\n    for: 1s\n",
            "5:3: no space after the dash; write `- name: b`",
        ),
        ("title; t\nphases: []\n", "1:1: no colon after title; write `title: t`"),
        (
            "about: >\ntext at margin\na: []\n",
            "2:1: no colon after text; write `text: at margin`, or indent the line if a text goes on",
        ),
        (
            "? a\n b: c\n",
            "2:3: unexpected `: `; fix the indentation, or quote the text",
        ),
        # indentation
        (
            PHASE + "     for: 1min\n",
            "4:6: indented by 5, but the key in line 3 by 4; indent this line by 4",
        ),
        (
            PHASE + "   for: 1min\n",
            "4:4: indented by 3, but the key in line 3 by 4; indent this line by 4",
        ),
        (
            PHASE + " - name: b\n",
            "4:2: indented by 1, but the dash in line 3 by 2; indent this line by 2",
        ),
        (
            PHASE + "   - name: b\n",
            "4:4: indented by 3, but the dash in line 3 by 2; indent this line by 2",
        ),
        (
            PHASE + "  for: 1min\n",
            "4:3: indented by 2, but the key in line 3 by 4; indent this line by 4, or begin it with `- `",
        ),
        (
            PHASE + "    for: 1min\n    - cue: KI3\n",
            "5:5: indented by 4, but the dash in line 3 by 2; indent this line by 2, or remove the dash",
        ),
        (
            "title: t\n  about: a\n",
            "2:3: indented by 2, but the key in line 1 by 0; do not indent it",
        ),
        ("a:\n\tb: 1\n", "2:1: a tab stands here; indent with spaces"),
        (PHASE + "  \tfor: 1min\n", "4:3: a tab stands here; indent with spaces"),
        # brackets
        (
            PHASE + "    play: {all: 20%\n  - name: b\n",
            "4:11: this `{` is not closed; write `}` at its end",
        ),
        (
            PHASE + "    play: {all: {level: 20%}\n    cue: KI3\n",
            "4:11: this `{` is not closed; write `}` at its end",
        ),
        ("needs: [hips\ntitle: t\n", "1:8: this `[` is not closed; write `]` at its end"),
        ("play: {all: 20%}}\n", "1:17: nothing is open that this `}` could close; remove it"),
        ("play: {all: 20%]\n", "1:16: `]` cannot close the `{`; write `}`"),
        ("play: {all: 20%,\n  hips: 1%]\n", "2:11: `]` cannot close the `{` of line 1; write `}`"),
        ("a: {b: wave level: 1%}\n", "1:13: no comma before `level`; write `, level`"),
        ('a: ["b" "c"]\n', '1:9: no comma before `"c"`; write `, "c"`'),
        ("a: {\n  b: 1\n  c: 2\n}\n", "3:3: no comma before `c`; write `, c`"),
        (
            "a: [b] c\n",
            "1:8: text goes on after `]`; put the whole text in quotes, or this entry on a line of its own",
        ),
        # quotes and characters
        ('a: "b\nc: 1\n', '1:4: this quote is not closed; write " at the end of the text'),
        ('a: "b\nc: "d"\n', '1:4: this quote is not closed; write " at the end of the text'),
        (
            "a: 'It's b'\n",
            "1:8: text goes on after `'`; put it in double quotes, which may hold such a quote",
        ),
        ('a: "b" c\n', '1:8: text goes on after `"`; put the whole text between the quotes'),
        ("a: B: c\n", '1:5: a value cannot hold `: `; put the text in quotes: "B: c"'),
        ('a: B: "c"\n', "1:5: a value cannot hold `: `; put the text in quotes: 'B: \"c\"'"),
        (
            "play: hips: 1%\n",
            '1:11: a value cannot hold `: `; write {hips: 1%} for a block, or "hips: 1%" for a text',
        ),
        ("a: b\n  and c: d\n", "2:8: a value cannot hold `: `; put the whole text in quotes"),
        ("a: - b\n", "1:4: `- ` begins an item of a list; begin the item on a line of its own"),
        ("a: %30\n", "1:4: `%30` has the unit first; write 30%"),
        ("a: @b\n", '1:4: a text cannot begin with `@`; put it in quotes: "@b"'),
        ('a: @"b"\n', "1:4: a text cannot begin with `@`; put it in quotes: '@\"b\"'"),
        ("a: `b\n", '1:4: a text cannot begin with a back quote; put it in quotes: "`b"'),
        ("a: *b*\n", '1:4: a text cannot begin with `*`; put it in quotes: "*b*"'),
        ("a: & b\n", '1:4: a text cannot begin with `&`; put it in quotes: "& b"'),
        ("a: > b\n", '1:4: a text cannot begin with `>`; put it in quotes: "> b"'),
        # what other programs leave behind
        ("```yaml\na: b\n", "1:1: this line belongs to Markdown, not to YAML; remove it"),
        (
            "a: b\n<<<<<<< HEAD\nc: d\n",
            "2:1: a merge left this line; decide for one side and remove it",
        ),
    ],
)
def test_syntax_error_is_explained_at_its_own_place(text: str, mistake: str, parser: Any) -> None:
    with pytest.raises(AuthorError) as error:
        parse(text.encode(), Report("p"), parser)
    assert str(error.value) == f"p:{mistake}"


@pytest.mark.parametrize("parser", [FASTEST_PARSER, yaml.BaseLoader], ids=["libyaml", "python"])
def test_backslash_in_double_quotes_is_explained(parser: Any) -> None:
    with pytest.raises(AuthorError, match="p:1:5: a backslash in double quotes begins an escape"):
        parse(b'a: "\\d"\n', Report("p"), parser)
