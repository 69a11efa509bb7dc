"""Runs contestants in a process of its own: `python -m tests.bench.one SIZE MODULE:FUNCTION...`.

Prints the figures of each contestant as one line of JSON.
"""

import json
import sys
from importlib import import_module

from tests.bench.measure import SIZES


def main() -> None:
    size, *calls = sys.argv[1:]
    for call in calls:
        module, _, function = call.partition(":")
        figures = getattr(import_module(f"tests.bench.{module}"), function)(SIZES[size])
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
