"""The report of the kill matrix: compares rounds with the promises and writes docs/reports/kill-matrix.md."""

import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from tests.emulation.kill_rounds import (
    DEATH_ROWS,
    FAULTS,
    LOW_AFTER_DEATH_MS,
    LOW_AFTER_FAULT_MS,
    STARVED_ROW,
    Fault,
    Round,
    Rounds,
)

Results = dict[tuple[str, bool], Rounds]
"""By the key of the fault in `FAULTS`, and whether lines persist."""

QUIET: Final = "On a quiet machine"
LOADED: Final = "Beside other work"
"""The titles of the two sections with a table."""

HOW: Final = """\
# How long motors run on after a fault

**Summary.** Ten faults are set off while eight motors run. A watcher outside the emulated Pi measures when
the process is gone and when the last motor pin is low. The promises: 0.5 s from a hang or a SIGSTOP to the
end of the process; 0.5 s from that end to low pins, or 0.1 s where lines are released; and 0.1 s to low
pins for an orderly end. {summary}
No figure is from a real Raspberry Pi; `python -m tests.emulation.kill_matrix` writes this file.

An emulated Raspberry Pi 3B (QEMU, Linux {kernel}, systemd 252) runs the real daemon with its unit,
gpiozero, lgpio and pinctrl-bcm2835. The daemon plays a profile with every motor at 90 % duty and a PWM of
53 Hz. A fault injector in the guest raises a spare pin, sets off the fault, and lowers the pin when the
daemon's process has ended; this is "process gone". In row 24, where the process lives on, it lowers the pin
when its processes may run again. Rows have their numbers from [hazards](../hazards.md).

The motor pins are read from outside, at the emulated chip: each edge when it occurs, and every few
milliseconds whether a pin is an output. "All low" is the last time at which any motor pin was a high output.
The pins are watched for 6 s. In the first round of a fault they are watched until systemd has started the
daemon again and the daemon reports that it is ready and idle. If a pin rose again, "all low" would be the
time at which it became low for the last time.

Each round restores a machine of its own, so the PWM may be at any phase. "High" is how many of the eight
motor pins were high at the fault, from minimum to maximum. "Persist": outputs stay driven when their owner
dies, as on Raspberry Pi OS. "Released": they become inputs, as with `dtparam=strict_gpiod`.

Times are median / maximum, in seconds from the fault. A promise is met if the slowest round meets it.

"Witness late" and "held up" show how busy the machine underneath was. On each of the guest's four
processors a witness, which has a higher priority than the daemon, toggles a pin every 50 ms; "witness late"
is the longest delay of a witness. "Held up" is the longest time for which one of QEMU's threads could run,
but the machine gave it no processor, from the fault until the process was gone and all pins were low. One
figure is not enough: a busy machine serves a witness at once, because a witness only sleeps, but it holds up
the end of a process, which computes.

"Remade" counts the rounds that were played again, with the reasons. When a tick is late the daemon turns its
motors off by itself, and the fault would find no motor that runs. The round is then played again, but only
if a witness woke at least 0.1 s late. If none did, the daemon made the tick late, and its promise counts as
missed. A round that was played again must keep the promises, too.

"""
SEEN: Final = """\
## Where the time goes

The dead-man's SIGKILL is due 0.30 to 0.35 s after a hang, because the dead-man was armed at the last checked
tick. The killed process then takes time to end. This time alone is "process gone" of SIGKILL in row 3, where
nothing is waited for; rows 2 and 4 are the sum of both. One such end was traced in the kernel
(`function_graph` on `do_exit` and the functions that it calls, which makes it slower). At that time lgpio
still reported the button's edges, and the daemon had two threads more than now:

| what | s |
|---|---|
| until the last of five threads has come to its end | 0.04 |
| 28 MB of memory given back, 5 us a page; it is locked, which makes it dearer | 0.04 |
| eleven GPIO lines: two with edges 2.5 and 1.5 ms, the others 0.06 to 2.5 ms each | 0.01 |
| all other descriptors, without the UART's | less than 0.01 |

The dead-man was once due after 0.4 s. A SIGSTOP was traced then, on a machine with nothing else to do. The
timer's SIGKILL came after 0.393 s. It took 4 ms until four of the five threads had ended, 28 ms to free
memory and 8 ms to close descriptors, and the process was gone after 0.433 s. In some rounds a daemon that
hung or was stopped was gone only after 0.50 to 0.54 s, so the dead-man is now due after 0.35 s. What the
rounds of the tables take beyond 0.4 s is about as long as "held up".

A Python process that only sleeps is gone after 0.01 to 0.05 s; with 15 MB of locked memory after 0.07 to
0.10 s; with eight GPIO lines after 0.02 to 0.04 s; with two lines that report edges after 0.04 to 0.09 s. The
rest is the end of threads and the freeing of memory on emulated processors.

When a UART is closed, its driver waits until the UART's clock reports that it has stopped. The emulated
clock manager never reports this, so each close, and thus each death of the daemon, would take 0.1 s longer.
The emulated device tree therefore gives the UART a clock that need not be stopped. A real UART may take
longer: until all written data is sent, up to 30 s.

In row 24 the last tick came up to 50 ms before the 260 ms. If both make more than 280 ms, the dead-man's first
timer has the stacks of all threads written, and the SIGKILL comes at 350 ms. A thread of its own writes the
stacks, so that the loop does not wait for a slow stderr. On the emulated Pi, whose four processors share two,
the loop still waits for a processor meanwhile. In twelve rounds apart from the table the fault was published in
one of six with the stacks, and in four of six without. The motors were off either way, within 0.52 s.

## What the emulated Pi showed that the mock did not

- Where lines persist, a death at full duty left pins high until systemd had started `ExecStopPost=`, for 2 to
  4 s on a busy machine. Now the daemon has a guard: a process that waits for the daemon's death and makes the
  pins low.
- `KillMode=mixed` killed this guard first in two of six deaths. It is now `process`.
- `TimeoutStopSec=5` ended `ExecStopPost=` before it had finished. It is now 20 s.
- A start limit within 10 s never tripped, because one restart takes longer. It is now five starts in ten
  minutes.
- `ProtectClock=` forbids the daemon to ask whether the clock is synchronised. Without an answer, time for
  which the machine was off would never count.
- With another GPIO chip as `/dev/gpiochip0`, the daemon took one of its lines before it refused to start. Now
  it finds the header's chip by its label.
- With a read-only state folder, lgpio ended with a traceback.
- The kernel closes the descriptors of a dead process one after another, from the highest number down, and
  closes a serial port only after the port has sent its data. The motors waited for this, and so did the guard.
  Now the daemon opens ports before pins, and the guard does not wait for the end of the process.
- A user may be allowed to lock only a little memory. Locking all future memory then left new threads without
  their stacks.
- A `sleep` that holds the GIL is not such a fault: the signal of the dead-man's first timer, which logs the
  stacks, ends the sleep, and the loop turns the motors off. C code that computes with the GIL held is one.
- lgpio's thread for edges took a quarter of a processor, idle or not. The button's edges now come from the
  kernel.
- If a touch is shorter than half a millisecond, the daemon learns only that the contact moved: the kernel
  reads the level when its thread handles an edge, and by then the contact is back in its place, so both edges
  report a released button. The touch stops a session all the same. A press is longer.
- The kernel read noise at 10 kHz as "pressed" for 32 ms without a break, and its edges were lost while the
  loop was held up, so a session started. Now edges are combined into spells by their times, and a spell of
  more than 30 ms is ignored (`python -m tests.emulation.noise`).
"""


def table(results: Results, is_quiet: bool) -> list[str]:
    kept, missed = ("met", "**missed**") if is_quiet else ("yes", "**no**")
    lines = [
        "| row | fault | lines | n | remade | high | witness late | held up | process gone | all low "
        f"| low after death | promised | {'' if is_quiet else 'kept'} |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, persist), rounds in sorted(results.items(), key=lambda each: FAULTS[each[0][0]].row):
        fault, counted = FAULTS[name], rounds.counted
        is_starved = fault.row == STARVED_ROW
        high_pins = [each.high_pins for each in counted]
        published = f", a fault published in {len(counted)} of {len(counted)}" if is_starved else ""
        verdict = missed if missed_promises(fault, persist, rounds) else kept + published
        cells = (
            fault.row, fault.name, "persist" if persist else "released", len(counted),
            _reason_counts(rounds.remade),
            f"{min(high_pins)}-{max(high_pins)}" if high_pins else "",
            _median_and_max([each.witness_late_s for each in counted]),
            _median_and_max([each.held_up_s for each in counted]),
            _median_and_max([each.gone_s for each in counted]),
            _median_and_max([each.low_s for each in counted]),
            _median_and_max(low_after_death_s(counted)) if fault.row in DEATH_ROWS else "",
            promise(fault, persist), verdict,
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _reason_counts(reasons: Sequence[str]) -> str:
    return ", ".join(f"{count}: {reason}" for reason, count in Counter(reasons).items()) or "0"


def _median_and_max(times_s: Sequence[float]) -> str:
    return f"{median(times_s):.2f} / {max(times_s):.2f}" if times_s else ""


def low_after_death_s(rounds: Sequence[Round]) -> list[float]:
    return [max(0.0, each.low_s - each.gone_s) for each in rounds]


def promise(fault: Fault, persist: bool) -> str:
    if fault.row == STARVED_ROW:
        return "low, a fault"
    if fault.row not in DEATH_ROWS:
        return f"low {LOW_AFTER_FAULT_MS / 1000}"
    gone = f"gone {fault.gone_within_ms / 1000}, " if fault.row != 3 else ""
    return f"{gone}low {LOW_AFTER_DEATH_MS[persist] / 1000} after death"


def missed_promises(fault: Fault, persist: bool, rounds: Rounds) -> list[str]:
    """A list item for each promise that was not kept in all rounds."""
    missed = [f"a round failed: {failure}" for failure in rounds.failures]
    if not rounds.counted:
        missed.append("no round was counted")
    measured = rounds.all_measured()
    if fault.row == STARVED_ROW:
        silent = [each for each in measured if not each.fault_published]
        if silent:
            killed = sum(not each.survived for each in silent)
            missed.append(
                f"no fault was published in {len(silent)} of {len(measured)} rounds; "
                f"the dead-man killed the daemon in {killed} of them"
            )
    elif fault.row in DEATH_ROWS:
        missed += _late(
            "all pins were low {} after the end of the process",
            low_after_death_s(measured),
            LOW_AFTER_DEATH_MS[persist],
        )
        if fault.row != 3:
            # The dead-man is armed only while motors run. If none ran, the process ends later, by
            # systemd's watchdog.
            gone_s = [each.gone_s for each in measured if each.motors_ran]
            missed += _late("the process was gone {} after the fault", gone_s, fault.gone_within_ms)
    else:
        low_s = [each.low_s for each in measured]
        missed += _late("all pins were low {} after the fault", low_s, LOW_AFTER_FAULT_MS)
    lines = "persist" if persist else "are released"
    return [
        f"- Row {fault.row}, {fault.name}, where lines {lines}: {sentence}." for sentence in missed
    ]


def _late(sentence: str, times_s: Sequence[float], promised_ms: int) -> list[str]:
    late_s = [time_s for time_s in times_s if time_s > promised_ms / 1000]
    if not late_s:
        return []
    longest = sentence.format(f"{max(late_s):.2f} s")
    return [
        f"{longest} instead of {promised_ms / 1000} s, too late in {len(late_s)} of {len(times_s)} rounds"
    ]


def all_missed_promises(results: Results) -> list[str]:
    lines = [
        line
        for (name, persist), rounds in results.items()
        for line in missed_promises(FAULTS[name], persist, rounds)
    ]
    return lines or ["None: the slowest round of each row kept its promise."]


def new_section(
    results: Results, rounds: int, busy_programs: int, load: Sequence[float], python_s: float
) -> str:
    """The section with the table of this run. `python_s`: how long a bare Python took in the guest."""
    is_quiet = not busy_programs
    options = "" if is_quiet else f" --load {busy_programs}"
    running = (
        "the emulated Pi" if is_quiet else f"{busy_programs} busy programs and the emulated Pi"
    )
    lines = [
        f"## {QUIET if is_quiet else LOADED}",
        "",
        f"`python -m tests.emulation.kill_matrix --rounds {rounds}{options}` on {os.cpu_count()} "
        f"processors, {time.strftime('%Y-%m-%d', time.gmtime())}.",
        f"With {running} the load of this machine was {median(load):.1f} ({min(load):.1f} to "
        f"{max(load):.1f}), and a bare",
        f"`python3 -I -S -c pass` took {python_s:.2f} s in the guest.",
    ]
    if not is_quiet:
        lines.append(
            "The promises are for a quiet machine; this table shows what happened on a busy one."
        )
    title = "Missed:" if is_quiet else "Not as promised for a quiet machine:"
    lines += ["", *table(results, is_quiet), "", title, "", *all_missed_promises(results), "", ""]
    return "\n".join(lines)


def section(title: str, text: str) -> str:
    """The section of this title in the document. Empty: there is none."""
    match = re.search(rf"^## {title}\n.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return match[0] if match else ""


def document(path: Path, kernel: str, new: str) -> str:
    """The whole text with the new section. The other section is taken from the file as it is."""
    text = path.read_text() if path.exists() else ""
    sections = {title: section(title, text) for title in (QUIET, LOADED)}
    sections[new.partition("\n")[0].removeprefix("## ")] = new
    how = HOW.format(kernel=kernel, summary=summary(sections[QUIET]))
    return how + "".join(sections.values()) + SEEN


def summary(quiet_section: str) -> str:
    """One sentence about the table of the quiet machine."""
    lines = quiet_section.splitlines()
    rows = [line for line in lines if line.startswith("| ") and line[2].isdecimal()]
    missed = sum("**missed**" in row for row in rows)
    return (
        f"In the table for a quiet machine {len(rows) - missed} of {len(rows)} rows met their promise "
        f"and {missed} missed it."
    )
