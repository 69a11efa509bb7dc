"""The profiles that a daemon serves, good and bad, in the order of their names.

A bad one is known by its name alone: it is not listed, and asking for it says what is wrong.
"""

from typing import NamedTuple

from firmware_ctl.budget import Budget, fit
from firmware_ctl.errors import AuthorError, CallerError
from firmware_ctl.heat import refuse_hot
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Profile, read_profile
from firmware_ctl.timeline import Timeline


class Entry(NamedTuple):
    name: str
    profile: Profile | None = None
    timeline: Timeline | None = None
    budget: Budget | None = None
    error: AuthorError | None = None
    source: bytes = b""
    """The file of a good profile."""


class Catalogue(NamedTuple):
    entries: tuple[Entry, ...] = ()

    def first(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.timeline is not None), None)

    def find_valid(self, name: str) -> Entry | None:
        return next((e for e in self.entries if e.name == name and e.timeline is not None), None)

    def valid(self, name: str) -> Entry:
        """The good profile of that name, or `CallerError` with the first mistake of a bad one."""
        for entry in self.entries:
            if entry.name == name:
                if entry.error is not None:
                    raise CallerError("invalid-profile", str(entry.error.mistakes[0]))
                return entry
        names = ", ".join(entry.name for entry in self.entries if entry.timeline is not None)
        raise CallerError("unknown-profile", f"there is no profile {name}; there are: {names}")


def read_entry(name: str, data: bytes, path: str, mat: Mat) -> Entry:
    """Reads, checks and compiles one profile; its mistakes become part of the entry."""
    try:
        profile = read_profile(data, path, mat)
        timeline, budget = fit(profile, mat, path)
        refuse_hot(profile, timeline, mat, path)
    except AuthorError as error:
        return Entry(name, error=error)
    return Entry(name, profile, timeline, budget, source=data)
