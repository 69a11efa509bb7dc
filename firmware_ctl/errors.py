"""The error types, by their cause: the author of a file, the caller, or a device; and what the log
marks.

Every message is a sentence on which a person can act. This module never knows where it is shown.
"""

from typing import NamedTuple


def printable(text: str) -> str:
    """The text on one line, with each character that is not printable as a Python escape.

    This function alone makes text from outside safe to show. File names, recorded incidents and the
    answers of a daemon may hold terminal escapes, or line ends that forge a further line in the log
    (`* ready …`).
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class WarningLine(str):
    """A line of the log about something that a person should look after."""

    __slots__ = ()


class ErrorLine(str):
    """A line of the log that says why no session can play, or why one has ended."""

    __slots__ = ()


class FirmwareError(Exception):
    """Expected trouble: a person or client gets the message, never a traceback.

    Messages often quote file names or the words of a device, and go to terminals and logs. So
    `str()` of an error is printable and has no line end.
    """

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())


class Mistake(NamedTuple):
    """One mistake at one place in a file. Line and column count from 1."""

    path: str
    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return printable(f"{self.path}:{self.line}:{self.column}: {self.sentence}")


class AuthorError(FirmwareError, ValueError):
    """A profile or mat file has mistakes.

    `mistakes` holds all of them, in the order of the file.
    """

    def __init__(self, mistakes: "list[Mistake]") -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        """One line for each mistake."""
        return "\n".join(map(str, self.mistakes))

    def summary(self) -> str:
        """The first mistake, and the number of the others."""
        others = len(self.mistakes) - 1
        more = f" (and {others} more; `firmware-ctl check` shows all)" if others else ""
        return f"{self.mistakes[0]}{more}"


class CallerError(FirmwareError, ValueError):
    """A request that cannot be done now. `code` is one of the protocol's error codes."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class DeviceError(FirmwareError, OSError):
    """A pin, port, socket or file does not work as it must."""
