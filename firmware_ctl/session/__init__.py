"""Every decision: which request starts, stops or is refused, and how much of the day it uses.

`Session.handle` takes an event and a time. It returns a step: what each motor should do now, what
to publish, and when the session wants to be called again. This package never does I/O, and never
knows pins, ports or bytes. Read `session` first, then `events`.
"""

__all__ = [
    "accounts",
    "allowance",
    "arrivals",
    "button",
    "core",
    "events",
    "handlers",
    "idle_haptics",
    "running",
    "session",
]
