"""The serial protocol: from bytes to requests, and from events to lines.

`framing` splits bytes into lines and finds stops. `connection` holds one client's waiting requests
and unsent answers. `commands` has the table of commands, and `try_line` compiles the line of a
`try`. This package never knows the port of the bytes, and never reads a clock.
"""

__all__ = [
    "commands",
    "connection",
    "framing",
    "try_line",
]
