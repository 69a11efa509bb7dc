"""What a profile does on a mat, millisecond by millisecond.

`folder` and `catalogue` read profiles. `compiler` turns each profile into a timeline (`model`).
`supply` proves that the supply bears the timeline, `heat` that no motor gets the surface too warm,
and `report` shows both proofs. `playback` gives the levels of a timeline at any time, and
`motor_drive` turns levels into duties; both are whole percents. A motor is named by its index in
the order of the mat file. Nothing here reads a clock: a time is an argument.
"""

__all__ = [
    "catalogue",
    "compiler",
    "folder",
    "haptics",
    "heat",
    "marks",
    "model",
    "motor_drive",
    "period_cache",
    "playback",
    "report",
    "steps",
    "supply",
]
