"""How late ticks were: `late.py FILE FROM TO` reads a record of `emulation_ticks` and prints JSON.

FROM and TO are seconds of the monotonic clock; only ticks that were done between them count. The guest
computes this, because the emulated console needs a second or more for each line of a record.
"""

import json
import sys
from itertools import pairwise
from statistics import quantiles


def lateness(ticks, from_s, to_s):
    """`ticks` are pairs of nanoseconds: when a tick was due, and when it was done.

    A tick that was done before it was due had another reason than its time, so it was not late.
    """
    counted = [(due_ns, done_ns) for due_ns, done_ns in ticks if from_s <= done_ns / 1e9 <= to_s]
    late_ms = [(done_ns - due_ns) / 1e6 for due_ns, done_ns in counted if done_ns >= due_ns]
    apart_ms = [(after - before) / 1e6 for (_, before), (_, after) in pairwise(counted)]
    permilles = quantiles(late_ms, n=1000, method="inclusive")
    return {
        "p50 ms": permilles[499],
        "p99 ms": permilles[989],
        "p99.9 ms": permilles[998],
        "most ms": max(late_ms),
        "apart p99.9 ms": quantiles(apart_ms, n=1000, method="inclusive")[998],
        "ticks": len(late_ms),
    }


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(json.dumps(lateness(json.load(file), *map(float, sys.argv[2:]))))
