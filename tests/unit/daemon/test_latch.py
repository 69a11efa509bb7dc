"""The latch: what reaches the pins, when the dead-man is armed, and what gets it out of a trip."""

import pytest

from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Fault
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.worlds import MAT, SILENCE

Call = tuple[str, *tuple[object, ...]]


class Bench:
    """Pins and a dead-man that write down what they are told; both may fail."""

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

    def told(self) -> list[Call]:
        calls, self.calls = self.calls, []
        return calls


def test_duties_go_out_once_each_behind_an_armed_deadman() -> None:
    bench = Bench()
    for duties in (SILENCE, (0, 40, 0), (0, 40, 0), (0, 41, 0), SILENCE):
        bench.latch.apply(duties)

    assert bench.told() == [("arm",), ("apply", 0, 40, 0), ("apply", 0, 41, 0), ("apply", 0, 0, 0)]
    assert (bench.latch.is_armed, bench.latch.is_tripped, bench.latch.fault) == (True, False, None)


def test_a_checked_tick_arms_anew_while_something_moves_or_may_and_disarms_after() -> None:
    bench = Bench()
    told = []
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
        bench.told()
        bench.latch.checked(is_moving)
        told.append(bench.told())

    assert told == [[], [], [("arm",)], [("arm",)], [("arm",)], [("low",), ("disarm",)], []]


@pytest.mark.parametrize("motor", range(3))
def test_a_duty_above_its_motors_cap_never_goes_out(motor: int) -> None:
    bench = Bench()
    duties = tuple(91 if i == motor else 0 for i in range(3))
    with pytest.raises(
        AssertionError, match=r"a duty above its motor's cap: \(.*91.* of \(90, 90, 90\)"
    ):
        bench.latch.apply(duties)

    assert bench.told() == [("low",)]
    assert bench.latch.is_tripped
    whole = Bench()
    whole.latch.apply((90, 90, 90))
    assert whole.told() == [("arm",), ("apply", 90, 90, 90)]


def test_tripped_it_lets_nothing_out_until_it_is_reset() -> None:
    bench = Bench()
    bench.latch.apply((0, 40, 0))
    bench.latch.trip()
    bench.latch.apply((0, 50, 0))
    bench.latch.apply(SILENCE)
    bench.latch.trip()
    bench.latch.reset()
    bench.latch.apply(SILENCE)
    bench.latch.apply((0, 10, 0))

    assert bench.told() == [
        ("arm",),
        ("apply", 0, 40, 0),
        ("low",),
        ("low",),
        ("apply", 0, 10, 0),
    ]


@pytest.mark.parametrize("error", [DeviceError("motor left cannot be used"), OSError(5, "a fault")])
def test_a_write_that_fails_trips_and_names_the_pin(error: Exception) -> None:
    bench = Bench()
    bench.error = error
    bench.latch.apply((0, 40, 0))

    assert bench.told() == [("arm",), ("apply", 0, 40, 0), ("low",)]
    assert bench.latch.fault == Fault("pin-write", str(error), is_persistent=True)
    assert bench.latch.is_tripped
    bench.latch.checked(True)
    assert bench.told() == [("low",), ("arm",)]
    assert bench.latch.fault is None  # all are low: nothing is wrong any more
    assert bench.latch.is_tripped


def test_a_deadman_that_cannot_be_armed_lets_nothing_out() -> None:
    bench = Bench()
    bench.unarmed = OSError(22, "Invalid argument")
    bench.latch.apply((0, 40, 0))

    assert bench.told() == [("arm",), ("low",)]
    assert bench.latch.fault == Fault(
        "pin-write", "[Errno 22] Invalid argument", is_persistent=True
    )
    assert (bench.latch.is_armed, bench.latch.is_tripped) == (False, True)


def test_a_pin_that_stays_up_is_tried_at_every_tick_and_keeps_the_deadman() -> None:
    """Its process may be killed for it: then the kernel or `off` has a try."""
    bench = Bench()
    bench.latch.apply((0, 40, 0))
    bench.stuck = ["motor left cannot be driven low", "motor right cannot be driven low"]
    bench.latch.trip()
    both = Fault("pin-write", "; ".join(bench.stuck), is_persistent=True)
    assert bench.latch.fault == both
    bench.told()
    told = []
    for stuck in (bench.stuck, bench.stuck[:1], []):
        bench.stuck = stuck
        bench.latch.checked(False)
        told.append((bench.told(), bench.latch.fault and bench.latch.fault.message))

    assert told == [
        ([("low",), ("arm",)], both.message),
        ([("low",), ("arm",)], "motor left cannot be driven low"),
        ([("low",), ("low",), ("disarm",)], None),
    ]


def test_after_a_pin_stayed_up_the_next_zeros_are_written_though_none_was_told() -> None:
    bench = Bench()
    bench.latch.apply((0, 40, 0))
    bench.stuck = ["motor left cannot be driven low"]
    bench.latch.trip()
    bench.latch.reset()
    bench.told()
    bench.latch.apply(SILENCE)
    assert bench.told() == [("apply", 0, 0, 0)]


@pytest.mark.parametrize(
    ("moved", "stuck", "told"),
    [
        (False, [], [("low",)]),
        (True, [], [("low",), ("disarm",)]),
        (True, ["motor left cannot be driven low"], [("low",)]),
    ],
)
def test_closing_is_all_low_and_ends_the_deadman_only_if_they_are(
    moved: bool, stuck: list[str], told: list[Call]
) -> None:
    bench = Bench()
    if moved:
        bench.latch.apply((0, 40, 0))
        bench.told()
    bench.stuck = stuck
    bench.latch.close()
    assert bench.told() == told
    assert bench.latch.is_armed == bool(stuck)
    bench.latch.close()  # can be repeated
    assert bench.told() == [("low",)]
    bench.latch.apply((0, 40, 0))
    assert bench.told() == []


def test_without_a_deadman_all_else_is_the_same() -> None:
    bench = Bench()
    latch = Latch(MAT, bench, NoDeadman())
    latch.apply((0, 40, 0))
    latch.checked(True)
    latch.close()
    assert bench.told() == [("apply", 0, 40, 0), ("low",)]


def test_while_a_pin_is_stuck_the_dead_man_stays_armed() -> None:
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
