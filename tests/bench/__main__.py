"""`python -m tests.bench`: plays the rows in turns, prints the table, writes all rounds as JSON."""

import argparse
import compileall
import json
from pathlib import Path

from tests.bench.measure import ROOT, SIZES, Round, kept, lines, machine, play
from tests.bench.rows import ROWS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(names)}")
    parser.add_argument("--size", choices=SIZES, default="full", help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="every round with its figures")
    args = parser.parse_args()
    if unknown := set(args.rows) - set(names):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    # As an installation does: whether the environment lets Python keep bytecode is no figure of ours.
    compileall.compile_dir(ROOT / "firmware_ctl", quiet=1)
    found = {}
    for row in ROWS:
        if args.rows and row.name not in args.rows:
            continue
        rounds: list[Round] = list(play(row, args.size, args.rounds))
        print("\n".join(lines(row, rounds)), flush=True)
        found[row.name] = kept(row, rounds)
    if args.json is not None:
        told = {**machine(), "size": args.size, "rows": found}
        args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
