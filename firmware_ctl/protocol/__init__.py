"""The serial protocol: from bytes to requests, and from events to lines.

Knows one connection's bytes, lines, leases and waiting answers, and the table of commands. Never
knows the port that the bytes came from.
"""

__all__ = [
    "commands",
    "connection",
    "framing",
    "try_line",
]
