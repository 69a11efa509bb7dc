"""`doctor`: finds what makes the mat unsafe or unable to run on this machine, and names the fixes.

It knows how a Raspberry Pi is set up. It knows no session and no profile. `command` is the command,
`host`, `installations`, `pins` and `ports` are its checks, and `machine` reads the facts.
"""

__all__ = [
    "command",
    "finding",
    "fixes",
    "host",
    "installations",
    "machine",
    "pins",
    "ports",
]
