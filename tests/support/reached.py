"""A property that checks nothing fails: how often the condition around an assertion held."""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

_COUNTS: Counter[str] = Counter()


def reached(what: str, times: int = 1) -> None:
    """To be called beside an assertion that stands under a condition."""
    _COUNTS[what] += times


def must_reach(**least: int) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Fails a test that has not reached each of these so many times, over all its examples."""

    def decorate(test: Callable[..., Any]) -> Callable[..., None]:
        @wraps(test)
        def run(*args: Any, **kwargs: Any) -> None:
            _COUNTS.clear()
            test(*args, **kwargs)
            missed = {what: _COUNTS[what] for what in least if _COUNTS[what] < least[what]}
            assert not missed, f"reached too seldom: {missed}, at least {least}"

        return run

    return decorate
