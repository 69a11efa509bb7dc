"""The latch: which duties reach the pins, when the dead-man is armed, and how a trip ends."""

import pytest

from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Fault
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.worlds import MAT, SILENCE

Call = tuple[str, *tuple[object, ...]]


class Bench:
    """Pins and a dead-man that record their calls. Both may fail."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.stuck: list[str] = []
        self.error: Exception | None = None
        self.unarmed: Exception | None = None
        self.latch = Latch(MAT, self, self)

    def apply(self, duty_pct: Levels) -> None:
        self.calls.append(("apply", *duty_pct))
        if self.error is not None:
            raise self.error

    def all_low(self) -> list[str]:
        self.calls.append(("low",))
        return self.stuck

    def arm(self) -> None:
        self.calls.append(("arm",))
        if self.unarmed is not None:
            raise self.unarmed

    def disarm(self) -> None:
        self.calls.append(("disarm",))

    def take_calls(self) -> list[Call]:
        calls, self.calls = self.calls, []
        return calls


def test_latch_writes_each_duty_once_after_arming_the_deadman() -> None:
    bench = Bench()
    for duties in (SILENCE, (0, 40, 0), (0, 40, 0), (0, 41, 0), SILENCE):
        bench.latch.apply(duties)

    assert bench.take_calls() == [
        ("arm",),
        ("apply", 0, 40, 0),
        ("apply", 0, 41, 0),
        ("apply", 0, 0, 0),
    ]
    assert (bench.latch.is_armed, bench.latch.is_tripped, bench.latch.fault) == (True, False, None)


def test_checked_tick_arms_again_while_motors_may_move_and_disarms_after() -> None:
    bench = Bench()
    calls = []
    for duties, is_moving in (
        (SILENCE, False),
        (SILENCE, True),  # nothing was ever written: nothing to be killed for
        ((0, 40, 0), True),
        ((0, 40, 0), False),
        (SILENCE, True),  # a gap of a running session
        (SILENCE, False),
        (SILENCE, False),
    ):
        bench.latch.apply(duties)
        bench.take_calls()
        bench.latch.checked(is_moving)
        calls.append(bench.take_calls())

    assert calls == [[], [], [("arm",)], [("arm",)], [("arm",)], [("low",), ("disarm",)], []]


@pytest.mark.parametrize("motor", range(3))
def test_duty_above_the_cap_of_its_motor_is_never_written(motor: int) -> None:
    bench = Bench()
    duties = tuple(91 if i == motor else 0 for i in range(3))
    with pytest.raises(
        AssertionError, match=r"a duty above its motor's cap: \(.*91.* of \(90, 90, 90\)"
    ):
        bench.latch.apply(duties)

    assert bench.take_calls() == [("low",)]
    assert bench.latch.is_tripped
    whole = Bench()
    whole.latch.apply((90, 90, 90))
    assert whole.take_calls() == [("arm",), ("apply", 90, 90, 90)]


@pytest.mark.parametrize("duties", [(40, 0), (0, 0, 0, 40)])
def test_duties_for_another_number_of_motors_are_never_written(duties: Levels) -> None:
    """Nobody knows which motor a duty is meant for. The error ends the daemon."""
    bench = Bench()
    with pytest.raises(ValueError, match=r"is (shorter|longer) than"):
        bench.latch.apply(duties)

    assert bench.take_calls() == []


def test_latch_while_tripped_writes_nothing_until_reset() -> None:
    bench = Bench()
    bench.latch.apply((0, 40, 0))
    bench.latch.trip()
    bench.latch.apply((0, 50, 0))
    bench.latch.apply(SILENCE)
    bench.latch.trip()
    bench.latch.reset()
    bench.latch.apply(SILENCE)
    bench.latch.apply((0, 10, 0))

    assert bench.take_calls() == [
        ("arm",),
        ("apply", 0, 40, 0),
        ("low",),
        ("disarm",),
        ("low",),
        ("arm",),
        ("apply", 0, 10, 0),
    ]


@pytest.mark.parametrize("error", [DeviceError("motor left cannot be used"), OSError(5, "a fault")])
def test_write_that_fails_trips_the_latch_and_names_the_pin(error: Exception) -> None:
    bench = Bench()
    bench.error = error
    bench.latch.apply((0, 40, 0))

    assert bench.take_calls() == [("arm",), ("apply", 0, 40, 0), ("low",), ("disarm",)]
    assert bench.latch.fault == Fault("pin-write", str(error), is_persistent=True)
    assert bench.latch.is_tripped
    bench.latch.checked(True)
    assert bench.take_calls() == [("low",)]
    assert bench.latch.fault is None  # all are low: nothing is wrong any more
    assert bench.latch.is_tripped


def test_deadman_that_cannot_be_armed_lets_no_duty_out() -> None:
    bench = Bench()
    bench.unarmed = OSError(22, "Invalid argument")
    bench.latch.apply((0, 40, 0))

    assert bench.take_calls() == [("arm",), ("low",)]
    assert bench.latch.fault == Fault(
        "pin-write", "[Errno 22] Invalid argument", is_persistent=True
    )
    assert (bench.latch.is_armed, bench.latch.is_tripped) == (False, True)


def test_pin_that_stays_up_is_retried_every_tick_and_keeps_the_deadman_armed() -> None:
    """Its process may be killed for it: then the kernel or `off` has a try."""
    bench = Bench()
    bench.latch.apply((0, 40, 0))
    bench.stuck = ["motor left cannot be driven low", "motor right cannot be driven low"]
    bench.latch.trip()
    both = Fault("pin-write", "; ".join(bench.stuck), is_persistent=True)
    assert bench.latch.fault == both
    bench.take_calls()
    calls = []
    for stuck in (bench.stuck, bench.stuck[:1], []):
        bench.stuck = stuck
        bench.latch.checked(False)
        calls.append((bench.take_calls(), bench.latch.fault and bench.latch.fault.message))

    assert calls == [
        ([("low",), ("arm",)], both.message),
        ([("low",), ("arm",)], "motor left cannot be driven low"),
        ([("low",), ("disarm",)], None),
    ]


def test_zeros_after_a_pin_stayed_up_are_written() -> None:
    bench = Bench()
    bench.latch.apply((0, 40, 0))
    bench.stuck = ["motor left cannot be driven low"]
    bench.latch.trip()
    bench.latch.reset()
    bench.take_calls()
    bench.latch.apply(SILENCE)
    assert bench.take_calls() == [("apply", 0, 0, 0)]


@pytest.mark.parametrize(
    ("moved", "stuck", "calls"),
    [
        (False, [], [("low",)]),
        (True, [], [("low",), ("disarm",)]),
        (True, ["motor left cannot be driven low"], [("low",)]),
    ],
)
def test_trip_drives_all_low_and_disarms_the_deadman_only_if_they_are(
    moved: bool, stuck: list[str], calls: list[Call]
) -> None:
    bench = Bench()
    if moved:
        bench.latch.apply((0, 40, 0))
        bench.take_calls()
    bench.stuck = stuck
    bench.latch.trip()
    assert bench.take_calls() == calls
    assert bench.latch.is_armed == bool(stuck)
    bench.latch.trip()  # can be repeated
    assert bench.take_calls() == [("low",)]
    bench.latch.apply((0, 40, 0))
    assert bench.take_calls() == []


def test_latch_without_a_deadman_works_the_same() -> None:
    bench = Bench()
    latch = Latch(MAT, bench, NoDeadman())
    latch.apply((0, 40, 0))
    latch.checked(True)
    latch.trip()
    assert bench.take_calls() == [("apply", 0, 40, 0), ("low",)]


def test_deadman_stays_armed_while_a_pin_is_stuck() -> None:
    class Stuck:
        is_stuck = False

        def apply(self, duty_pct: tuple[int, ...]) -> None:
            if self.is_stuck:
                raise OSError(5, "Input/output error")

        def all_low(self) -> list[str]:
            return ["motor left on GPIO 22 cannot be driven low"] if self.is_stuck else []

    motors = Stuck()
    latch = Latch(MAT, motors, NoDeadman())
    latch.apply((0, 40, 40))
    motors.is_stuck = True
    latch.apply((0, 0, 0))
    latch.checked(is_moving=False)
    assert latch.is_armed
    motors.is_stuck = False
    latch.checked(is_moving=False)
    latch.checked(is_moving=False)
    assert (latch.is_armed, latch.fault) == (False, None)
