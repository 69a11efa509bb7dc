"""`python -m tests.bench`: runs the rows, prints a table for each, and writes all rounds as JSON."""

import argparse
import compileall
import json
import os
from pathlib import Path

from tests.bench.measure import ROOT, SIZES, Round, json_of_row, lines, machine, run_rounds
from tests.bench.rows import ROWS
from tests.bench.sessions import BEFORE


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one or more of: {', '.join(names)}; default: all")  # fmt: skip
    parser.add_argument("--size", choices=SIZES, default="full", help="how much work a round does")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round with its figures to FILE")  # fmt: skip
    parser.add_argument("--before", metavar="FOLDER", help="an earlier state of this project, for the row full-body; without it the row is left out")  # fmt: skip
    args = parser.parse_args()
    if unknown := set(args.rows) - set(names):
        parser.error(f"unknown row {', '.join(sorted(unknown))}")
    # An installation compiles the package to bytecode. Where the environment forbids Python to write
    # bytecode, each start would compile the package again, and the rows would measure that.
    compileall.compile_dir(ROOT / "firmware_ctl", quiet=1)
    if args.before is not None:
        compileall.compile_dir(Path(args.before) / "firmware_ctl", quiet=1)
        os.environ[BEFORE] = os.path.abspath(args.before)
    results = {}
    for row in ROWS:
        is_wanted = not args.rows or row.name in args.rows
        if not is_wanted or (row.name == "full-body" and args.before is None):
            continue
        rounds: list[Round] = list(run_rounds(row, args.size, args.rounds))
        print("\n".join(lines(row, rounds)), flush=True)
        results[row.name] = json_of_row(row, rounds)
    if args.json is not None:
        report = {**machine(), "size": args.size, "rows": results}
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
