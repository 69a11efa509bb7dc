"""The first evening with a new mat: wiring check, calibration, and the guided setup.

`wiring` and `first_evening` are the commands. `questions` and `calibration` hold what the builder
is asked, `procedure` plays questions in the place of a session, `runner` puts a procedure into the
daemon's loop, `kept_values` keeps what was measured and not written, `first_session` follows a
daemon, and `terminal` reads keys and shows text. `menu` holds the keys of `setup`, `progress` how
its steps have ended. The package never bypasses the latch, the dead-man or the motor gate: a motor
that is tested by hand is as safe as one in a session.
"""

__all__ = [
    "calibration",
    "first_evening",
    "first_session",
    "kept_values",
    "menu",
    "procedure",
    "progress",
    "questions",
    "runner",
    "terminal",
    "wiring",
]
