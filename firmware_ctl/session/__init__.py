"""Every decision: which input starts, stops or is refused, and how much running time is left.

`Session.handle` takes an input and the time of the input. It returns a `Step`: the duty of each
motor, the notices to publish, and the time of the next call. This package never does I/O, and never
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
