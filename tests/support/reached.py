"""Counts how often the conditions around assertions held, so that a test that checks nothing fails."""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

_COUNTS: Counter[str] = Counter()


def reached(condition: str, times: int = 1) -> None:
    """Counts that a condition held. Call it next to an assertion that depends on this condition."""
    _COUNTS[condition] += times


def must_reach(**required: int) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Fails a test if a condition held less often, over all examples, than its required count."""

    def decorate(test: Callable[..., Any]) -> Callable[..., None]:
        @wraps(test)
        def run(*args: Any, **kwargs: Any) -> None:
            _COUNTS.clear()
            test(*args, **kwargs)
            missed = {
                condition: _COUNTS[condition]
                for condition in required
                if _COUNTS[condition] < required[condition]
            }
            assert not missed, f"too few: {missed}; required: {required}"

        return run

    return decorate
