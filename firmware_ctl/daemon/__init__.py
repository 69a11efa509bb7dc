"""The one loop: it waits for ports, the button and the time, asks the session, and drives the pins.

Knows descriptors, connections, timers, and the latch as the one writer of pins. Never knows who
implements the pins, the button or the watchdogs that it is given.
"""

__all__ = [
    "clients",
    "daemon",
    "interfaces",
    "latch",
    "links",
    "loop",
    "owner",
    "player",
    "poller",
    "profile_reader",
    "requests",
    "watchdogs",
]
