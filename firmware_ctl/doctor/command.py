"""The command: one table of checks, and how their findings are printed.

Reads the machine and changes nothing, but for lines that a person agreed to one by one.
"""

import argparse
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from firmware_ctl import limits, places, shipped
from firmware_ctl.doctor import host, pins, ports
from firmware_ctl.doctor.finding import Edit, Finding, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine
from firmware_ctl.errors import AuthorError, DeviceError
from firmware_ctl.folder import load_mat
from firmware_ctl.mat import Mat, MatLimits
from firmware_ctl.printable import printable

Told = tuple[str, Finding]
"""A finding and its subject."""


def fitted(machine: Machine, mat: Mat) -> Findings:
    if mat.gate is None:
        yield note(
            "no motor gate: when the Pi hangs or a MOSFET fails, only stop switch and fuses cut "
            f"the power; a session lasts {limits.SESSION_MS // 60_000} min at most",
            "build the gate and name it in the mat file",
        )
    elif mat.gate.rail_pin is None:
        yield note(
            "the gate has no read-back: whether it really cuts the power is not seen",
            "wire it, and name its pin in the mat file (rail)",
        )
    if mat.button is None:
        yield note(
            "no start button: the stop switch is the only control on the mat",
            "fit one, and name its pins in the mat file",
        )
    elif mat.button.released_pin is None:
        yield note(
            "a plain button: when its wire breaks it stops nothing, and no one is told",
            "fit a change-over contact, on two pins",
        )


class Check(NamedTuple):
    subject: str
    find: Callable[[Machine, Mat], Findings]
    on_a_pi: bool = True
    """Only there: elsewhere its fix would lead nowhere."""
    of_the_mat: bool = False
    """Needs a mat file that can be read."""


CHECKS: Final = (
    Check("machine", host.board, on_a_pi=False),
    Check("machine", host.power),
    Check("python", host.pin_library),
    Check("mat", fitted, on_a_pi=False, of_the_mat=True),
    Check("pins", pins.chip),
    Check("pins", pins.taken, of_the_mat=True),
    Check("pins", pins.kept_outputs),
    Check("pins", pins.boot_levels, of_the_mat=True),
    Check("ports", ports.serial_ports, of_the_mat=True),
    Check("service", host.service),
    Check("service", host.deadman),
    Check("watchdog", host.watchdog),
    Check("state", host.state),
    Check("clock", host.clock),
)
NO_MAT: Final = Mat("", (), 0, 0, MatLimits(0, 0, 0, 0), None, None, None, ())


def examine(machine: Machine, mat_file: str | None = None) -> list[Told]:
    """Every finding, in the order in which the table has its subjects."""
    mat, of_the_file = _read_mat(machine, mat_file)
    told = [("mat", finding) for finding in of_the_file] + [
        (check.subject, finding)
        for check in CHECKS
        if (machine.is_pi or not check.on_a_pi) and (mat or not check.of_the_mat)
        for finding in check.find(machine, mat or NO_MAT)
    ]
    subjects = [check.subject for check in CHECKS]
    return sorted(told, key=lambda found: subjects.index(found[0]))


def _read_mat(machine: Machine, path: str | None) -> tuple[Mat | None, list[Finding]]:
    own = machine.exists(places.SERVICE_MAT)
    at = path or (str(machine.at(places.SERVICE_MAT)) if own else shipped.mat_file())
    try:
        mat = load_mat(at)
    except AuthorError as error:
        fix = "correct the line; then pins and ports are looked at too"
        return None, [bad(str(mistake), fix) for mistake in error.mistakes]
    except DeviceError as error:
        return None, [bad(str(error), "name one that is there with --mat")]
    if path or own:
        return mat, [ok(f"{mat.name}, {path or places.SERVICE_MAT}")]
    sentence = f"no mat file of your own: the shipped one ({mat.name}) stands for your wiring"
    return mat, [note(sentence, f"copy {at} to {places.SERVICE_MAT} and change it")]


# ---- printing

WIDTH: Final = 79


def lines_of(findings: list[Told]) -> Iterator[str]:
    """What is ok in one paragraph a subject; then each other finding, and under it its fix."""
    for subject in dict.fromkeys(subject for subject, _ in findings):
        found = [finding for name, finding in findings if name == subject]
        well = "; ".join(finding.sentence for finding in found if finding.word == "ok")
        paragraphs = [ok(well)] if well else []
        head = f"{subject:<9} "
        for finding in paragraphs + [finding for finding in found if finding.word != "ok"]:
            yield from _wrapped(f"{head}{finding.word:<5}", finding.sentence)
            head = " " * len(head)
            if finding.fix:
                yield from _wrapped(f"{head}fix  ", finding.fix)
            if finding.edit is not None:
                yield from _wrapped(f"{head}fix  ", _as_text(finding.edit))


def _as_text(edit: Edit) -> str:
    return f"add {listed([f'`{line}`' for line in edit.lines])} to {edit.path}"


def _as_json(subject: str, finding: Finding) -> dict[str, object]:
    edit = finding.edit and finding.edit._asdict()
    return {"subject": subject, **finding._asdict(), "edit": edit}


def _wrapped(head: str, text: str) -> list[str]:
    # What stands in backticks is copied as it is, so it is not broken at its spaces.
    whole = re.sub("`[^`]*`", lambda found: found[0].replace(" ", "\0"), printable(text))
    lines = textwrap.wrap(
        whole,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def doctor(args: argparse.Namespace) -> int:
    """Prints every finding; 1 where one is BAD. As root on a terminal it offers to add lines."""
    machine = Machine()
    findings = examine(machine, args.mat)
    if args.json:
        import json

        print(json.dumps([_as_json(subject, finding) for subject, finding in findings], indent=2))
    else:
        for line in lines_of(findings):
            print(line)
        print(f"\n{summary(findings)}")
    edits = list(dict.fromkeys(finding.edit for _, finding in findings if finding.edit))
    if edits and not args.json and os.isatty(0) and os.isatty(1):
        if os.geteuid() == 0:
            from firmware_ctl.doctor.mending import add_lines

            for line in add_lines(machine, edits, input):
                print(line)
        else:
            print("`sudo firmware-ctl doctor` adds the lines for you, and asks before each.")
    return 1 if any(finding.word == "BAD" for _, finding in findings) else 0


def summary(findings: list[Told]) -> str:
    subjects = [subject for subject, finding in findings if finding.word == "BAD"]
    notes = [finding.word for _, finding in findings].count("note")
    advice = f"{notes or 'no'} note{'s' * (notes != 1)}"
    if not subjects:
        return f"Nothing found that makes the mat unsafe or unable to run; {advice}."
    where = listed(list(dict.fromkeys(subjects)))
    problems = f"{len(subjects)} problem{'s' * (len(subjects) != 1)} ({where})"
    return f"{problems}; {advice}.\nFix what is BAD before you use the mat."
