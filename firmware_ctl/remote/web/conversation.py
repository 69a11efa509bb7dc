"""From the bytes of a daemon to answers and events. This module does no I/O."""

from collections.abc import Iterator
from typing import Final, NamedTuple

LONGEST: Final = 256 * 1024
"""Most bytes of a line that has not ended. A daemon's longest line is far shorter."""


class Answer(NamedTuple):
    """The answer to one request."""

    data: tuple[str, ...]
    """The data lines, without `- `."""
    final: str
    """`ok …` or `err CODE message`."""

    @property
    def is_ok(self) -> bool:
        return self.final.split(" ", 1)[0] == "ok"

    @property
    def refusal(self) -> tuple[str, str]:
        """Code and message of an `err`."""
        _, code, message = [*self.final.split(" ", 2), "", ""][:3]
        return code, message


class Told(NamedTuple):
    """A line that answers no request: an event, the status, or `stopped`."""

    line: str
    """Without `* `."""


class Conversation:
    """Puts the daemon's lines together. The bytes may be split anywhere."""

    def __init__(self) -> None:
        self._half_line = b""
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[Answer | Told]:
        *lines, half_line = (self._half_line + data).split(b"\n")
        self._half_line = half_line[-LONGEST:]
        for raw in lines:
            line = raw.decode("ascii", "replace").rstrip("\r")
            if line.startswith("* "):
                yield Told(line[2:])
            elif line.startswith("- "):
                self._data.append(line[2:])
            elif line.split(" ", 1)[0] in ("ok", "err"):
                yield Answer(tuple(self._data), line)
                self._data = []
