"""What a profile does on a mat, millisecond by millisecond.

`folder` and `catalogue` read profiles; `compiler` makes a timeline (`model`) of each, `supply` and
`heat` prove it, `report` shows the proof. `playback` gives the levels of a timeline at a time, and
`motor_drive` makes duties of them, both in percent. Motors are known by their index in the mat
file. Nothing here reads a clock: a time is an argument.
"""

__all__ = [
    "catalogue",
    "compiler",
    "folder",
    "haptics",
    "heat",
    "model",
    "motor_drive",
    "period_cache",
    "playback",
    "report",
    "steps",
    "supply",
]
