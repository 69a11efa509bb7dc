"""The command: the table of checks, and how their findings are printed.

Doctor only reads. It adds a line to a file only after root has agreed to that line.
"""

import argparse
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from firmware_ctl import limits
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.mat import Mat, MatLimits
from firmware_ctl.doctor import host, pins, ports
from firmware_ctl.doctor.finding import Edit, Finding, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine
from firmware_ctl.errors import AuthorError, DeviceError, printable
from firmware_ctl.timeline.folder import load_mat, read_catalogue

Result = tuple[str, Finding]
"""A subject, and one finding about it."""


def equipment(machine: Machine, mat: Mat) -> Findings:
    """Optional parts that the mat file does not name."""
    if mat.gate is None:
        yield note(
            "no motor gate: when the Pi hangs or a MOSFET fails, only stop switch and fuses cut "
            f"the power; a session lasts {limits.SESSION_MS // 60_000} min at most",
            "build the gate and name it in the mat file",
        )
    elif mat.gate.rail_pin is None:
        yield note(
            "the gate has no read-back: the daemon cannot check that it really cuts the power",
            "wire it, and name its pin in the mat file (rail)",
        )
    if mat.button is None:
        yield note(
            "no start button: the stop switch is the only control on the mat",
            "fit one, and name its pins in the mat file",
        )
    elif mat.button.released_pin is None:
        yield note(
            "a plain button: if its wire breaks, the button stops nothing and nothing reports it",
            "fit a change-over contact, on two pins",
        )


def short_supply(mat: Mat) -> str:
    """The sentence for a supply that is too small for every profile that this mat could play with a
    larger one; else empty."""
    with suppress(DeviceError):  # A folder that cannot be read says nothing of the supply.
        entries = read_catalogue(paths.profile_folders(), mat)
        if entries.good:
            return ""
        playable = read_catalogue(paths.profile_folders(), mat._replace(max_ma=_LARGE_MA)).good
        for entry in entries.bad:
            if entry.name in [other.name for other in playable]:
                return (
                    f"the supply (max_ma: {mat.max_ma}) is too small for every profile, for "
                    f"example {entry.name}: {entry.error.mistakes[0].sentence}"
                )
    return ""


_LARGE_MA: Final = 1_000_000
"""More than any mat draws."""


def supply(machine: Machine, mat: Mat) -> Findings:
    if sentence := short_supply(mat):
        yield bad(sentence, "correct max_ma if the supply gives more, or fit a larger supply")


class Check(NamedTuple):
    subject: str
    find: Callable[[Machine, Mat], Findings]
    only_on_a_pi: bool = True
    """On any other machine the check is left out, because its fix cannot be carried out there."""
    needs_mat: bool = False
    """The check is left out if the mat file cannot be read."""


CHECKS: Final = (
    Check("machine", host.board, only_on_a_pi=False),
    Check("machine", host.power),
    Check("python", host.pin_library),
    Check("mat", equipment, only_on_a_pi=False, needs_mat=True),
    Check("mat", supply, only_on_a_pi=False, needs_mat=True),
    Check("pins", pins.chip),
    Check("pins", pins.left_on, needs_mat=True),
    Check("pins", pins.taken, needs_mat=True),
    Check("pins", pins.kept_outputs),
    Check("pins", pins.boot_levels, needs_mat=True),
    Check("ports", ports.serial_ports, needs_mat=True),
    Check("service", host.service),
    Check("service", host.deadman),
    Check("watchdog", host.watchdog),
    Check("state", host.state),
    Check("clock", host.clock),
)
# For the checks that need no mat file, if that cannot be read.
NO_MAT: Final = Mat("", (), 0, 0, MatLimits(0, 0, 0, 0), None, None, None, ())


def examine(machine: Machine, mat_file: str | None = None) -> list[Result]:
    """Runs every check. The findings are in the order of the subjects in `CHECKS`."""
    mat, mat_findings = _read_mat(machine, mat_file)
    results = [("mat", finding) for finding in mat_findings] + [
        (check.subject, finding)
        for check in CHECKS
        if (machine.is_pi or not check.only_on_a_pi) and (mat or not check.needs_mat)
        for finding in check.find(machine, mat or NO_MAT)
    ]
    subjects = [check.subject for check in CHECKS]
    return sorted(results, key=lambda result: subjects.index(result[0]))


def _read_mat(machine: Machine, path: str | None) -> tuple[Mat | None, list[Finding]]:
    has_own = machine.exists(paths.SERVICE_MAT)
    file = path or (str(machine.at(paths.SERVICE_MAT)) if has_own else shipped.mat_file())
    try:
        mat = load_mat(file)
    except AuthorError as error:
        fix = "correct the line; then doctor checks pins and ports too"
        return None, [bad(str(mistake), fix) for mistake in error.mistakes]
    except DeviceError as error:
        return None, [bad(str(error), "give a file that exists with --mat")]
    if path or has_own:
        return mat, [ok(f"{mat.name}, {path or paths.SERVICE_MAT}")]
    sentence = f"no mat file of your own: doctor checks the wiring of the shipped one ({mat.name})"
    return mat, [note(sentence, f"copy {file} to {paths.SERVICE_MAT} and change it")]


# ---- printing

WIDTH: Final = 79
LEAST_WIDTH: Final = 30
"""A narrower terminal breaks the lines itself: half of such a line is the subject."""


def _width() -> int:
    try:
        columns = os.get_terminal_size(1).columns
    except OSError:
        return WIDTH  # The output is a file or a pipe.
    return max(LEAST_WIDTH, min(WIDTH, columns)) if columns else WIDTH


def lines_of(findings: list[Result], width: int = WIDTH) -> Iterator[str]:
    """For each subject one paragraph of all that is ok, then each other finding with its fix."""
    for subject in dict.fromkeys(subject for subject, _ in findings):
        of_subject = [finding for name, finding in findings if name == subject]
        all_ok = "; ".join(finding.sentence for finding in of_subject if finding.word == "ok")
        paragraphs = [ok(all_ok)] if all_ok else []
        head = f"{subject:<9} "
        for finding in paragraphs + [finding for finding in of_subject if finding.word != "ok"]:
            yield from _wrapped(f"{head}{finding.word:<5}", finding.sentence, width)
            head = " " * len(head)
            if finding.fix:
                yield from _wrapped(f"{head}fix  ", finding.fix, width)
            if finding.edit is not None:
                yield from _wrapped(f"{head}fix  ", _as_text(finding.edit), width)


def _as_text(edit: Edit) -> str:
    return f"add {listed([f'`{line}`' for line in edit.lines])} to {edit.path}"


def _as_json(subject: str, finding: Finding) -> dict[str, object]:
    edit = finding.edit and finding.edit._asdict()
    return {"subject": subject, **finding._asdict(), "fix": finding.fix or None, "edit": edit}


def _wrapped(head: str, text: str, width: int) -> list[str]:
    # People copy a command in backticks, so it must not be broken over two lines.
    unbroken = re.sub("`[^`]*`", lambda match: match[0].replace(" ", "\0"), printable(text))
    lines = textwrap.wrap(
        unbroken,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def doctor(args: argparse.Namespace) -> int:
    """Prints every finding. Exit code 1 if one is BAD.

    For root on a terminal it offers to add lines to files.
    """
    machine = Machine()
    findings = examine(machine, args.mat)
    if args.json:
        import json

        print(json.dumps([_as_json(subject, finding) for subject, finding in findings], indent=2))
    else:
        print(*lines_of(findings, _width()), "", sep="\n")
        for sentence in summary(findings).splitlines():
            print(*_wrapped("", sentence, _width()), sep="\n")
    edits = list(dict.fromkeys(finding.edit for _, finding in findings if finding.edit))
    if edits and not args.json and os.isatty(0) and os.isatty(1):
        if os.geteuid() == 0:
            from firmware_ctl.doctor.fixes import add_lines

            for line in add_lines(machine, edits, input):
                print(line)
        else:
            hint = "`sudo firmware-ctl doctor` adds the lines for you, and asks before each."
            print(*_wrapped("", hint, _width()), sep="\n")
    return 1 if any(finding.word == "BAD" for _, finding in findings) else 0


def summary(findings: list[Result]) -> str:
    """The last lines: the number of problems, their subjects, and the number of notes."""
    subjects = [subject for subject, finding in findings if finding.word == "BAD"]
    notes = [finding.word for _, finding in findings].count("note")
    advice = f"{notes or 'no'} note{'s' * (notes != 1)}"
    if not subjects:
        return f"Nothing found that makes the mat unsafe or unable to run; {advice}."
    where = listed(list(dict.fromkeys(subjects)))
    problems = f"{len(subjects)} problem{'s' * (len(subjects) != 1)} ({where})"
    return f"{problems}; {advice}.\nFix what is BAD before you use the mat."
