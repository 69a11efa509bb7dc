"""What the live view is told: an object a line, on the link that it shares with the protocol."""

import json
from collections.abc import Callable

from firmware_ctl.protocol import Connection
from firmware_ctl.session import Input, Session, Step, Wake
from firmware_ctl.shaping import Levels


class Feed:
    """Watches the steps and tells what changed; what a slow view does not read is dropped."""

    def __init__(
        self,
        connection: Connection,
        serial: str,
        socket: str,
        power_at: Callable[[int], Levels],
        origin_ms: int = 0,
    ) -> None:
        """`power_at`: the share of a time in ms for which each motor is joined to its supply.

        `origin_ms`: the daemon's time 0 on the monotonic clock, which the view reads too.
        """
        self._connection = connection
        self._power_at = power_at
        self._origin_ms = origin_ms
        self._where = {"serial": serial, "socket": socket}
        self._last_row: tuple[object, ...] = ()
        self._last_status: dict[str, object] = {}
        self._catalogue: object = None

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None:
        if session.catalogue is not self._catalogue:
            self._catalogue = session.catalogue
            self._tell({"hello": self._hello(session)})
        row = (step.level_pct, step.duty_pct, step.kicks, self._power_at(now_ms))
        if row != self._last_row:
            self._last_row = row
            names = ("level", "duty", "kicks", "power")
            # On the clock that view and daemon share: a kick keeps its length, however late read.
            at_ms = self._shared_ms(now_ms)
            self._tell({"at_ms": at_ms, **dict(zip(names, row, strict=True))})
        status = self._status(session, now_ms)
        if status != self._last_status:
            self._last_status = status
            moment = {
                "t": session.played_ms(now_ms) / 1000,
                "left": session.left_ms(now_ms) / 1000,
                # Of an end that nobody asked for: one with a reason is told by its own event.
                "by_itself": isinstance(event, Wake)
                and all(notice.kind != "refused" for notice in step.notices),
            }
            self._tell({"status": {**status, **moment}})

    def _shared_ms(self, at_ms: int) -> int:
        return self._origin_ms + at_ms

    def _tell(self, what: object) -> None:
        self._connection.answer([json.dumps(what, separators=(",", ":"))])

    def _hello(self, session: Session) -> dict[str, object]:
        mat = session.mat
        profiles = (e.profile for e in session.catalogue.entries if e.profile is not None)
        return {
            "mat": mat.name,
            **self._where,
            "speed": session.speed,
            "max_ma": mat.max_ma,
            "zones": [
                {
                    "name": zone.name,
                    "present": zone.present,
                    "motors": [motor._asdict() for motor in zone.motors],
                }
                for zone in mat.zones
            ],
            "profiles": [
                {"name": p.name, "title": p.title, "minutes": p.length_ms / 60_000}
                for p in profiles
            ],
            "refused": [
                entry.error.mistakes[0].path
                for entry in session.catalogue.entries
                if entry.error is not None
            ],
        }

    def _status(self, session: Session, now_ms: int) -> dict[str, object]:
        return {
            "state": session.state.value,
            "profile": session.profile,
            "cert": session.cert,
            "phase": session.phase,
            "repeat": session.repeat(now_ms),
            "cue": session.cue,
            "trim": session.trim_pct,
            "signal": session.signal(now_ms),
            "fault": session.fault.code if session.fault else "",
            "locked_until_ms": self._shared_ms(session.button.locked_until_ms),
        }
