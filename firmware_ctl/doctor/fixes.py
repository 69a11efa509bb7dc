"""Adds lines at the end of a file, after the user has agreed to exactly these lines."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from firmware_ctl.doctor.finding import Edit
from firmware_ctl.doctor.machine import Machine
from firmware_ctl.storage.files import atomic_write

BACKUP: Final = ".before-firmware-ctl"
"""Ending of the copy of a file as it was before the first change."""


def add_lines(machine: Machine, edits: list[Edit], ask: Callable[[str], str]) -> Iterator[str]:
    """Asks about each edit, adds the lines if the answer is yes, and yields the lines to print."""
    has_added = False
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
            has_added = True
        except OSError as error:
            yield f"{edit.path} cannot be written: {error.strerror}; the file is unchanged"
    yield "\nTakes effect after a reboot: sudo reboot" if has_added else "nothing was added"


def _add(machine: Machine, edit: Edit) -> str:
    """Adds the lines. Returns where the backup is, for the message. Raises OSError.

    The file is replaced as a whole: with only a part of config.txt, after a power cut, the Pi would
    not boot.
    """
    path = machine.at(edit.path)
    old = path.read_bytes() if path.exists() else b""
    backup = path.with_name(path.name + BACKUP)
    if old and not backup.exists():
        backup.write_bytes(old)
    # The lines must apply to every board. The old text may end inside a filter such as [pi4], and
    # so may an included file, so [all] comes first.
    scopes = re.findall(rb"^\s*(\[.+?\]|include )", old, re.MULTILINE)
    is_filtered = path.name == "config.txt" and scopes and scopes[-1] != b"[all]"
    added = ["[all]"] * bool(is_filtered) + [*edit.lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    end_of_line = b"\n" * (bool(old) and not old.endswith(b"\n"))
    new_lines = "".join(f"{line}\n" for line in added).encode()
    atomic_write(str(path), old + end_of_line + new_lines)
    return f"; backup: {edit.path}{BACKUP}" if backup.exists() else ""
