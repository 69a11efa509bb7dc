"""A code of six digits, with which a phone is paired once. The time is an argument."""

import secrets
from math import ceil
from typing import Final

from firmware_ctl.remote.web.rates import Rate

VALID_MS: Final = 5 * 60_000
FAILURES: Final = (5, 60_000)
"""At most so many wrong codes within so many ms, from all addresses together: an attacker in a
home network has as many addresses as it likes."""
MOST_FAILURES: Final = 10
"""After so many wrong codes the code is void. So one in 100 000 attackers guesses it."""

INVALID: Final = (
    "This code is wrong, used, or older than five minutes. Run `firmware-ctl web pair` on the "
    "mat's computer for a new one."
)


class Pairing:
    """The code that is valid now, if there is one."""

    def __init__(self) -> None:
        self._code = ""
        self._until_ms = 0
        self._failures = 0
        self._rate = Rate(*FAILURES)
        self.failures = 0
        """How many wrong codes came."""

    def begin(self, now_ms: int) -> str:
        """Makes a new code, and returns it. An older one is void."""
        self._code = f"{secrets.randbelow(1_000_000):06}"
        self._until_ms = now_ms + VALID_MS
        self._failures = 0
        return self._code

    def wait_s(self, now_ms: int) -> int:
        """How long nobody may try a code. 0: one may be tried now."""
        return ceil(self._rate.wait_ms(now_ms) / 1000)

    def takes(self, code: str, now_ms: int) -> bool:
        """Whether the code is the valid one. It is void then. Ask `wait_s` before."""
        is_open = self._code and now_ms < self._until_ms
        typed = code.encode("utf-8", "surrogatepass")
        if is_open and secrets.compare_digest(typed, self._code.encode()):
            self._code = ""
            return True
        self._rate.note(now_ms)
        self.failures += 1
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._code = ""
        return False
