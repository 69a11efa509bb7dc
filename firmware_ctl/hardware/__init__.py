"""A Raspberry Pi: PWM by gpiozero and lgpio, edges from the kernel, the dead-man, systemd.

It knows pins, kernel timers and processes. It never knows profiles or the rules of a session.
`pi` opens a mat's pins as one `Hardware` value. `emergency_off` is also a script of its own, for a
machine on which the rest of this package cannot be imported.
"""

__all__ = [
    "button_lines",
    "deadman",
    "emergency_off",
    "gpio",
    "pi",
    "pin_guard",
    "systemd",
]
