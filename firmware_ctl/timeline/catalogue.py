"""The profiles that a daemon has read, good and bad, in the order of their names.

A bad profile has only a name and mistakes. No list of profiles shows it, and a client that asks
for it by name gets the first mistake as the refusal.
"""

from itertools import count
from typing import NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile, read_profile
from firmware_ctl.config.slips import suggestion
from firmware_ctl.errors import AuthorError, CallerError, printable
from firmware_ctl.timeline.heat import refuse_hot
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.supply import Budget, fit_to_supply


class UnknownProfileError(CallerError):
    """No profile has this name.

    Only `str()` searches for the name that was meant. A stop word may stand in the line of the
    request, and a stop must not wait for the search.
    """

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__("unknown-profile", name)
        self._name = name
        self._known = known

    def __str__(self) -> str:
        hint = suggestion(self._name, self._known)
        if self._name.isdecimal() and self._known:
            hint += f", or by number 1 to {len(self._known)}"
        return printable(f"there is no profile {self._name}; {hint}")


class GoodEntry(NamedTuple):
    """A profile that is proven and can be played."""

    name: str
    profile: Profile
    timeline: Timeline
    budget: Budget = Budget()
    source: bytes = b""
    """The bytes of the profile's file."""


class BadEntry(NamedTuple):
    """A profile with mistakes."""

    name: str
    error: AuthorError


Entry = GoodEntry | BadEntry


class Catalogue(NamedTuple):
    entries: tuple[Entry, ...] = ()

    @property
    def good(self) -> list[GoodEntry]:
        return [entry for entry in self.entries if isinstance(entry, GoodEntry)]

    @property
    def bad(self) -> list[BadEntry]:
        return [entry for entry in self.entries if isinstance(entry, BadEntry)]

    def first(self) -> GoodEntry | None:
        return next(iter(self.good), None)

    def find_valid(self, name: str) -> GoodEntry | None:
        return next((entry for entry in self.good if entry.name == name), None)

    def name_of(self, word: str) -> str:
        """The name of the profile that a person means: its name in any case, or its number.

        Numbers count the good profiles from 1, in their order. A name comes before a number,
        because `3` may be the name of a profile. A word that is neither is returned unchanged.
        """
        name = word.lower()
        if any(entry.name == name for entry in self.entries):
            return name
        numbered = dict(zip(map(str, count(1)), self.good, strict=False))
        return numbered[word].name if word in numbered else word

    def valid(self, name: str) -> GoodEntry:
        """The good profile with exactly this name.

        Raises `CallerError`: with the first mistake of a bad profile, or with the names that exist.
        """
        for entry in self.entries:
            if entry.name == name:
                if isinstance(entry, BadEntry):
                    raise CallerError("invalid-profile", str(entry.error.mistakes[0]))
                return entry
        raise UnknownProfileError(name, [entry.name for entry in self.good])


def read_entry(name: str, data: bytes, path: str, mat: Mat) -> Entry:
    """Reads, checks and compiles one profile. Mistakes are not raised: they make a `BadEntry`.

    `path` is for the places of the mistakes. No file is opened.
    """
    try:
        profile = read_profile(data, path, mat)
        timeline, budget = fit_to_supply(profile, mat, path)
        refuse_hot(profile, timeline, mat, path)
    except AuthorError as error:
        return BadEntry(name, error)
    return GoodEntry(name, profile, timeline, budget, data)
