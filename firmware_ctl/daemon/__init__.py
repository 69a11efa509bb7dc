"""The one loop: it waits for ports, the button and time, calls the session, and drives the pins.

This package knows descriptors, clients, timers and ticks. `player` is the only way from an input to
the pins, and `latch` is the only writer of pins. The package never knows who implements the pins,
the button, the disk or the watchdogs: `interfaces` has what it expects of them.
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
