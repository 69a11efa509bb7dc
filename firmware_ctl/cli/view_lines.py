"""The live view for a terminal that cannot move its cursor: lines of text, each printed once."""

import textwrap
from itertools import chain
from typing import Final

from firmware_ctl.cli.view_layout import clock, sentence, to_ascii
from firmware_ctl.cli.view_picture import KEYS_SENTENCE, Picture

LINE_MS: Final = 10_000
"""While a session runs, its time is printed at least this often."""


class Lines:
    """Decides what is new since the last line."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self._ascii_only = ascii_only
        self._facts: str | None = None
        self._messages = 0
        self._printed_at_ms = 0
        self._about = ""

    def next(self, picture: Picture, now_ms: int, width: int) -> str:
        """The text to print now, in lines of at most `width` columns; empty if nothing is new."""
        facts = sentence(picture)
        is_due = picture.status.state == "running" and now_ms >= self._printed_at_ms + LINE_MS
        has_message = picture.messages != self._messages
        if facts == self._facts and not has_message and not is_due:
            return ""
        lines = [KEYS_SENTENCE] if self._facts is None else []
        lines.append(self._line(picture, facts, now_ms, picture.message if has_message else ""))
        if picture.about and picture.about != self._about and picture.status.state == "idle":
            self._about = picture.about
            lines.append(picture.about)
        self._facts, self._messages, self._printed_at_ms = facts, picture.messages, now_ms
        parts = [textwrap.wrap(line, width, break_on_hyphens=False) for line in lines]
        text = "\n".join(chain.from_iterable(parts))
        return to_ascii(text) if self._ascii_only else text

    def _line(self, picture: Picture, facts: str, now_ms: int, message: str) -> str:
        if picture.status.is_on:
            elapsed_s, left_s = picture.times_s(now_ms)
            facts = f"{facts}, {clock(elapsed_s)} of {clock(round(elapsed_s + left_s))}"
        return f"{facts} | {message}" if message else facts
