"""`simulate`: a whole session at once, as a summary, a trace and a picture."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Final

from firmware_ctl.cli import session_lines
from firmware_ctl.cli.mistakes import print_mistakes
from firmware_ctl.config.quantities import clock
from firmware_ctl.errors import AuthorError, DeviceError, printable
from firmware_ctl.simulator.erm import STALL_MS
from firmware_ctl.simulator.offline import (
    MotorFigures,
    Played,
    ZoneFigures,
    play,
    zone_figures,
)
from firmware_ctl.storage.files import atomic_write
from firmware_ctl.timeline.catalogue import BadEntry
from firmware_ctl.timeline.folder import load_entry, load_mat
from firmware_ctl.timeline.report import certify

FORMATS: Final = {
    "trace": {"vcd": "export:vcd", "csv": "export:csv", "jsonl": "export:jsonl"},
    "plot": {"svg": "plot:svg", "png": "plot:png"},
}
"""`MODULE:FUNCTION` for each file extension; only the module that is needed is imported."""


def simulate(args: argparse.Namespace) -> int:
    """The command. Exit code 0: done; 1: the profile is invalid. With `--replay`: see `replay`.

    Raises `DeviceError` if an option is wrong, or a file cannot be read or written.
    """
    if (args.profile is None) == (args.replay is None):
        raise DeviceError("simulate takes a PROFILE, or --replay FILE")
    if args.replay is not None:
        if args.json:
            raise DeviceError("a replay prints its steps as text only; leave --json out")
        from firmware_ctl.simulator.replay import replay

        try:
            return replay(args.replay)
        except AuthorError as error:
            print(error, file=sys.stderr)  # without its line: the file is compressed
            return 2
    makers = [
        (path, _maker(path, option))
        for path, option in ((args.trace, "trace"), (args.plot, "plot"))
        if path is not None
    ]
    mat = load_mat(args.mat)
    entry = load_entry(args.profile, mat)
    if isinstance(entry, BadEntry):
        print_mistakes([entry.error], checked=1)
        return 1
    played = play(entry, mat, args.trim)
    for path, content in [(path, make(played)) for path, make in makers]:
        _write_whole(path, content)
    if args.json:
        import json

        print(json.dumps(as_json(played), indent=2))
    else:
        print("\n".join(summary(played, args.verbose)))
    return 0


HEADS: Final = ("plays", "level", "duty", "with kick", "vibrates", "strength", "current", "warmer")


def summary(played: Played, is_verbose: bool = False) -> Iterator[str]:
    """The lines that describe a session, from its steps and from the models of its motors.

    The lengths, levels and duties are named as `check` names them.
    """
    proof = certify(played.timeline, played.entry.budget, played.mat)
    played_ms = {zone.zone: zone.played_ms for zone in proof.zones}
    motors = MotorFigures(played)
    zones = list(zone_figures(played, motors))
    yield printable(f"{played.timeline.profile}: {played.entry.profile.title}")
    lines = [("length", f"{session_lines.minutes(proof.length_ms)}, {_end(played)}")]
    lines += [("trim", f"{played.trim_pct}%")] if played.trim_pct != 100 else []
    lines += [session_lines.zone_line(z.zone, played_ms[z.zone], z.level_pct) for z in zones]
    lines += [("current", _current(played, motors, proof.worst.ma))]
    lines += [("warmth", f"motors up to {max(motors.warmest_k):.1f} °C warmer than the skin")]
    lines += [("note", s) for s in session_lines.notes_on_mat(played.entry, played.mat)]
    lines += [("note", sentence) for sentence in _warnings(played, motors)]
    lines += [("cert", proof.cert)] if is_verbose else []
    yield from session_lines.labelled(lines)
    if is_verbose and zones:
        cells = [_cells(zone, played_ms[zone.zone]) for zone in zones]
        yield from session_lines.zone_table(HEADS, cells)
        yield from session_lines.meanings(HEADS)


def as_json(played: Played) -> dict[str, object]:
    """The figures of `summary` as numbers, whatever `--verbose` says."""
    proof = certify(played.timeline, played.entry.budget, played.mat)
    played_ms = {zone.zone: zone.played_ms for zone in proof.zones}
    motors = MotorFigures(played)
    peak_ma, peak_at_ms = motors.peak(range(len(played.mat.motors)))
    zones = [
        {"zone": zone.zone, "played_ms": played_ms[zone.zone], **_rounded(zone._asdict())}
        for zone in zone_figures(played, motors)
    ]
    figures: dict[str, object] = {
        "profile": played.timeline.profile,
        "title": played.entry.profile.title,
        "cert": proof.cert,
        "trim_pct": played.trim_pct,
        "length_ms": proof.length_ms,
        "ends_at_zero": _ends_at_zero(played),
        "peak_ma": peak_ma,
        "peak_at_ms": peak_at_ms,
        "peak_with_pauses_ma": proof.worst.ma,
        "max_ma": played.mat.max_ma,
        "warmest_k": max(motors.warmest_k),
    }
    notes = session_lines.notes_on_mat(played.entry, played.mat)
    warnings = _warnings(played, motors)
    return {**_rounded(figures), "zones": zones, "notes": [*notes], "warnings": [*warnings]}


def _rounded(figures: Mapping[str, object]) -> dict[str, object]:
    """The figures of models, with no more digits than they are good for."""
    return {
        name: round(figure, 2) if isinstance(figure, float) else figure
        for name, figure in figures.items()
    }


def _ends_at_zero(played: Played) -> bool:
    return not any(played.steps[-1][3].duty_pct)


def _end(played: Played) -> str:
    return "ends at zero" if _ends_at_zero(played) else "does not end at zero"


def _current(played: Played, motors: MotorFigures, with_pauses_ma: float) -> str:
    """What this session draws, and what it could draw: the figure that `check` prints."""
    most_ma = played.mat.max_ma
    ma, at_ms = motors.peak(range(len(played.mat.motors)))
    over = "" if ma <= most_ma else ", more than the supply gives"
    with_pauses = f"; after a pause at most {with_pauses_ma:.0f} mA"
    return f"{ma:.0f} of {most_ma} mA at {clock(at_ms)}{over}{with_pauses}"


def _cells(zone: ZoneFigures, played_ms: int) -> Sequence[str]:
    return (
        zone.zone,
        clock(played_ms),
        f"{zone.level_pct}%",
        f"{zone.duty_pct}%",
        f"{zone.kick_pct}%",
        clock(round(zone.vibrates_ms, -3)),
        f"{zone.strength:.0%}",
        f"{zone.peak_ma:.0f} mA at {clock(zone.peak_at_ms)}",
        f"{zone.warmer_k:.1f} °C",
    )


def _warnings(played: Played, motors: MotorFigures) -> Iterator[str]:
    for motor, stalled_ms in zip(played.mat.motors, motors.stalled_ms, strict=True):
        if stalled_ms > STALL_MS:
            yield (
                f"{motor.name} stands still under power for {clock(stalled_ms)} min in the model; "
                "let it get a longer `kick`, or measure its `start` with `firmware-ctl wiring "
                f"--calibrate {motor.zone}`"
            )


def _maker(path: str, option: str) -> Callable[[Played], bytes]:
    """The function that makes a file with this extension. Raises `DeviceError` if there is none."""
    formats = FORMATS[option]
    target = formats.get(path.rpartition(".")[2])
    if target is None:
        extensions = " or ".join(f".{extension}" for extension in formats)
        raise DeviceError(f"{path}: a {option} ends in {extensions}")
    module, _, function = target.partition(":")
    maker: Callable[[Played], bytes] = getattr(
        import_module(f"firmware_ctl.simulator.{module}"), function
    )
    return maker


def _write_whole(path: str, content: bytes) -> None:
    """Writes the file that the user named. Raises `DeviceError` if it cannot be written."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        # The rename would replace a device such as /dev/stdout by a file.
        raise DeviceError(f"{path} is there and is no plain file; choose another name")
    try:
        # In a folder of the user's own, two simulations may write to one name at the same time, and
        # a file `NAME.part` may be someone's. So the temporary name carries the process number.
        atomic_write(target, content, durable=False, suffix=f".{os.getpid()}.part")
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
