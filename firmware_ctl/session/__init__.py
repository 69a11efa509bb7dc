"""Every decision: what starts, what stops, what is refused, and what it costs of the day's time.

Takes an event and a time, and gives a step: what each motor should do now, what to tell, and when
it wants to be asked again. Never does I/O, and never knows pins, ports or bytes.
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
