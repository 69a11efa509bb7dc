"""The live view's pages and its footer: the keys, the words on the screen, a profile's description.

A page covers the whole screen until a key is pressed.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from rich.text import Text

from firmware_ctl.cli.view_picture import HELP_PAGE, Picture

FOOTER_LINES: Final = 2

KEYS: Final[Mapping[str, str]] = {
    "space": "start or stop the mat",
    "Up Down": "select a profile",
    "1-9": "select by number",
    "Enter": "start the selection",
    "i": "about the selection",
    "p": "pause or resume",
    "+ -": "trim up or down",
    "!": "stop at once",
    "c": "clear a fault",
    "h": "hold the button 1 s",
    "H": "hold the button 5 s",
    "?": "this page",
    "q": "stop and quit",
    "Ctrl-Z": "stop, to the shell",
}
"""Every key of the view and what it does, short enough for two columns in 60 characters."""

WORDS: Final[Mapping[str, str]] = {
    "level": "How strong a motor should feel, from 0 to 100%.",
    "duty": "The share of time in which a motor gets power.",
    "kick": "The highest duty for a moment, which starts a motor that stands still; ▲ marks it.",
    "trim": "A percentage that scales every level.",
    "simulated strength": "How strongly a simulated motor shakes, as a share of its most.",
    "row 2": "The next pair of motors, further from the head.",
    "start button": "Held for 1 s it selects the next profile; held for 5 s it clears a fault or "
    "begins a new day of running time.",
}
"""The words on the screen, each in one sentence."""

_STOP: Final = ("space !", "stop")
_ALWAYS: Final = (("?", "help"), ("q", "quit"))
_TRIM: Final = ("+ -", "trim")
_FOOTERS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "idle": (
        *(("space Enter", "start"), ("Up Down", "select"), *_ALWAYS, ("i", "about"), _TRIM),
        *(("1-9", "select"), ("h", "next profile")),
    ),
    "running": (_STOP, ("p", "pause"), *_ALWAYS, _TRIM, ("Up Down", "select next")),
    "paused": (_STOP, ("p", "resume"), *_ALWAYS, _TRIM, ("Up Down", "select next")),
    "fault": (("c", "clear the fault"), *_ALWAYS),
}
"""The keys that work in each state, the most important first."""


def footer(state: str, width: int) -> list[Text]:
    """The keys that work in this state, in `FOOTER_LINES` lines, as many as fit."""
    lines = [Text()]
    for key, effect in _FOOTERS.get(state, _ALWAYS):
        item = Text.assemble((f" {key}", "bold"), f" {effect}  ")
        if len(lines[-1].plain) + len(item.plain.rstrip()) > width:
            lines.append(Text())
        lines[-1].append_text(item)
    for line in lines:
        line.rstrip()
    return (lines + [Text()] * FOOTER_LINES)[:FOOTER_LINES]


def page(picture: Picture, width: int, height: int) -> list[Text]:
    """The page that is open. Its last line says how to leave it."""
    lines = _help(width, height) if picture.page == HELP_PAGE else _about(picture, width)
    room = max(0, height - 1)
    lines = lines[:room] + [Text()] * (room - len(lines))
    return [*lines, Text(" Any key goes back; space and ! also stop, q quits.", "dim")]


def _help(width: int, height: int) -> list[Text]:
    column = 40 if width >= 80 else 30
    rows = [Text.assemble((f" {key:<8}", "bold"), effect) for key, effect in KEYS.items()]
    if width >= 2 * column:
        half = (len(rows) + 1) // 2
        for row in rows[:half]:
            row.pad_right(column - len(row.plain))
        pairs = zip_longest(rows[:half], rows[half:], fillvalue=Text())
        rows = [left.append_text(right) for left, right in pairs]
    gap = [Text()] * (height >= 24)
    lines = [Text(" Keys", "bold"), *rows, *gap]
    for word, sentence in WORDS.items():
        first, *rest = textwrap.wrap(f"{word}: {sentence}", max(20, width - 2)) or [""]
        lines.append(Text.assemble((f" {word}", "bold"), first.removeprefix(word)))
        lines += [Text(f"   {part}") for part in rest]
    return lines


def _about(picture: Picture, width: int) -> list[Text]:
    titles = {profile.name: profile.title for profile in picture.hello.profiles}
    lines = [Text(f" {picture.selected}", "bold"), Text(f" {titles.get(picture.selected, '')}")]
    about = picture.about or "The author of this profile wrote nothing about it."
    return [*lines, Text(), *(Text(f" {part}") for part in textwrap.wrap(about, max(1, width - 2)))]
