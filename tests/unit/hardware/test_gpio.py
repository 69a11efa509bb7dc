"""The pins: whole lists of what was written, on gpiozero's stock mock pins and on a fake lgpio."""

import glob
import importlib
import importlib.abc
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware_ctl.config.mat import ButtonPins
from firmware_ctl.errors import DeviceError
from firmware_ctl.hardware import emergency_off
from firmware_ctl.hardware.button_lines import MOST_EDGES
from firmware_ctl.hardware.gpio import VALUES, GpioLed, GpioMotors, lgpio_factory
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
from firmware_ctl.simulator.pins import SimulatedButton, mock_factory
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.compiler import compile_profile
from tests.support.worlds_timeline import make_mat, phase, play, profile

MAT = make_mat()
PINS = [motor.pin for motor in MAT.motors]

Seen = Callable[[int, float], object]


def written(factory: MockFactory, pin: int) -> list[float]:
    """Every state that the pin was in, in percent, from when it was made."""
    return [round(float(state.state) * 100, 6) for state in factory.pin(pin).states]


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    made = MockFactory(pin_class=MockPWMPin)
    yield made
    made.reset()


# --- duties ---


def test_every_whole_percent_survives_the_truncation_of_lgpio() -> None:
    assert [int(value * 100) for value in VALUES] == list(range(101))
    assert VALUES[0] == 0.0
    assert max(VALUES) == 1.0


# --- motors ---


def test_motors_are_low_from_the_start_and_get_the_mats_frequency_with_their_first_duty(
    factory: MockFactory,
) -> None:
    motors = GpioMotors(MAT, factory)
    assert [written(factory, pin) for pin in PINS] == [[0]] * 6
    assert [factory.pin(pin).frequency for pin in PINS] == [None] * 6
    assert [factory.pin(pin).function for pin in PINS] == ["output"] * 6
    motors.apply((30,) + (0,) * 5)
    assert [written(factory, pin) for pin in PINS] == [[0, 30], *[[0]] * 5]
    assert [factory.pin(pin).frequency for pin in PINS] == [100] * 6


def test_every_change_is_written_once_and_nothing_else(factory: MockFactory) -> None:
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
def watched(factory: MockFactory, pins: list[int], seen: Seen) -> Iterator[None]:
    """Calls `seen` with pin and value at each write, before it is done."""
    with pytest.MonkeyPatch.context() as patch:
        for number in pins:
            change = factory.pin(number)._change_state

            def changed(value: float, number: int = number, change: Any = change) -> Any:
                seen(number, value)
                return change(value)

            patch.setattr(factory.pin(number), "_change_state", changed)
        yield


def broken(pin: int, value: float) -> None:
    raise OSError(5, "Input/output error")


def test_what_falls_is_written_before_what_rises(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((10, 80, 0, 0, 40, 5))
    order: list[int] = []
    with watched(factory, PINS, lambda pin, _: order.append(pin)):
        motors.apply((80, 0, 10, 0, 30, 6))
    assert order == [17, 20, 21, 18, 16]


def test_all_low_ends_the_pwm_and_drives_low_and_can_be_repeated(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((50,) * 6)
    for _ in range(2):
        motors.all_low()
        assert [written(factory, pin) for pin in PINS] == [[0, 50, 0]] * 6
        assert [factory.pin(pin).frequency for pin in PINS] == [None] * 6
        assert [factory.pin(pin).function for pin in PINS] == ["output"] * 6


def test_motors_play_again_after_all_low_as_they_did_before(factory: MockFactory) -> None:
    motors = GpioMotors(MAT._replace(pwm_hz=250), factory)
    motors.apply((50, 0, 20, 0, 0, 0))
    motors.all_low()
    motors.apply((50, 0, 20, 0, 0, 0))
    assert [written(factory, pin) for pin in PINS] == [
        [0, 50, 0, 50],
        [0],
        [0, 20, 0, 20],
        *[[0]] * 3,
    ]
    assert [factory.pin(pin).frequency for pin in PINS] == [250] * 6


def test_duty_that_could_not_be_written_is_written_the_next_time(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    with watched(factory, PINS[:1], broken), pytest.raises(DeviceError):
        motors.apply((50, 0, 0, 0, 0, 0))
    motors.apply((50, 0, 0, 0, 0, 0))
    assert written(factory, PINS[0]) == [0, 50]


def test_invariant_12_all_low_tries_every_pin_though_each_write_fails(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((50,) * 6)
    tried: list[tuple[int, float]] = []

    def fail(pin: int, value: float) -> None:
        tried.append((pin, value))
        broken(pin, value)

    with watched(factory, PINS, fail):
        for _ in range(2):
            tried.clear()
            motors.all_low()
            assert tried[:6] == [(pin, 0) for pin in PINS]
            assert set(tried[6:]) == {(pin, 0) for pin in PINS}
    motors.all_low()
    assert [written(factory, pin) for pin in PINS] == [[0, 50, 0]] * 6


def test_one_pin_that_fails_keeps_no_other_from_falling(factory: MockFactory) -> None:
    motors = GpioMotors(MAT, factory)
    motors.apply((50,) * 6)
    with watched(factory, [18], broken):
        motors.all_low()
    assert [written(factory, pin) for pin in PINS if pin != 18] == [[0, 50, 0]] * 5


def test_a_pin_in_use_is_named(factory: MockFactory) -> None:
    led = GpioLed(19, factory)
    with pytest.raises(DeviceError, match=r"motor back_19 on GPIO 19 cannot be used: .*GPIO19"):
        GpioMotors(MAT, factory)
    with pytest.raises(DeviceError, match=r"the LED on GPIO 19 cannot be used: .*GPIO19"):
        GpioLed(19, factory)
    led._led.close()
    GpioMotors(MAT, factory).all_low()


# --- button and LED ---


def test_simulated_contacts_with_edges_between_two_looks_tell_one_spell() -> None:
    edges: list[None] = []
    now_ms = 5
    made = mock_factory(now_ms=lambda: now_ms)
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


def test_of_a_simulated_contact_that_chatters_the_newest_edges_are_kept() -> None:
    made = mock_factory()
    button = SimulatedButton(ButtonPins(5, None), made, lambda: None)
    for _ in range(1_000):
        made.pin(5).drive_low()
        made.pin(5).drive_high()
    made.pin(5).drive_low()
    assert len(button._edges) == MOST_EDGES
    assert button.read() == Contacts(Contact.PRESSED, ((0, 0, Contact.PRESSED),))


@pytest.mark.parametrize("released_pin", [6, None])
def test_the_simulated_button_moves_its_contacts(released_pin: int | None) -> None:
    edges: list[None] = []
    button = SimulatedButton(
        ButtonPins(5, released_pin), mock_factory(), lambda: edges.append(None)
    )
    found = [button.read().contact]
    edges.clear()
    for is_down in (True, True, False):
        button.press(is_down)
        found.append(button.read().contact)
    assert found == [Contact.RELEASED, Contact.PRESSED, Contact.PRESSED, Contact.RELEASED]
    assert len(edges) == (4 if released_pin else 2)


def test_simulated_pins_keep_no_history() -> None:
    made = mock_factory()
    motors = GpioMotors(MAT, made)
    for duty in range(1, 81):
        motors.apply((duty,) * 6)
    assert [written(made, pin) for pin in PINS] == [[80]] * 6


def test_the_led_is_on_in_a_session_and_blinks_in_a_fault(factory: MockFactory) -> None:
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
    lit = []
    for now_ms, event in script:
        led.step(event, session.handle(event, now_ms), now_ms)
        lit.append((type(event).__name__, bool(factory.pin(7).state)))
    assert lit == [
        *(
            ("Ready", False),
            ("Start", False),
            ("LedgerSaved", True),
            ("Wake", True),
            ("Pause", True),
        ),
        *(("Stop", False), ("Fault", True), ("Wake", True), ("Wake", False), ("Wake", True)),
    ]


# --- lgpio ---


class LgpioError(Exception):
    pass


LgpioError.__name__ = "error"

BUSY = 27


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A module `lgpio` that writes down its calls; GPIO 27 is someone else's."""
    calls: list[tuple[object, ...]] = []
    outputs: set[int] = set()
    fake = types.ModuleType("lgpio")
    for number, name in enumerate(("RISING_EDGE", "FALLING_EDGE", "BOTH_EDGES"), 1):
        setattr(fake, name, number)
    for name in ("NONE", "UP", "DOWN"):
        setattr(fake, f"SET_PULL_{name}", f"pull {name.lower()}")
    fake.error = LgpioError  # type: ignore[attr-defined]

    def record(name: str) -> Callable[..., object]:
        def call(handle: int, *rest: object) -> object:
            calls.append((name, *rest))
            if rest and rest[0] == BUSY:
                raise LgpioError("'GPIO busy'")
            if name == "gpio_claim_output":
                outputs.add(rest[0])  # type: ignore[arg-type]
            if name == "gpio_claim_input":
                outputs.discard(rest[0])  # type: ignore[arg-type]
            return 0

        return call

    for name in ("claim_input", "claim_output", "write", "read", "free"):
        setattr(fake, f"gpio_{name}", record(f"gpio_{name}"))
    for name in ("gpiochip_close", "tx_pwm"):
        setattr(fake, name, record(name))
    fake.gpiochip_open = lambda chip: chip  # type: ignore[attr-defined]
    fake.gpio_get_mode = lambda _, pin: 2 if pin in outputs else 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    local = importlib.import_module("gpiozero.pins.local")
    monkeypatch.setattr(local.LocalPiFactory, "_get_revision", lambda self: 0xA020D3)
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "/dev/gpiochip0")
    return calls


def test_on_lgpio_every_way_out_leaves_the_pins_driven_low(lgpio: list[tuple[object, ...]]) -> None:
    made = lgpio_factory()
    motors = GpioMotors(MAT, made)
    assert [call for call in lgpio if call[1] == 16] == [
        ("gpio_claim_input", 16, "pull none"),
        ("gpio_claim_output", 16),  # low by default
        ("gpio_write", 16, False),
    ]
    lgpio.clear()
    motors.apply((29, 57, 58, 0, 0, 0))
    assert lgpio == [
        *(("tx_pwm", pin, 100, 0) for pin in PINS),
        *(("tx_pwm", 16, 100, 29), ("tx_pwm", 17, 100, 57), ("tx_pwm", 18, 100, 58)),
    ]
    lgpio.clear()
    motors.all_low()
    assert lgpio == [
        *(("tx_pwm", pin, 100, 0) for pin in PINS),
        *(call for pin in PINS for call in (("tx_pwm", pin, 0, 0), ("gpio_write", pin, False))),
    ]
    lgpio.clear()
    for device in motors._devices:
        device.close()
    made.close()
    assert [call for call in lgpio if call[0] != "gpiochip_close"] == []


def test_on_lgpio_inputs_are_given_back(lgpio: list[tuple[object, ...]]) -> None:
    made = lgpio_factory()
    pin = made.pin(5)
    lgpio.clear()
    pin.close()
    assert lgpio == [("gpio_claim_input", 5, "pull none")]


def test_on_lgpio_a_busy_pin_is_named(lgpio: list[tuple[object, ...]]) -> None:
    with pytest.raises(DeviceError) as error:
        GpioLed(BUSY, lgpio_factory())
    assert (
        str(error.value)
        == "the LED on GPIO 27 cannot be used: 'GPIO busy'; `firmware-ctl doctor` says who holds it"
    )


def test_without_lgpio_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    with pytest.raises(DeviceError, match="the GPIO library lgpio is not installed here"):
        lgpio_factory()


def test_where_lgpio_can_write_nothing_the_sentence_names_the_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Shut(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "lgpio":
                raise FileNotFoundError(2, "No such file or directory", ".lgd-nfy-3")

    monkeypatch.delitem(sys.modules, "lgpio", raising=False)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Shut(), *sys.meta_path])
    monkeypatch.setenv("LG_WD", "/run/here")
    with pytest.raises(DeviceError) as error:
        lgpio_factory()
    told = "lgpio cannot write to the folder /run/here: No such file or directory"
    assert str(error.value) == told


def test_the_chip_is_the_headers_wherever_it_stands(
    lgpio: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "/dev/gpiochip10")
    assert lgpio_factory().chip == 10


@pytest.mark.parametrize(
    ("chips", "may", "sentence"),
    [
        ([], True, "there are no GPIO pins here: the kernel offers no /dev/gpiochip0"),
        (
            ["/dev/gpiochip1", "/dev/gpiochip0"],
            False,
            "this user may not open /dev/gpiochip0; use sudo, or join the group: `sudo usermod -aG gpio $USER`, then log in anew",
        ),
        (
            ["/dev/gpiochip1", "/dev/gpiochip0"],
            True,
            "no GPIO chip here (/dev/gpiochip0, /dev/gpiochip1) drives the header of a Raspberry Pi",
        ),
    ],
)
def test_without_the_headers_chip_no_other_is_touched(
    lgpio: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    chips: list[str],
    may: bool,
    sentence: str,
) -> None:
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "")
    monkeypatch.setattr(glob, "glob", lambda _: chips)
    monkeypatch.setattr(os, "access", lambda *_: may)
    with pytest.raises(DeviceError) as error:
        lgpio_factory()
    assert str(error.value) == sentence
    assert lgpio == []


def test_where_there_are_no_pins_the_sentence_says_so(
    lgpio: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot_open(chip: int) -> int:
        raise LgpioError("'can not open gpiochip'")

    monkeypatch.setattr(sys.modules["lgpio"], "gpiochip_open", cannot_open)
    with pytest.raises(DeviceError, match="no GPIO pins that can be used here"):
        lgpio_factory()


def test_fault_10_the_factory_is_lgpios_whatever_the_environment_says(
    lgpio: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    made = lgpio_factory()
    motors = GpioMotors(MAT, made)
    assert type(made).__name__ == "LGPIOFactory"
    assert {call[1] for call in lgpio} == set(PINS)
    assert Device.pin_factory is None
    for device in motors._devices:
        device.close()
    made.close()
