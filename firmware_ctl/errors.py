"""The error types, by who is to blame: the author of a file, the caller, or the device.

Every message is a sentence that a person can act on. Nothing here knows who shows it.
"""

from typing import NamedTuple


def printable(text: str) -> str:
    """The text on one line; each character that is not printable is spelt as Python spells it.

    The one place that makes text from outside safe to show. File names, recorded incidents and a
    daemon's answers may hold terminal escapes, or line ends that forge a line of their own
    (`* ready …`) in the log.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class FirmwareError(Exception):
    """Expected trouble: it gets an answer, never a traceback.

    Its sentence often quotes a file name or a device's words, and is shown on terminals and in the
    log: as text it is printable and holds no line end.
    """

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())


class Mistake(NamedTuple):
    """One mistake in one place of one file; line and column count from 1."""

    path: str
    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return printable(f"{self.path}:{self.line}:{self.column}: {self.sentence}")


class AuthorError(FirmwareError, ValueError):
    """A profile or mat file is wrong: every mistake found in it, in the order of the file."""

    def __init__(self, mistakes: "list[Mistake]") -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        """A line a mistake."""
        return "\n".join(map(str, self.mistakes))

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


class DeviceError(FirmwareError, OSError):
    """A pin, port, socket or file does not do what it must."""
