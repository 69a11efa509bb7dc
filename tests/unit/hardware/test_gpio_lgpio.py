"""The pins on a fake lgpio: its calls, and the errors of a machine without usable pins."""

import glob
import importlib.abc
import os
import sys
import types
from collections import defaultdict
from collections.abc import Callable

import pytest
from gpiozero import Device
from gpiozero.pins.local import LocalPiFactory

from firmware_ctl.errors import DeviceError
from firmware_ctl.hardware import emergency_off
from firmware_ctl.hardware.emergency_off import find_chip
from firmware_ctl.hardware.gpio import GpioLed, GpioMotors, lgpio_factory
from tests.support.gpio_chip import put_chips
from tests.support.worlds_timeline import make_mat

MAT = make_mat()
PINS = [motor.pin for motor in MAT.motors]


class LgpioError(Exception):
    pass


LgpioError.__name__ = "error"

BUSY = 27


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A fake module `lgpio` that records its calls. GPIO 27 is held by another program."""
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
    monkeypatch.setattr(LocalPiFactory, "_get_revision", lambda self: 0xA020D3)
    # gpiozero's factories share these tables, so an earlier test would leave its pins in them.
    monkeypatch.setattr(LocalPiFactory, "pins", {})
    monkeypatch.setattr(LocalPiFactory, "_reservations", defaultdict(list))
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "/dev/gpiochip0")
    return calls


def test_on_lgpio_all_low_and_close_leave_the_pins_driven_low(
    lgpio: list[tuple[object, ...]],
) -> None:
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
    motors.apply((30, 57, 58, 0, 0, 0))
    assert lgpio == [("tx_pwm", 16, 100, 30)]
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


def test_on_lgpio_inputs_are_released(lgpio: list[tuple[object, ...]]) -> None:
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


def test_lgpio_factory_without_lgpio_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    with pytest.raises(DeviceError, match="the GPIO library lgpio is not installed here"):
        lgpio_factory()


def test_lgpio_factory_without_a_writable_folder_names_the_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FailingFinder(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "lgpio":
                raise FileNotFoundError(2, "No such file or directory", ".lgd-nfy-3")

    monkeypatch.delitem(sys.modules, "lgpio", raising=False)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr(sys, "meta_path", [FailingFinder(), *sys.meta_path])
    for folder in ("/run/here", os.getcwd()):
        monkeypatch.delenv("LG_WD", raising=False)
        if folder != os.getcwd():
            monkeypatch.setenv("LG_WD", folder)
        with pytest.raises(DeviceError) as error:
            lgpio_factory()
        message = f"lgpio cannot write to the folder {folder}: No such file or directory"
        assert str(error.value) == message


REVISIONS = {"Pi 4": 0xC03115, "Pi 5": 0xD04170}


@pytest.mark.parametrize(
    ("pi", "labels", "header"),
    [
        ("Pi 4", {"gpiochip0": b"pinctrl-bcm2711", "gpiochip2": b"pcf8575"}, 0),
        ("Pi 4", {"gpiochip0": b"pcf8575", "gpiochip2": b"pinctrl-bcm2711"}, 2),
        # A Pi 5 with a kernel before 6.6.45, with that one, and with the ones since.
        ("Pi 5", {"gpiochip0": b"gpio-brcmstb@107d508500", "gpiochip4": b"pinctrl-rp1"}, 4),
        ("Pi 5", {"gpiochip0": b"pinctrl-rp1", "gpiochip4": b"gpio-brcmstb@107d517c20"}, 0),
        ("Pi 5", {"gpiochip0": b"pinctrl-rp1", "gpiochip10": b"gpio-brcmstb@107d508500"}, 0),
    ],
)
def test_lgpio_factory_opens_the_chip_of_the_header_and_no_other(
    lgpio: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    pi: str,
    labels: dict[str, bytes],
    header: int,
) -> None:
    fake = sys.modules["lgpio"]
    opened: list[int] = []
    claimed: list[tuple[int, int]] = []
    claim_output = fake.gpio_claim_output

    def open_chip(chip: int) -> int:
        opened.append(chip)
        return chip

    def claim(chip: int, pin: int) -> object:
        claimed.append((chip, pin))
        return claim_output(chip, pin)

    monkeypatch.setattr(fake, "gpiochip_open", open_chip)
    monkeypatch.setattr(fake, "gpio_claim_output", claim)
    monkeypatch.setattr(LocalPiFactory, "_get_revision", lambda self: REVISIONS[pi])
    monkeypatch.setattr(emergency_off, "find_chip", find_chip)
    put_chips(labels, monkeypatch)
    made = lgpio_factory()
    led = GpioLed(5, made)
    assert (made.chip, opened, claimed) == (header, [header], [(header, 5)])
    led._led.close()
    made.close()


@pytest.mark.parametrize(
    ("chips", "has_access", "sentence"),
    [
        ([], True, "there are no GPIO pins here: the kernel offers no /dev/gpiochip0"),
        (
            ["/dev/gpiochip1", "/dev/gpiochip0"],
            False,
            "this user has no permission to open /dev/gpiochip0; use sudo, or join the group: `sudo usermod -aG gpio $USER`, then log out and in",
        ),
        (
            ["/dev/gpiochip1", "/dev/gpiochip0"],
            True,
            "no GPIO chip here (/dev/gpiochip0, /dev/gpiochip1) drives the header of a Raspberry Pi",
        ),
    ],
)
def test_lgpio_factory_without_the_headers_chip_touches_no_other(
    lgpio: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    chips: list[str],
    has_access: bool,
    sentence: str,
) -> None:
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "")
    rights = dict.fromkeys(((chip, os.R_OK | os.W_OK) for chip in chips), has_access)
    monkeypatch.setattr(glob, "glob", {"/dev/gpiochip*": chips}.__getitem__)
    monkeypatch.setattr(os, "access", lambda *asked: rights[asked])
    with pytest.raises(DeviceError) as error:
        lgpio_factory()
    assert str(error.value) == sentence
    assert lgpio == []


def test_lgpio_factory_whose_chip_cannot_be_opened_raises(
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
    assert isinstance(made, sys.modules["gpiozero.pins.lgpio"].LGPIOFactory)
    assert {call[1] for call in lgpio} == set(PINS)
    assert Device.pin_factory is None
    for device in motors._devices:
        device.close()
    made.close()
