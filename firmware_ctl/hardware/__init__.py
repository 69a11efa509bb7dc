"""A Raspberry Pi: PWM by gpiozero and lgpio, edges from the kernel, the dead-man, systemd.

Knows pins and processes. Never knows profiles or sessions' rules. `emergency_off` is also a script
of its own, for a machine on which the rest of this package cannot be imported.
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
