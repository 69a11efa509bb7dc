"""The words that mean stop, and what a person in a hurry types instead of them."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import takewhile
from operator import eq
from string import ascii_lowercase, digits
from typing import Final

STOP_WORDS: Final = ("stop", "off", "halt", "abort")
_WORD: Final = re.compile(r"[0-9a-z]+")


def means_stop(name: str, commands: Iterable[str]) -> bool:
    """Whether a word that is no command is a stop word, or one slip of the fingers away from one.

    Case and punctuation do not matter. A slip that is as near to another command means that one.
    """
    found = _WORD.search(name.lower())
    return found is not None and _is_meant(found[0], frozenset(commands))


# A flood may hold thousands of lines that begin with the same word.
@lru_cache(maxsize=256)
def _is_meant(word: str, commands: frozenset[str]) -> bool:
    is_near = any(_is_one_slip(word, known) for known in STOP_WORDS)
    others = commands.difference(STOP_WORDS)
    return word in STOP_WORDS or (
        is_near and not any(_is_one_slip(word, known) for known in others)
    )


def _is_one_slip(word: str, known: str) -> bool:
    """Whether one letter too much, too few or wrong, or two swapped ones, make the difference."""
    same = len([*takewhile(bool, map(eq, word, known))])
    typed, meant = word[same:], known[same:]
    return (
        typed[1:] in (meant, meant[1:])
        or typed == meant[1:]
        or (typed[:2] == meant[1::-1] and typed[2:] == meant[2:])
    )


def slips() -> Iterator[str]:
    """Every word for which `means_stop` is true if there are no other commands."""
    for word in STOP_WORDS:
        for n in range(len(word) + 1):
            before, after = word[:n], word[n:]
            yield from (before + letter + after for letter in ascii_lowercase + digits)
            if after:
                yield before + after[1:]
                yield from (before + letter + after[1:] for letter in ascii_lowercase + digits)
            if after[1:]:
                yield before + after[1] + after[0] + after[2:]
