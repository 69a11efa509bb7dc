"""A played session as a file for other programs: JSON lines, CSV, or a value change dump (VCD).

Each function returns the whole file. No file holds a date, so equal sessions give equal bytes.
"""

import io
from collections.abc import Iterator
from csv import writer
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from firmware_ctl import __version__
from firmware_ctl.simulator.erm import Erm
from firmware_ctl.simulator.motors import moments
from firmware_ctl.simulator.offline import Played
from firmware_ctl.storage.trace import line

if TYPE_CHECKING:
    from vcd.writer import Variable

AMPLITUDE_MS: Final = 100
"""A value change dump has the amplitude once in this time, and at each change of a duty."""


def jsonl(played: Played) -> bytes:
    """The same lines as in the daemon's trace."""
    groups = groupby(played.rows(), lambda row: (row.state, row.level_pct, row.duty_pct))
    rows = (next(equal_rows) for _, equal_rows in groups)
    lines = (line(row.at_ms, row.state, row.level_pct, row.duty_pct) + "\n" for row in rows)
    return "".join(lines).encode()


def csv(played: Played) -> bytes:
    """A header, then one row a change: `at_ms` from the start, levels and duties in percent."""
    text = io.StringIO()
    table = writer(text, lineterminator="\n")
    names = [motor.name for motor in played.mat.motors]
    table.writerow(
        ["at_ms", "state", "phase"]
        + [f"{name}_level" for name in names]
        + [f"{name}_duty" for name in names]
    )
    for row in played.rows():
        table.writerow([row.at_ms, row.state.value, row.phase, *row.level_pct, *row.duty_pct])
    return text.getvalue().encode()


def vcd(played: Played) -> bytes:
    """For each motor level, duty and modelled amplitude in percent, in the scope ZONE.MOTOR.

    The unit of time is 1 ms. GTKWave reads the file. PulseView needs a libsigrok newer than 0.5:
    version 0.5 stops at the first value of more than one bit. Raises `DeviceError` without pyvcd,
    which the extra `vcd` installs.
    """
    try:
        from vcd import VCDWriter
    except ImportError:
        from firmware_ctl.simulator.installing import missing

        raise missing("vcd") from None
    text = io.StringIO()
    rows = played.rows()
    version = f"firmware-ctl {__version__}"
    with VCDWriter(text, timescale="1 ms", date="", version=version) as dump:
        state = dump.register_var("session", "state", "string", init="idle")
        phase = dump.register_var("session", "phase", "string", init="")
        changes: list[tuple[int, Variable[Any], str | int | float]] = []
        changes += [(row.at_ms, state, row.state.value) for row in rows]
        changes += [(row.at_ms, phase, row.phase) for row in rows]
        for i, motor in enumerate(played.mat.motors):
            scope = f"{motor.zone}.{motor.name}"
            level = dump.register_var(scope, "level", "integer", 8, init=0)
            duty = dump.register_var(scope, "duty", "integer", 8, init=0)
            amplitude = dump.register_var(scope, "amplitude", "real", init=0.0)
            for row in rows:
                changes.append((row.at_ms, level, row.level_pct[i]))
                changes.append((row.at_ms, duty, row.duty_pct[i]))
            changes += [(at_ms, amplitude, value) for at_ms, value in _amplitudes(played, i)]
        for at_ms, var, value in sorted(changes, key=lambda change: change[0]):
            dump.change(var, at_ms, value)
    return text.getvalue().encode()


def _amplitudes(played: Played, i: int) -> Iterator[tuple[int, float]]:
    """Times in ms, ascending, and the amplitude of motor `i` at each, in percent."""
    changes = played.changes[i]
    times_ms = {at_ms for at_ms, _ in changes}
    times_ms.update(range(0, played.timeline.end_ms + 1, AMPLITUDE_MS))
    ascending_ms = sorted(times_ms)
    states = moments(Erm(played.mat.motors[i]), changes, ascending_ms)
    for at_ms, moment in zip(ascending_ms, states, strict=True):
        yield at_ms, round(100 * moment.amplitude, 1)
