"""Motors, LED and simulated button: complete lists of writes to gpiozero's own mock pins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware_ctl.config.mat import ButtonPins, Gate
from firmware_ctl.errors import DeviceError
from firmware_ctl.hardware.button_lines import MOST_EDGES
from firmware_ctl.hardware.gpio import VALUES, GpioGate, GpioLed, GpioMotors
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Input,
    LedgerSaved,
    Pause,
    Ready,
    Start,
    Stop,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.pins import SimulatedButton, SimulatedFactory
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.compiler import compile_profile
from tests.support.worlds_timeline import make_mat, phase, play, profile

MAT = make_mat()
PINS = [motor.pin for motor in MAT.motors]

OnWrite = Callable[[int, float], object]


def written(factory: MockFactory, pin: int) -> list[float]:
    """Every state of the pin since it was made, in percent."""
    return [round(float(state.state) * 100, 6) for state in factory.pin(pin).states]


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    made = MockFactory(pin_class=MockPWMPin)
    yield made
    made.reset()


# --- duties ---


def test_values_survive_the_truncation_of_lgpio() -> None:
    assert [int(value * 100) for value in VALUES] == list(range(101))
    assert VALUES[0] == 0.0
    assert max(VALUES) == 1.0


# --- motors ---


def test_motors_are_low_at_first_and_get_the_mats_frequency_with_their_first_duty(
    factory: MockFactory,
) -> None:
    motors = GpioMotors(MAT, factory)
    assert [written(factory, pin) for pin in PINS] == [[0]] * 6
    assert [factory.pin(pin).frequency for pin in PINS] == [None] * 6
    assert [factory.pin(pin).function for pin in PINS] == ["output"] * 6
    motors.apply((30,) + (0,) * 5)
    assert [written(factory, pin) for pin in PINS] == [[0, 30], *[[0]] * 5]
    assert [factory.pin(pin).frequency for pin in PINS] == [100] * 6


def test_apply_writes_each_change_once_and_nothing_else(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    for duties in [(1, 0, 29, 57, 58, 80), (1, 0, 29, 57, 58, 80), (0, 0, 30, 57, 0, 80), (0,) * 6]:
        motors.apply(duties)
    assert [written(factory, pin) for pin in PINS] == [
        [0, 1, 0],
        [0],
        [0, 29, 30, 0],
        [0, 57, 0],
        [0, 58, 0],
        [0, 80, 0],
    ]


@contextmanager
def watched(factory: MockFactory, pins: list[int], on_write: OnWrite) -> Iterator[None]:
    """Calls `on_write` with pin and value before each write."""
    with pytest.MonkeyPatch.context() as patch:
        for number in pins:
            change = factory.pin(number)._change_state

            def changed(value: float, number: int = number, change: Any = change) -> Any:
                on_write(number, value)
                return change(value)

            patch.setattr(factory.pin(number), "_change_state", changed)
        yield


def fail(pin: int, value: float) -> None:
    raise OSError(5, "Input/output error")


def test_apply_writes_falling_duties_before_rising_ones(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((10, 80, 0, 0, 40, 5))
    order: list[int] = []
    with watched(factory, PINS, lambda pin, _: order.append(pin)):
        motors.apply((80, 0, 10, 0, 30, 6))
    assert order == [17, 20, 21, 18, 16]


def test_all_low_ends_pwm_and_drives_low_and_can_be_repeated(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((50,) * 6)
    for _ in range(2):
        motors.all_low()
        assert [written(factory, pin) for pin in PINS] == [[0, 50, 0]] * 6
        assert [factory.pin(pin).frequency for pin in PINS] == [None] * 6
        assert [factory.pin(pin).function for pin in PINS] == ["output"] * 6


def test_apply_after_all_low_starts_pwm_again(factory: MockFactory) -> None:
    motors = GpioMotors(MAT._replace(pwm_hz=250), factory)
    motors.apply((50, 0, 20, 1, 0, 0))
    motors.all_low()
    motors.apply((50, 0, 20, 1, 0, 0))
    assert [written(factory, pin) for pin in PINS] == [
        [0, 50, 0, 50],
        [0],
        [0, 20, 0, 20],
        [0, 1, 0, 1],
        *[[0]] * 2,
    ]
    assert [factory.pin(pin).frequency for pin in PINS] == [250] * 6


def test_apply_writes_a_failed_duty_again_the_next_time(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    sentence = "^motor neck_16 on GPIO 16 cannot be used: .*Input/output error$"
    with watched(factory, PINS[:1], fail), pytest.raises(DeviceError, match=sentence):
        motors.apply((50, 0, 0, 0, 0, 0))
    motors.apply((50, 0, 0, 0, 0, 0))
    assert written(factory, PINS[0]) == [0, 50]


def test_pin_that_takes_no_pwm_is_named(
    factory: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    motors = GpioMotors(MAT, factory)
    with monkeypatch.context() as patched:
        patched.setattr(factory.pin(17), "_set_frequency", lambda hz: fail(17, hz))
        with pytest.raises(DeviceError, match=r"^motor \w+_17 on GPIO 17 cannot be used: "):
            motors.apply((50,) * 6)
    assert [written(factory, pin) for pin in PINS] == [[0]] * 6


def test_invariant_12_all_low_tries_every_pin_though_each_write_fails(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((50,) * 6)
    attempts: list[tuple[int, float]] = []

    def record_and_fail(pin: int, value: float) -> None:
        attempts.append((pin, value))
        fail(pin, value)

    with watched(factory, PINS, record_and_fail):
        for _ in range(2):
            attempts.clear()
            motors.all_low()
            assert attempts[:6] == [(pin, 0) for pin in PINS]
            assert set(attempts[6:]) == {(pin, 0) for pin in PINS}
    motors.all_low()
    assert [written(factory, pin) for pin in PINS] == [[0, 50, 0]] * 6


def test_one_pin_that_fails_keeps_no_other_from_falling(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((50,) * 6)
    with watched(factory, [18], fail):
        motors.all_low()
    assert [written(factory, pin) for pin in PINS if pin != 18] == [[0, 50, 0]] * 5


def test_a_pin_in_use_is_named(factory: MockFactory) -> None:
    led = GpioLed(19, factory)
    with pytest.raises(DeviceError, match=r"motor back_19 on GPIO 19 cannot be used: .*GPIO19"):
        GpioMotors(MAT, factory)
    with pytest.raises(DeviceError, match=r"the LED on GPIO 19 cannot be used: .*GPIO19") as error:
        GpioLed(19, factory)
    assert "doctor" not in str(error.value)  # which knows the programs that hold a line
    led._led.close()
    GpioMotors(MAT, factory).all_low()


# --- motor gate ---


@pytest.mark.parametrize(
    ("taken", "device"), [(26, "heartbeat on GPIO 26"), (16, "read-back on GPIO 16")]
)
def test_pin_of_the_gate_in_use_is_named(taken: int, device: str, factory: MockFactory) -> None:
    led = GpioLed(taken, factory)
    with pytest.raises(DeviceError, match=f"^the motor gate's {device} cannot be used: "):
        GpioGate(Gate(26, 16), factory)
    led._led.close()


def test_gate_without_a_read_back_knows_nothing_of_the_rail(factory: MockFactory) -> None:
    gate = GpioGate(Gate(26, None), factory)
    assert (gate.has_rail, gate.is_rail_on()) == (False, False)


# --- button and LED ---


def test_simulated_contacts_with_edges_between_two_reads_give_one_spell() -> None:
    edges: list[None] = []
    now_ms = 5
    made = SimulatedFactory(now_ms=lambda: now_ms)
    button = SimulatedButton(ButtonPins(5, 6), made, lambda: edges.append(None))
    pressed, released = made.pin(5), made.pin(6)
    assert [pressed.pull, released.pull] == ["up", "up"]
    assert button.read().contact is Contact.RELEASED
    edges.clear()
    for change in (released.drive_high, released.drive_low, pressed.drive_low, released.drive_high):
        now_ms += 1
        change()
    assert button.read() == Contacts(Contact.PRESSED, ((6, 9, Contact.PRESSED),))
    assert button.read() == Contacts(Contact.PRESSED, ())
    assert len(edges) == 4


def test_simulated_contact_that_bounces_keeps_the_newest_edges() -> None:
    made = SimulatedFactory()
    button = SimulatedButton(ButtonPins(5, None), made, lambda: None)
    for _ in range(1_000):
        made.pin(5).drive_low()
        made.pin(5).drive_high()
    made.pin(5).drive_low()
    assert len(button._edges) == MOST_EDGES
    assert button.read() == Contacts(Contact.PRESSED, ((0, 0, Contact.PRESSED),))


@pytest.mark.parametrize("released_pin", [6, None])
def test_simulated_button_moves_its_contacts(released_pin: int | None) -> None:
    edges: list[None] = []
    button = SimulatedButton(
        ButtonPins(5, released_pin), SimulatedFactory(), lambda: edges.append(None)
    )
    readings = [button.read().contact]
    edges.clear()
    for is_down in (True, True, False):
        button.press(is_down)
        readings.append(button.read().contact)
    assert readings == [Contact.RELEASED, Contact.PRESSED, Contact.PRESSED, Contact.RELEASED]
    assert len(edges) == (4 if released_pin else 2)


def test_simulated_pins_keep_no_history() -> None:
    made = SimulatedFactory()
    motors = GpioMotors(MAT, made)
    for duty in range(1, 81):
        motors.apply((duty,) * 6)
    assert [written(made, pin) for pin in PINS] == [[80]] * 6


def test_led_lights_up_at_a_fault_that_is_there_from_the_start(factory: MockFactory) -> None:
    led = GpioLed(7, factory)
    fault = Fault("rail", "the rail is on")
    led.step(fault, Session(MAT, Catalogue()).handle(fault, 0), 0)
    assert bool(factory.pin(7).state)


def test_led_is_on_in_a_session_and_blinks_in_a_fault(factory: MockFactory) -> None:
    steady = profile(phase(60_000, play("all", "steady", 5)))
    session = Session(MAT, Catalogue((GoodEntry("test", steady, compile_profile(steady, MAT)),)))
    led = GpioLed(7, factory)
    script: list[tuple[int, Input]] = [
        (0, Ready()),
        (10, Start()),
        (10, LedgerSaved(10)),
        (20, Wake()),
        (30, Pause()),
        (40, Stop()),
        (1_100, Fault("rail", "the rail is on")),
        (1_499, Wake()),
        (1_500, Wake()),
        (2_000, Wake()),
    ]
    states = []
    for now_ms, event in script:
        led.step(event, session.handle(event, now_ms), now_ms)
        states.append((type(event).__name__, bool(factory.pin(7).state)))
    assert states == [
        *(
            ("Ready", False),
            ("Start", False),
            ("LedgerSaved", True),
            ("Wake", True),
            ("Pause", True),
        ),
        *(("Stop", False), ("Fault", True), ("Wake", True), ("Wake", False), ("Wake", True)),
    ]
