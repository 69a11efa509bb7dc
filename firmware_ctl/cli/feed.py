"""The daemon's side of the live view: reports each change to the view, as a line of JSON.

The link of the view carries these lines beside those of the protocol. `view_picture` reads them.
"""

import json
from collections.abc import Callable

from firmware_ctl.config.mat import Mat
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.events import Input, SessionStatus, Step, Wake
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.motor_drive import Levels


def _report(status: SessionStatus, now_ms: int) -> dict[str, object]:
    """The part of a status that changes only at events, by the names that the view knows."""
    return {
        "state": status.state.value,
        "profile": status.profile,
        "cert": status.cert,
        "phase": status.phase,
        "repeat": status.repeat(now_ms),
        "cue": status.cue,
        "trim": status.trim_pct,
        "signal": status.haptic,
        "fault": status.fault.code if status.fault else "",
    }


class Feed:
    """A watcher of the player's steps. Lines that a slow view does not read are dropped."""

    def __init__(
        self,
        mat: Mat,
        speed: float,
        connection: Connection,
        serial: str,
        socket: str,
        power_at: Callable[[int], Levels],
        origin_ms: int = 0,
        selected: Callable[[], str] = str,
        page: str = "",
    ) -> None:
        """`serial`, `socket`: the paths at which other programs reach the daemon.

        `power_at`: for a time in ms, the share of the time in percent for which each motor is
        joined to its supply. `origin_ms`: the daemon's time 0 on the monotonic clock, which the
        view reads too. `selected`: the name of the selected profile, which a status has only while
        idle; empty if there is none. `page`: the address of the page for phones, empty if there is
        none.
        """
        self._mat = mat
        self._speed = speed
        self._connection = connection
        self._power_at = power_at
        self._origin_ms = origin_ms
        self._selected = selected
        self._addresses = {"serial": serial, "socket": socket, "page": page}
        self._last_motors: tuple[object, ...] = ()
        self._last_status: dict[str, object] = {}
        self._last_catalogue: Catalogue | None = None
        self._last_selected: str | None = None

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """Reports what this step has changed."""
        catalogue, clock = step.status.catalogue, step.status.clock
        if catalogue is not self._last_catalogue:
            self._last_catalogue = catalogue
            self._publish({"hello": self._hello(catalogue)})
            self._last_selected = None
        if (selected := self._selected()) != self._last_selected:
            self._last_selected = selected
            self._publish_selected(catalogue)
        self._publish_motors(step, now_ms)
        locked_until_ms = self._shared_ms(step.status.locked_until_ms)
        status = {**_report(step.status, now_ms), "locked_until_ms": locked_until_ms}
        if status != self._last_status:
            self._last_status = status
            times = {"t": clock.played_ms(now_ms) / 1000, "left": clock.left_ms(now_ms) / 1000}
            # An end that has a reason is reported by an event of its own, with that reason.
            has_reason = any(notice.kind == "refused" for notice in step.notices)
            by_itself = isinstance(event, Wake) and not has_reason
            ends = {"by_itself": by_itself, "has_reason": has_reason}
            self._publish({"status": {**status, **times, **ends}})

    def _publish_selected(self, catalogue: Catalogue) -> None:
        # One `about` at a time: together they could be more than the connection holds.
        entry = catalogue.find_valid(self._last_selected or "")
        about = entry.profile.about if entry else ""
        self._publish({"selected": {"name": self._last_selected, "about": about}})

    def _publish_motors(self, step: Step, now_ms: int) -> None:
        motors = (step.level_pct, step.duty_pct, step.kicks, self._power_at(now_ms))
        if motors != self._last_motors:
            self._last_motors = motors
            names = ("level", "duty", "kicks", "power")
            # Time on the shared clock: a kick keeps its length, however late the view reads it.
            at_ms = self._shared_ms(now_ms)
            self._publish({"at_ms": at_ms, **dict(zip(names, motors, strict=True))})

    def _shared_ms(self, at_ms: int) -> int:
        """A time of the daemon on the clock that view and daemon share."""
        return self._origin_ms + at_ms

    def _publish(self, fields: dict[str, object]) -> None:
        self._connection.answer([json.dumps(fields, separators=(",", ":"))])

    def _hello(self, catalogue: Catalogue) -> dict[str, object]:
        profiles = [entry.profile for entry in catalogue.good]
        return {
            "mat": self._mat.name,
            **self._addresses,
            "speed": self._speed,
            "max_ma": self._mat.max_ma,
            "zones": [
                {
                    "name": zone.name,
                    "present": zone.present,
                    "motors": [motor._asdict() for motor in zone.motors],
                }
                for zone in self._mat.zones
            ],
            "profiles": [
                {
                    "name": profile.name,
                    "title": profile.title,
                    "minutes": profile.length_ms / 60_000,
                }
                for profile in profiles
            ],
            "refused": [entry.error.mistakes[0].path for entry in catalogue.bad],
        }
