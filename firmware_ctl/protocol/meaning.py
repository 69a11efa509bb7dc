"""What a line of a client means: whether it is a request, whether it stops, and its answer.

`stops` decides when a line has just arrived, because a stop must not wait. `answer` comes when the
daemon has time, perhaps behind a reload that takes seconds, and never stops the mat for a line that
did not stop it on arrival. This module never knows ports, and never writes bytes.
"""

from typing import Final

from firmware_ctl.errors import CallerError
from firmware_ctl.protocol.commands import COMMANDS, CommandContext, Request, read_request
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.protocol.framing import Flaw, Line, asks_status, is_answer, text_of
from firmware_ctl.protocol.people import flaw_sentence, is_meant_as_stop, taken_as_stop
from firmware_ctl.session.session import Session

ENDS_LIKE_A_STOP: Final = [["help"], ["select"], ["start"], ["explain"], ["events"], ["echo"]]
"""Commands of which a valid request may end in a stop word: `events off`, `help stop`."""


def is_request(line: Line, session: Session) -> bool:
    """Whether a line is a valid request, even if the session would refuse it now."""
    text = text_of(line)
    if isinstance(text, Flaw) or not text.strip() or asks_status(line) or is_answer(text):
        return False
    try:
        read_request(text, session)
    except CallerError:
        return False
    return True


def stops(line: Line, session: Session) -> bool:
    """Whether a line that has just arrived, and may mean stop, stops the mat.

    A valid request such as `events off` does not. A garbled line does, because a person may have
    typed it in panic.
    """
    if not is_meant_as_stop(line, COMMANDS):
        return False
    text = text_of(line)
    if isinstance(text, Flaw):
        return True
    name = text.lower().split()[:1]
    # No other command accepts a stop word, and to read a `try` would delay the stop.
    return name not in ENDS_LIKE_A_STOP or not is_request(line, session)


def answer(
    context: CommandContext, connection: Connection, text: str | Flaw, line: Line
) -> list[str] | None:
    """The lines that answer a line, of which `text_of` returned `text`. None: they come later."""
    session = context.session
    if isinstance(text, Flaw):
        return [_error(text.code, flaw_sentence(text, line), line, session)]
    try:
        command, value = read_request(text, session)
    except CallerError as error:
        return [_error(error.code, str(error), line, session)]
    try:
        lines = command.handler(context, Request(connection, value, line.arrived_at_ms))
        return None if lines is None else list(lines)
    except CallerError as error:
        return [f"err {error.code} {error}"]


def _error(code: str, sentence: str, line: Line, session: Session) -> str:
    """The answer to a line that is no valid request.

    Here the line stops nothing: `stops` decided that when the line arrived, and a session may have
    been started since. A profile name such as `cool-off` may have been valid then, and be unknown
    now after a reload. Such a line has stopped nothing.
    """
    stopped_at_ms = session.arrivals.stopped_at_ms
    has_stopped = stopped_at_ms is not None and stopped_at_ms >= line.arrived_at_ms
    if has_stopped and is_meant_as_stop(line, COMMANDS):
        sentence = taken_as_stop(sentence, session)
    return f"err {code} {sentence}"
