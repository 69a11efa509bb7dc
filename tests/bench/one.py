"""Turns in a process of their own: `python -m tests.bench.one SIZE MODULE:CALL...`.

Prints the figures of each as a line of JSON.
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
