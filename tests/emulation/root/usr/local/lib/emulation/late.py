"""How late ticks came, of what `emulation_ticks` has noted: `late.py FILE FROM TO` prints it as JSON, of
the ticks that were done between two times, in seconds of the monotonic clock.

Told here, since a line on the emulated console takes a second or more.
"""

import json
import sys
from itertools import pairwise
from statistics import quantiles


def lateness(noted, from_s, to_s):
    """Of pairs of nanoseconds, when a tick was due and when it was done.

    One that was done before it was due came for something else, and is not late.
    """
    within = [(due, done) for due, done in noted if from_s <= done / 1e9 <= to_s]
    late_ms = [(done - due) / 1e6 for due, done in within if done >= due]
    apart_ms = [(b - a) / 1e6 for (_, a), (_, b) in pairwise(within)]
    late = quantiles(late_ms, n=1000, method="inclusive")
    return {
        "p50 ms": late[499],
        "p99 ms": late[989],
        "p99.9 ms": late[998],
        "most ms": max(late_ms),
        "apart p99.9 ms": quantiles(apart_ms, n=1000, method="inclusive")[998],
        "ticks": len(late_ms),
    }


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(json.dumps(lateness(json.load(file), *map(float, sys.argv[2:]))))
