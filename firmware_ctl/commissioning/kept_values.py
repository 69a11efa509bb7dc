"""Keeps measured values that were not written to the mat file, for the next calibration.

They stand in a file beside the mat file. It knows that file, and never a motor or a question.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import count
from typing import Final

from firmware_ctl.commissioning.calibration import KeptDuties, MeasuredDuties
from firmware_ctl.commissioning.terminal import print_lines
from firmware_ctl.config.mat import Mat
from firmware_ctl.errors import printable
from firmware_ctl.storage.files import atomic_write, open_regular

BYTES_MAX: Final = 65_536
"""A file that is larger is not one of ours."""


_UNREADABLE: Final = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
)


class KeptValues:
    """The kept values of one mat file. Those of simulated motors have a file of their own."""

    def __init__(self, mat_file: str, is_mock: bool) -> None:
        ending = "measured-simulated" if is_mock else "measured"
        self.path = f"{os.path.realpath(mat_file)}.{ending}"
        self.motors: dict[str, KeptDuties] = {}
        """Name of a motor → its values."""
        self._is_unreadable = False
        """The file holds something else, which is moved aside before the next write."""
        with suppress(FileNotFoundError):
            try:
                with open(open_regular(self.path, os.O_RDONLY), "rb") as file:
                    self.motors = _read(file.read(BYTES_MAX))
            except _UNREADABLE as error:
                if isinstance(error, FileNotFoundError):
                    raise
                self._is_unreadable = True
                print_lines(f"{self.path} cannot be read; the values in it are not offered.")

    def keep(self, mat: Mat, measured: Mapping[str, MeasuredDuties], now: str) -> None:
        """Adds values and writes the file. If that fails, shows them: a person can note them."""
        pins = {motor.name: motor.pin for motor in mat.motors}
        added = {
            name: KeptDuties(duties, pins[name], now)
            for name, duties in measured.items()
            if name not in self.motors or self.motors[name][:2] != (duties, pins[name])
        }
        if not added:
            return
        try:
            self._write(self.motors | added)
        except OSError as error:
            print_lines(
                f"{self.path} cannot be written: {error.strerror}. Note the measured values:",
                *(f"  {name}: start {d.start_pct}%, hold {d.hold_pct}%"
                  for name, (d, *_) in added.items()),
            )  # fmt: skip
            return
        self.motors |= added

    def drop(self, names: Iterable[str]) -> None:
        """Removes values that are written to the mat file, or that the person discards."""
        left = {name: kept for name, kept in self.motors.items() if name not in {*names}}
        if left == self.motors:
            return
        self.motors = left
        try:
            self._write(self.motors)
        except OSError as error:
            print_lines(
                f"{self.path} cannot be changed: {error.strerror}. The next calibration offers the "
                "values again."
            )

    def _write(self, motors: Mapping[str, KeptDuties]) -> None:
        if not motors:
            with suppress(FileNotFoundError):
                os.unlink(self.path)
            return
        if self._is_unreadable:
            self._move_aside()
        fields = {
            name: {**kept.duties._asdict(), "pin": kept.pin, "measured_at": kept.measured_at}
            for name, kept in motors.items()
        }
        atomic_write(self.path, f"{json.dumps(fields, indent=2)}\n".encode())

    def _move_aside(self) -> None:
        """Gives the unreadable file another name: a person may still find its values in it."""
        aside = next(
            path
            for path in (f"{self.path}.unreadable{number or ''}" for number in count())
            if not os.path.lexists(path)
        )
        with suppress(FileNotFoundError):  # somebody has removed it meanwhile
            os.rename(self.path, aside)
            print_lines(f"What could not be read is kept in {aside}.")
        self._is_unreadable = False


def _read(data: bytes) -> dict[str, KeptDuties]:
    """Raises one of several errors if the data is not what `KeptValues` writes."""
    motors = {}
    for name, fields in json.loads(data).items():
        duties = MeasuredDuties(int(fields["start_pct"]), int(fields["hold_pct"]))
        if not 0 < duties.hold_pct <= duties.start_pct <= 100:
            raise ValueError
        motors[name] = KeptDuties(duties, int(fields["pin"]), printable(fields["measured_at"]))
    return motors
