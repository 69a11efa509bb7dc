"""`doctor`: finds what makes the mat unsafe or unable to run on this machine, and names the fixes.

Knows how a Raspberry Pi is set up. Knows no session and no profile. `command` hands out the
command; the other modules are its checks.
"""

__all__ = [
    "command",
    "finding",
    "fixes",
    "host",
    "machine",
    "pins",
    "ports",
]
