"""The profiles that a daemon has read, good and bad, in the order of their names.

A bad profile has only a name and mistakes. No list of profiles shows it, and a client that asks
for it by name gets the first mistake as the refusal.
"""

from typing import NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile, read_profile
from firmware_ctl.errors import AuthorError, CallerError
from firmware_ctl.timeline.heat import refuse_hot
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.supply import Budget, fit_to_supply


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

    def valid(self, name: str) -> GoodEntry:
        """The good profile with this name.

        Raises `CallerError`: with the first mistake of a bad profile, or with the names that exist.
        """
        for entry in self.entries:
            if entry.name == name:
                if isinstance(entry, BadEntry):
                    raise CallerError("invalid-profile", str(entry.error.mistakes[0]))
                return entry
        names = ", ".join(entry.name for entry in self.good)
        raise CallerError("unknown-profile", f"there is no profile {name}; there are: {names}")


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
