"""A builder's procedure with scripted keys and times."""

from typing import Any

from firmware_ctl.commissioning.procedure import Key, Procedure, Questions
from firmware_ctl.config.mat import Gate
from firmware_ctl.session.events import Fault, Input, Wake
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.worlds import MAT, SILENCE

GATED = MAT._replace(gate=Gate(26, 8))
NO_RAIL = Fault("rail", "the motors have no supply: is the stop switch pressed, or a fuse blown?")


class Script:
    """A procedure that gets its wakes on time, and the scripted events."""

    def __init__(self, questions: Questions[Any], mat: Any = MAT) -> None:
        self.procedure = Procedure(mat, questions)
        self.now_ms = 0
        self.shown: list[tuple[int, str]] = []
        self.duties: list[tuple[int, Levels]] = []
        self._wake_at_ms: int | None = None
        self._handle(0, Wake())

    def at(self, at_ms: int, event: Input | Key | str | None = None) -> "Script":
        while (
            self._wake_at_ms is not None and self._wake_at_ms < at_ms and not self.procedure.closed
        ):
            self._handle(max(self._wake_at_ms, self.now_ms), Wake())
        self._handle(at_ms, Key(event) if isinstance(event, str) else event or Wake())
        return self

    def keys(self, *keys: tuple[int, str]) -> "Script":
        for at_ms, key in keys:
            self.at(at_ms, key)
        return self

    def _handle(self, at_ms: int, event: Input | Key) -> None:
        self.now_ms = at_ms
        step = self.procedure.handle(event, at_ms)
        self._wake_at_ms = step.wake_at_ms
        self.shown += [(at_ms, notice.fields["text"]) for notice in step.notices]
        if step.duty_pct != (self.duties[-1][1] if self.duties else SILENCE):
            self.duties.append((at_ms, step.duty_pct))

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.shown]


def ran_ms(script: Script, motor: int) -> int:
    """The total time for which a motor had a duty."""
    ends = [*script.duties[1:], (script.now_ms, SILENCE)]
    return sum(
        end - begin
        for (begin, duty), (end, _) in zip(script.duties, ends, strict=True)
        if duty[motor]
    )
