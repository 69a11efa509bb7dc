"""The builder's first evening: wiring checked motor by motor, calibration, the first session.

`procedure` decides what is asked and what moves, as a session does; `terminal` brings it to a
keyboard and to pins.
"""

__all__ = [
    "first_evening",
    "procedure",
    "questions",
    "terminal",
]
