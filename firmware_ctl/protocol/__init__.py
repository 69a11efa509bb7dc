"""The serial protocol: from bytes to requests, and from events to lines.

`framing` splits bytes into lines and finds stops. `connection` holds one client's waiting requests
and unsent answers. `meaning` decides whether a line stops and what answers it, `commands` has the
table of commands, `people` answers what only a person at a terminal sends, `stop_words` recognises
a mistyped stop, `try_line` compiles the line of a `try`, and `answers` reads what a daemon
answered. This package never knows the port of the bytes, and never reads a clock.
"""

__all__ = [
    "answers",
    "commands",
    "connection",
    "framing",
    "meaning",
    "people",
    "stop_words",
    "try_line",
]
