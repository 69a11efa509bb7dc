"""A mat that is not there: a board, pins and motors, for `mock`, `simulate` and the tests.

Knows how motors behave, and how to break things on purpose. The daemon on a Raspberry Pi never
imports it.
"""

__all__ = [
    "board",
    "columns",
    "erm",
    "export",
    "faults",
    "hardware",
    "installing",
    "motors",
    "offline",
    "pins",
    "plot",
    "replay",
]
