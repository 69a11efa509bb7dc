"""Checks of the pins: one change, its findings."""

import pytest

from firmware_ctl.doctor.command import examine
from firmware_ctl.doctor.finding import Finding
from tests.support.machines import (
    ADD,
    BCM2835,
    CONFIG,
    GOOD_CONFIG,
    GOOD_PI_4,
    KEEPS,
    KERNEL,
    NOT_BOOTED,
    PI_4_PINS,
    ROOT_DOCTOR,
    RP1,
    STARTED,
    UNIT,
    UPDATE,
    Commands,
    Files,
    Kernel,
    Make,
    check_one_change,
    config,
    pinmux,
    problems,
)

LOW = f"{ADD} gpio=12-13,17,22-25,27=op,dl"
OVERLAY = "remove its line from config.txt (`grep ^dt /boot/firmware/*.txt` lists the devices), then `sudo reboot`; or use other pins"
UNSAFE = "the daemon cannot drive it safely"


@pytest.mark.parametrize(
    ("files", "changed", "expected"),
    [
        pytest.param(
            {"dev/gpiochip0": None},
            {},
            [f"BAD there is no /dev/gpiochip0: the kernel offers no pins > {KERNEL}"],
            id="no chip",
        ),
        pytest.param(
            {},
            {"ioctl": Kernel("gpio-sim")},
            [f"BAD no GPIO chip drives the header of a Pi (found: gpio-sim) > {KERNEL}"],
            id="wrong chip",
        ),
        pytest.param(
            {},
            {"ioctl": Kernel(denied=True)},
            [
                f"note this user has no permission to open /dev/gpiochip0, so the pins were not checked > {ROOT_DOCTOR}; to run the mat yourself: `sudo usermod -aG gpio $USER`, then log out and in"
            ],
            id="no permission",
        ),
        pytest.param(
            {},
            {"ioctl": Kernel(held={17: "lg", 27: "lg", 5: "pikeys"})},
            [
                f"BAD `pikeys`, another program or a driver, has GPIO 5 (the button): {UNSAFE} > end the program, or use other pins; if it is a driver, {OVERLAY}",
                f"BAD a daemon or another program with lgpio has GPIO 17 (motor neck_left) and GPIO 27 (motor neck_right): {UNSAFE} > if you started the daemon manually, this is fine; otherwise stop that program",
            ],
            id="held by programs",
        ),
        pytest.param(
            {},
            {
                "ioctl": Kernel(held={**dict.fromkeys(range(28), "lg"), 5: "firmware-ctl button"}),
                "run": Commands(UNIT | {"ActiveState": "active"}),
            },
            [],
            id="held by the service",
        ),
        pytest.param(
            {"run/pigpio.pid": "612"},
            {},
            [
                "BAD pigpiod runs: its clients can drive any pin, and the kernel does not know > `sudo systemctl disable --now pigpiod`"
            ],
            id="pigpiod",
        ),
        pytest.param(
            {f"{PI_4_PINS}/pins": "pin 17 (gpio17) 17:pinctrl-bcm2711 function gpio_out in hi; irq 62 (none)\npin 27 (gpio27) 27:pinctrl-bcm2711 function gpio_out in lo; irq 63 (none)"},
            {},
            [
                "BAD GPIO 17 is high, and no program drives it: motor neck_left is on > press the stop switch, then `sudo pinctrl set 17 op dl`"
            ],
            id="a motor that a dead program left on",
        ),
        pytest.param(
            {f"{PI_4_PINS}/pins": "pin 17 (gpio17) function gpio in hi; irq 62 (none)"},
            {
                "ioctl": Kernel(held={17: "lg"}),
                "run": Commands(UNIT | {"ActiveState": "active"}),
            },
            [],
            id="a motor that the service runs",
        ),
    ],
)  # fmt: skip
def test_pins_with_one_change_give_the_expected_findings(
    files: Files, changed: dict[str, object], expected: list[str], machine: Make
) -> None:
    check_one_change(machine, files, changed, expected)


@pytest.mark.parametrize(
    ("overlay", "pin", "device"),
    [
        ("goodix", 17, "1-0014"),
        ("rotary-encoder", 17, "rotary@11"),
        ("dpi24", 12, "fe208000.dpi"),
        ("pwm-2chan", 12, "fe20c000.pwm"),
        ("vc4-kms-dpi-hyperpixel4", 27, "soc:backlight"),
        ("sdio", 22, "fe300000.mmcnr"),
        ("uart5", 12, "fe201a00.serial"),
        ("i2c6", 23, "fe205c00.i2c"),
        ("jtag", 25, "soc:jtag"),
        ("gpio-ir", 27, "ir-receiver@1b"),
        ("spi1-2cs", 17, "fe215080.spi"),
        ("gpio-hog", 24, "fe200000.gpio"),
    ],
)
def test_motor_pin_taken_by_a_device_is_bad_for_every_overlay(
    overlay: str, pin: int, device: str, machine: Make
) -> None:
    row = f"{device} (GPIO UNCLAIMED){' (HOG)' * (overlay == 'gpio-hog')} function alt0 group gpio{pin}"
    files = config(f"dtoverlay={overlay}\n") | {f"{PI_4_PINS}/pinmux-pins": pinmux({pin: row})}
    (problem,) = problems(machine(GOOD_PI_4 | files))
    assert problem.startswith(f"BAD the kernel's device {device} has GPIO {pin} (motor ")
    assert problem.endswith(f"): {UNSAFE} > {OVERLAY}")


def test_motor_pin_taken_by_a_device_of_a_strict_controller_is_bad(machine: Make) -> None:
    strict = "mux_owner|gpio_owner (strict) hog?"
    rows = dict.fromkeys(range(54), "UNCLAIMED") | {
        12: "device 1f00098000.pwm function pwm0 group gpio12",
        17: "GPIO pinctrl-rp1:586",
    }
    files = {f"{PI_4_PINS}/pinmux-pins": pinmux(rows, strict)}
    assert problems(machine(GOOD_PI_4 | files)) == [
        f"BAD the kernel's device 1f00098000.pwm has GPIO 12 (motor hip_left): {UNSAFE} > {OVERLAY}"
    ]


def test_motor_pin_taken_through_a_dtparam_line_is_bad(machine: Make) -> None:
    row = "onewire@11 (GPIO UNCLAIMED) function gpio_in group gpio17"
    files = config("dtoverlay=w1-gpio\ndtparam=gpiopin=17\n")
    assert problems(
        machine(GOOD_PI_4 | files | {f"{PI_4_PINS}/pinmux-pins": pinmux({17: row})})
    ) == [f"BAD the kernel's device onewire@11 has GPIO 17 (motor neck_left): {UNSAFE} > {OVERLAY}"]


def test_config_changed_after_boot_is_a_note_instead_of_ok(machine: Make) -> None:
    here = machine(GOOD_PI_4 | config("dtoverlay=w1-gpio\n") | {"proc/stat": STARTED})
    assert problems(here) == [NOT_BOOTED]
    assert "used by no device" not in [finding.sentence for _, finding in examine(here)]


@pytest.mark.parametrize(
    ("is_root", "fix"),
    [
        (True, f"`sudo mount -t debugfs none /sys/kernel/debug`, then {ROOT_DOCTOR}"),
        (False, ROOT_DOCTOR),
    ],
)
def test_pins_without_debug_files_of_the_kernel_are_a_note(
    is_root: bool, fix: str, machine: Make
) -> None:
    tree = {name: text for name, text in GOOD_PI_4.items() if "debug" not in name}
    here = machine(tree, may=lambda path, mode: is_root or "/proc/1" not in path)
    assert f"note which devices of the kernel use the mat's pins was not checked > {fix}" in (
        problems(here)
    )
    assert "used by no device" not in [finding.sentence for _, finding in examine(here)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {BCM2835: "Y", "proc/stat": STARTED},
            [
                NOT_BOOTED,
                f"{KEEPS} keeps outputs > /boot/firmware/config.txt was changed after the last boot: `sudo reboot`",
            ],
            id="line added after the start",
        ),
        pytest.param(
            {BCM2835: "Y"},
            [
                f"{KEEPS} keeps outputs > the firmware ignored `dtparam=strict_gpiod` in config.txt: {UPDATE}"
            ],
            id="line older than the start",
        ),
        pytest.param(
            {BCM2835: "Y", CONFIG: GOOD_CONFIG.replace("dtparam=strict_gpiod", "[pi5]\ndtparam=strict_gpiod\n[all]")},
            [f"{KEEPS} keeps outputs > {ADD} dtparam=strict_gpiod"],
            id="line for another board",
        ),
        pytest.param({BCM2835: None}, [f"{KEEPS} is older than 2024-05 > {UPDATE}"], id="old kernel of Raspberry Pi"),
        pytest.param({BCM2835: None, "proc/sys/kernel/osrelease": "6.1.0-40-arm64"}, [], id="kernel of Debian lets go"),
        pytest.param({RP1: "Y"}, [], id="the driver of another board"),
    ],
)  # fmt: skip
def test_outputs_that_stay_on_after_a_crash_are_bad(
    files: Files, expected: list[str], machine: Make
) -> None:
    check_one_change(machine, files, {}, expected)


RUNS_17 = f"BAD a gpio= line of config.txt can run motor neck_left (GPIO 17) at boot > {LOW}"


def unclear(line: str) -> str:
    return f"note `{line}` in config.txt may run motors at boot: doctor cannot tell whether it applies to this board > the next line overrides it {LOW}"


@pytest.mark.parametrize(
    ("lines", "more", "expected"),
    [
        pytest.param(
            "include usercfg.txt\n",
            {"boot/firmware/usercfg.txt": "# mine\ngpio=17=op,dh\n"},
            [RUNS_17],
            id="high by an included file",
        ),
        pytest.param(
            "include usercfg.txt\ngpio=17=op,dl\n",
            {"boot/firmware/usercfg.txt": "gpio=17=op,dh\n"},
            [],
            id="included file overridden",
        ),
        pytest.param(
            "[pi5]\ninclude usercfg.txt\n",
            {"boot/firmware/usercfg.txt": "gpio=17=op,dh\n"},
            [],
            id="included for another board",
        ),
        pytest.param(
            "include usercfg.txt\ngpio=17=op,dh\n",
            {"boot/firmware/usercfg.txt": "[pi5]\n"},
            [],
            id="scope of an included file goes on after it",
        ),
        pytest.param("include nosuch.txt\n", {}, [], id="included file that is not there"),
        pytest.param("include config.txt\n", {}, [unclear("include config.txt")], id="included without end"),
        pytest.param("[0x3d1f9c7a]\ngpio=17=op,dh\n", {}, [RUNS_17], id="own serial number, its last half"),
        pytest.param("[0x100000003d1f9c7a]\ngpio=17=op,dh\n", {}, [RUNS_17], id="own serial number in full"),
        pytest.param("[0x12345678]\ngpio=17=op,dh\n", {}, [], id="serial number of another Pi"),
        pytest.param(
            "[0x12345678]\ngpio=17=op,dh\n",
            {"proc/device-tree/serial-number": None},
            [unclear("gpio=17=op,dh")],
            id="serial number where this Pi tells none",
        ),
        pytest.param("[pi4]\ngpio=17=op,dh\n", {}, [RUNS_17], id="own model"),
        pytest.param("[pi5]\ngpio=17=op,dh\n", {}, [], id="other model"),
        pytest.param("[pi4]\n[0x12345678]\ngpio=17=op,dh\n", {}, [], id="filters of two types add up"),
        pytest.param("[pi5]\n[pi4]\ngpio=17=op,dh\n", {}, [RUNS_17], id="filters of one type replace"),
        pytest.param("[pi5]\n[all]\ngpio=17=op,dh\n", {}, [RUNS_17], id="all ends filters"),
        pytest.param("[none]\ngpio=17=op,dh\n", {}, [], id="none"),
        pytest.param("[cm4]\ngpio=17=op,dh\n", {}, [unclear("gpio=17=op,dh")], id="a model of the family"),
        pytest.param("[cm5]\ngpio=17=op,dh\n", {}, [], id="a model of another family"),
        pytest.param("[gpio4=1]\ngpio=17=op,dh\n", {}, [unclear("gpio=17=op,dh")], id="by a pin's level"),
        pytest.param("[board-type=0x11]\ngpio=17=op,dh\n", {}, [unclear("gpio=17=op,dh")], id="by board type"),
        pytest.param("[gpio4=1]\ngpio=17=op,dh\n[all]\ngpio=17=op,dl\n", {}, [], id="what is unclear is overridden"),
        pytest.param("gpio=17=op;dh\n", {}, [unclear("gpio=17=op;dh")], id="a line that is not understood"),
        pytest.param("gpio=17=dh\n", {}, [RUNS_17], id="level alone"),
        pytest.param("#gpio=17=dh\n", {}, [], id="comment"),
        pytest.param("gpio=17=a3\n", {}, [RUNS_17], id="other function"),
        pytest.param("gpio=17=ip,pu\n", {}, [RUNS_17], id="pulled up"),
        pytest.param(
            "gpio=22, 27=ip,np\n",
            {},
            [f"note until the daemon starts, only resistors keep motors off (GPIO 22,27) > {LOW}"],
            id="input",
        ),
    ],
)  # fmt: skip
def test_boot_levels_follow_the_lines_that_apply_to_this_board(
    lines: str, more: Files, expected: list[str], machine: Make
) -> None:
    check_one_change(machine, config(lines) | more, {}, expected)


@pytest.mark.parametrize(("lines", "is_ok"), [("", True), ("[EDID=X]\ngpio=17=ip\n", False)])
def test_boot_levels_are_ok_only_if_every_line_is_understood(
    lines: str, is_ok: bool, machine: Make
) -> None:
    findings = examine(machine(GOOD_PI_4 | config(lines)))
    assert (("pins", Finding("ok", "driven low at boot")) in findings) is is_ok
