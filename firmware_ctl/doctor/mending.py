"""Lines at the end of a file, added after a yes to the very lines."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Final

from firmware_ctl.doctor.finding import Edit
from firmware_ctl.doctor.machine import Machine

KEPT: Final = ".before-firmware-ctl"


def add_lines(machine: Machine, edits: list[Edit], ask: Callable[[str], str]) -> Iterator[str]:
    """Asks for each edit, adds what is answered with y, and yields what to print."""
    done = False
    for edit in edits:
        lines = "".join(f"    {line}\n" for line in edit.lines)
        try:
            answer = ask(f"\nAdd to {edit.path}\n{lines}[y/N] ")
        except EOFError:
            break
        if answer.strip().lower() not in ("y", "yes"):
            continue
        try:
            yield f"added{_add(machine, edit)}"
            done = True
        except OSError as error:
            yield f"{edit.path} cannot be written: {error.strerror}; it is as it was"
    if not done:
        yield "nothing was added"
    else:
        yield "\nTakes effect after a reboot: sudo reboot"


def _add(machine: Machine, edit: Edit) -> str:
    """Adds the lines, and returns where the file as it was before the first change is kept.

    A power cut leaves the old file or the new one, never half a config.txt.
    """
    path = machine.at(edit.path)
    old = path.read_bytes() if path.exists() else b""
    kept = path.with_name(path.name + KEPT)
    if old and not kept.exists():
        kept.write_bytes(old)
    # An included file may end under a filter of its own.
    scopes = re.findall(rb"^\s*(\[.+?\]|include )", old, re.MULTILINE)
    is_filtered = path.name == "config.txt" and scopes and scopes[-1] != b"[all]"
    added = ["[all]"] * bool(is_filtered) + [*edit.lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with open(new, "wb") as file:
        file.write(old + b"\n" * (bool(old) and not old.endswith(b"\n")))
        file.write("".join(f"{line}\n" for line in added).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    return f"; as it was: {edit.path}{KEPT}" if kept.exists() else ""
