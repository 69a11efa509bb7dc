"""The words that mean stop, and what a person in a hurry types instead of them."""

import re
from collections.abc import Iterable
from itertools import takewhile
from operator import eq
from typing import Final

STOP_WORDS: Final = ("stop", "off", "halt", "abort")
_WORD: Final = re.compile(r"[0-9a-z]+")


def means_stop(name: str, commands: Iterable[str]) -> bool:
    """Whether a word that is no command is a stop word, or one slip of the fingers away from one.

    Case and punctuation do not matter. A slip that is as near to another command means that one.
    """
    found = _WORD.search(name.lower())
    word = found[0] if found else ""
    if word in STOP_WORDS:
        return True
    is_near = any(_is_one_slip(word, known) for known in STOP_WORDS)
    others = (known for known in commands if known not in STOP_WORDS)
    return is_near and not any(_is_one_slip(word, known) for known in others)


def _is_one_slip(word: str, known: str) -> bool:
    """Whether one letter too much, too few or wrong, or two swapped ones, make the difference."""
    same = len([*takewhile(bool, map(eq, word, known))])
    typed, meant = word[same:], known[same:]
    return (
        typed[1:] in (meant, meant[1:])
        or typed == meant[1:]
        or (typed[:2] == meant[1::-1] and typed[2:] == meant[2:])
    )
