"""The error types, by who is to blame: the author of a file, the caller, or the device.

Every message is a sentence that a person can act on. Nothing here knows who shows it.
"""

from dataclasses import dataclass


class FirmwareError(Exception):
    """Expected trouble: it gets an answer, never a traceback."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in one place of one file; line and column count from 1."""

    path: str
    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.sentence}"


class AuthorError(FirmwareError, ValueError):
    """A profile or mat file is wrong: every mistake found in it, in the order of the file."""

    def __init__(self, mistakes: "list[Mistake]") -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))

    def __reduce__(self) -> "tuple[type[AuthorError], tuple[list[Mistake]]]":
        return type(self), (list(self.mistakes),)

    def summary(self) -> str:
        """The first mistake, and how many there are beside it."""
        others = len(self.mistakes) - 1
        more = f" (and {others} more; `firmware-ctl check` shows all)" if others else ""
        return f"{self.mistakes[0]}{more}"


class CallerError(FirmwareError, ValueError):
    """A request that cannot be done now; `code` is one of the protocol's error codes."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)

    def __reduce__(self) -> "tuple[type[CallerError], tuple[str, str]]":
        return type(self), (self.code, str(self))


class DeviceError(FirmwareError, OSError):
    """A pin, port, socket or file does not do what it must."""
