"""The keys of `setup` between two steps.

A key that is held repeats many times a second. Here it acts once: held down, `s` must not skip one
step after another, and Enter must not begin one after another.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from firmware_ctl.commissioning.procedure import REPEAT_MS
from firmware_ctl.commissioning.terminal import DOWN, UP, Terminal

REPEATABLE: Final = (UP, DOWN, "b")
"""These keys only move between the steps, so they may repeat."""


class Menu:
    def __init__(self, is_mock: bool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._is_mock = is_mock
        self._now_s = now_s
        self._last_key = ""
        self._last_key_at_s = 0.0

    def ask(self, prompt: str, keys: Sequence[str]) -> str:
        """Asks until one of the keys, or q, is pressed."""
        with Terminal() as terminal:
            while True:
                key = terminal.wait_for_key(prompt)
                now_s = self._now_s()
                is_repeat = key == self._last_key and now_s - self._last_key_at_s < REPEAT_MS / 1000
                self._last_key, self._last_key_at_s = key, now_s
                if key == "q":  # Also a terminal that is gone, which repeats too.
                    return key
                if is_repeat and key not in REPEATABLE:
                    continue
                if key in keys:
                    return key
                terminal.show((self._refusal(key),), prompt)

    def _refusal(self, key: str) -> str:
        if self._is_mock and key in ("x", "p"):
            return (
                f"{key} operates a simulated switch, and only within a step: begin a step with "
                "Enter first."
            )
        return "Unknown key."
