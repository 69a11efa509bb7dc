"""The effect of each input on a session: one function for each kind of input.

A handler runs only after `Session.admit` has found the input admissible in the present state. It
changes the `Core`, and raises `CallerError` to refuse a request for another reason. A handler never
reads a clock: `now_ms` is an argument.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from firmware_ctl.errors import CallerError
from firmware_ctl.session.arrivals import OVERTAKEN
from firmware_ctl.session.button import Gesture
from firmware_ctl.session.core import BROKEN_BUTTON, NOISY_BUTTON, Core
from firmware_ctl.session.events import (
    TRY,
    Clear,
    ClockSynchronised,
    Close,
    Contacts,
    EndTry,
    Fault,
    FaultCleared,
    LedgerSaved,
    LedgerSaveFailed,
    Origin,
    Pause,
    RailOff,
    Ready,
    Reason,
    Reload,
    Resume,
    Select,
    Start,
    State,
    Stop,
    Suspended,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.timeline import haptics


def _start(core: Core, event: Start, now_ms: int) -> None:
    if core.running is not None:
        running = core.running.timeline.profile
        if running == TRY or event.name not in (None, running):
            raise CallerError("busy", f"{running} is running; stop it first")
        return
    entry = core.selected if event.name is None else core.catalogue.valid(event.name)
    if entry is None:
        raise CallerError("unknown-profile", "no profile is loaded; add one, then reload")
    # A start without a name selects nothing, so a reload may still bring the wanted profile back.
    to_select = None if event.name is None else entry
    core.accept(entry.timeline, to_select, event.arrived_at_ms, now_ms, event.by)


def _try(core: Core, event: Try, now_ms: int) -> None:
    # The line was compiled since its `EndTry`. A touch meanwhile stops it, as a touch stops a start
    # that waits.
    touches, core.touches_before_try = core.touches_before_try, None
    if touches not in (None, core.touches):
        raise CallerError("busy", OVERTAKEN)
    core.accept(event.timeline, None, event.arrived_at_ms, now_ms, event.by)


def _end_try(core: Core, event: EndTry, now_ms: int) -> None:
    core.touches_before_try = core.touches
    if core.running is not None and core.running.timeline.profile != TRY:
        raise CallerError("busy", f"{core.profile} is running; stop it first")
    arrived_at_ms = now_ms if event.arrived_at_ms is None else event.arrived_at_ms
    # Without a running `try` as well: a line that has to be refused must not be compiled first.
    core.arrivals.refuse_early(arrived_at_ms)
    core.end_haptic()
    if core.running is not None:
        core.end(now_ms, Reason.STOP, event.by, arrived_at_ms)


def _stop(core: Core, event: Stop, now_ms: int) -> None:
    core.stop(now_ms, event.reason, event.by)


def _pause(core: Core, event: Pause, now_ms: int) -> None:
    core.arrivals.void_earlier(now_ms if event.arrived_at_ms is None else event.arrived_at_ms)
    if core.running is not None and core.state is State.RUNNING:
        core.running.pause(now_ms)
        core.levels_pct = core.silence
        core.change_state(State.PAUSED, by=event.by)


def _resume(core: Core, event: Resume, now_ms: int) -> None:
    core.arrivals.refuse_early(now_ms if event.arrived_at_ms is None else event.arrived_at_ms)
    if core.running is not None and core.state is State.PAUSED:
        core.running.resume(now_ms)
        core.drive.begin(core.running.timeline.drive_table, now_ms)
        core.change_state(State.RUNNING, by=event.by)
        core.play(core.running, now_ms)


def _select(core: Core, event: Select, _: int) -> None:
    core.select(core.catalogue.valid(event.name))
    if core.waiting is not None:
        core.waiting = core.waiting._replace(entry=None)
    if core.running is None:
        core.publish("state", profile=core.profile, cert=core.cert, by=event.by)


def _trim(core: Core, event: Trim, now_ms: int) -> None:
    core.trim_pct = event.trim_pct
    if core.running is not None:
        core.running.playback.trim(core.running.clock.played_ms(now_ms), event.trim_pct)
    core.publish("state", trim=event.trim_pct, by=event.by)


def _reload(core: Core, event: Reload, _: int) -> None:
    before = core.profile, core.cert
    catalogue = core.catalogue = event.catalogue
    name = core.selected.name if core.selected else ""
    wanted = core.wanted or name
    selected = catalogue.find_valid(wanted) or catalogue.find_valid(name) or catalogue.first()
    core.selected, selected_name = selected, selected.name if selected else ""
    core.wanted = "" if selected_name == wanted else wanted
    if name and selected_name not in (name, wanted):
        _publish_lost(core, name)
    if core.waiting is not None and core.waiting.entry is not None:
        entry = event.catalogue.find_valid(core.waiting.entry.name)
        core.waiting = core.waiting._replace(entry=entry)
    if (core.profile, core.cert) != before:
        core.publish("state", profile=core.profile, cert=core.cert, by=event.by)


def _publish_lost(core: Core, name: str) -> None:
    """Publishes that a reload has taken the selected profile away, and what is selected now."""
    is_refused = any(entry.name == name for entry in core.catalogue.bad)
    why = "is refused" if is_refused else "is no longer among the profiles"
    now = f"{core.selected.name} is selected instead" if core.selected else "no profile is left"
    code = "invalid-profile" if is_refused else "unknown-profile"
    core.publish("refused", code=code, message=f"{name} {why}; {now}")


def _clear(core: Core, event: Clear, now_ms: int) -> None:
    if core.fault is None:
        return
    arrived_at_ms = now_ms if event.arrived_at_ms is None else event.arrived_at_ms
    if arrived_at_ms < core.fault_at_ms:
        # The clear was sent before this fault, so its sender cannot have seen the fault.
        message = f"{core.fault.code}: {core.fault.message}. Then clear the fault."
        raise CallerError("fault", message)
    if core.button.is_broken or (core.fault.code == "button" and not core.button.is_sound):
        message = NOISY_BUTTON if core.button.is_noisy else BROKEN_BUTTON
        raise CallerError("fault", f"button: {message}")
    for code, message in core.persistent.items():
        raise CallerError("fault", f"{code}: {message}")
    core.fault = None
    # The present press began during the fault, when no press could start anything.
    core.button.ignore_until_release()
    core.arrivals.void_earlier(arrived_at_ms)
    core.change_state(State.IDLE, fault="", by=event.by)


def _fail(core: Core, event: Fault, now_ms: int) -> None:
    core.fail(event, now_ms)


def _fault_cleared(core: Core, event: FaultCleared, _: int) -> None:
    core.persistent.pop(event.code, None)


def _suspended(core: Core, event: Suspended, now_ms: int) -> None:
    core.allowance.sleep(event.for_ms)
    core.button.ignore_until_release()  # the contacts may have changed during the suspend
    core.end_haptic()
    if core.running is not None or core.waiting is not None:
        slept_s = event.for_ms // 1000
        core.fail(Fault("suspend", f"the machine was suspended for {slept_s} s"), now_ms)


def _clock_synchronised(core: Core, event: ClockSynchronised, now_ms: int) -> None:
    core.allowance.was_off(event.off_ms, core.account_ms(now_ms))


def _ready(core: Core, event: Ready, _: int) -> None:
    core.button.ignore_until_release()
    core.arrivals.early_until_ms = event.asked_until_ms


def _close(core: Core, _: Close, now_ms: int) -> None:
    core.stop(now_ms, Reason.CLOSED)
    core.is_closed = True


def _ledger_saved(core: Core, event: LedgerSaved, now_ms: int) -> None:
    if core.waiting is not None:
        if event.number >= core.waiting.number:
            core.waiting = core.waiting._replace(is_saved=True)
            core.begin_if_ready(core.waiting, now_ms)
    elif core.running is not None:
        core.running.reservation.note_saved(event.number)


def _ledger_save_failed(core: Core, event: LedgerSaveFailed, now_ms: int) -> None:
    if core.waiting is not None:
        if event.number >= core.waiting.number:
            reason = CallerError("not-ready", f"{event.why}; no session can start")
            core.give_up(reason, now_ms)
    elif core.running is not None:
        core.running.reservation.note_failed(event.number, core.running.clock.played_ms(now_ms))


def _rail_off(core: Core, _: RailOff, now_ms: int) -> None:
    if core.waiting is not None:
        core.waiting = core.waiting._replace(is_proven_off=True)
        core.begin_if_ready(core.waiting, now_ms)


def _contacts(core: Core, event: Contacts, now_ms: int) -> None:
    for gesture in core.button.sense(event.contact, now_ms, event.spells):
        apply_gesture(core, gesture, now_ms)


def apply_gesture(core: Core, gesture: Gesture, now_ms: int) -> None:
    """Applies one gesture of the start button. No other function decides what a press does.

    A touch stops the mat before it is known whether a press, a glitch or noise follows: a needless
    stop is harmless, and a late stop is not.
    """
    if gesture is Gesture.BROKEN:
        core.fail(Fault("button", BROKEN_BUTTON), now_ms)
    elif gesture is Gesture.RESTLESS:
        core.fail(Fault("button", NOISY_BUTTON), now_ms)
    elif gesture in (Gesture.TOUCH, Gesture.NOISE):
        core.touches += 1
        if gesture is Gesture.NOISE:
            core.end_haptic()
        if core.running is not None or core.waiting is not None:
            core.stop(now_ms, Reason.BUTTON, Origin.BUTTON)
    elif gesture is Gesture.PRESS:
        if not core.button.is_press_valid:
            # People press a stop button several times. So this press is one more stop, for a
            # request that has not been answered yet. A release is none, and reports no PRESS.
            core.arrivals.stopped_at_ms = now_ms
        if core.haptics.now is not None:
            core.end_haptic()
            core.button.suppress_short()
    elif gesture is Gesture.SHORT and core.state is State.IDLE:
        try:
            _start(core, Start(by=Origin.BUTTON), now_ms)
        except CallerError as error:
            core.refuse_press(error, now_ms)
    elif gesture is Gesture.HELD and core.state is State.IDLE:
        if not core.allowance.damage:
            _select_next(core, now_ms)
    elif gesture is Gesture.HELD_5_S and core.state is State.IDLE:
        if core.allowance.renew():
            core.save_account(now_ms)
            core.begin_haptic("new-day", haptics.new_day_pulses(), now_ms)
    elif gesture is Gesture.HELD_3_S and core.state is State.FAULT:
        core.button.ignore_until_release()
        try:
            _clear(core, Clear(by=Origin.BUTTON), now_ms)
        except CallerError as error:
            core.publish("refused", code=error.code, message=error)


def _select_next(core: Core, now_ms: int) -> None:
    names = [entry.name for entry in core.catalogue.good]
    if names:
        selected = names.index(core.selected.name) + 1 if core.selected else 0
        _select(core, Select(names[selected % len(names)], Origin.BUTTON), now_ms)
        number = selected % len(names) + 1
        core.begin_haptic(f"profile-{number}", haptics.profile_number_pulses(number), now_ms)


def _wake(core: Core, event: Wake, now_ms: int) -> None:
    """Does nothing, because `Session._advance` runs before every handler and does what is due."""


HANDLERS: Final[Mapping[type[object], Callable[[Core, Any, int], None]]] = {
    Wake: _wake,
    Contacts: _contacts,
    Start: _start,
    Try: _try,
    EndTry: _end_try,
    Stop: _stop,
    Pause: _pause,
    Resume: _resume,
    Select: _select,
    Trim: _trim,
    Reload: _reload,
    Clear: _clear,
    Fault: _fail,
    FaultCleared: _fault_cleared,
    RailOff: _rail_off,
    LedgerSaved: _ledger_saved,
    LedgerSaveFailed: _ledger_save_failed,
    Suspended: _suspended,
    ClockSynchronised: _clock_synchronised,
    Ready: _ready,
    Close: _close,
}
"""For each kind of input its handler. A test compares the kind with what the handler takes."""
