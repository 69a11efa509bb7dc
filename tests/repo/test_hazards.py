"""docs/hazards.md and the tests say the same: each row has its tests, each fault's test its row."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from firmware_ctl.limits import DEADMAN_DUMP_MS, DEADMAN_KILL_MS
from firmware_ctl.simulator.faults import FAULTS
from tests.support.process import ROOT, call

TESTS = ROOT / "tests"
EMULATION = TESTS / "emulation"
TEXT = (ROOT / "docs" / "hazards.md").read_text()
ROWS = {
    int(cells[1]): cells[2:-1]
    for cells in ([cell.strip() for cell in line.split("|")] for line in TEXT.splitlines())
    if len(cells) == 8 and cells[1].isdecimal()
}
VM = {2, 3, 4, 5, 6, 9, 24}
HW = {27, 28, 29}
ONLY_VM = {3, 6}


def found() -> set[str]:
    """Every test that pytest would collect, the emulation's too where it is there."""
    return {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


NAMES = found()


def test_every_row_of_the_safety_concept_is_there_with_where_it_is_tried() -> None:
    assert list(ROWS) == list(range(1, 31))
    for number, (*_, where, _tests) in ROWS.items():
        simulated = number not in HW | ONLY_VM
        marks = [("sim", simulated), ("vm", number in VM), ("hw", number in HW)]
        assert where.split(", ") == [mark for mark, applies in marks if applies], number


def test_the_documents_name_the_numbers_that_the_code_and_the_unit_have() -> None:
    text = " ".join(TEXT.split())
    unit = (ROOT / "systemd/firmware-ctl.service").read_text()
    kill, dump = f"{DEADMAN_KILL_MS / 1000:g} s", f"{DEADMAN_DUMP_MS / 1000:g} s"
    assert f"{dump} without a checked tick and every thread's stack is logged, {kill} and" in text
    assert f"L2 at {kill}" in text
    assert f"kills it {kill} after its last checked tick" in (ROOT / "README.md").read_text()
    assert f"after {kill}" in unit
    watchdog, spin = (re.findall(rf"^{key}=(\d+)", unit, re.M)[0] for key in ("WatchdogSec", "LimitRTTIME"))  # fmt: skip
    assert f"a watchdog of {watchdog} s" in text
    assert f"{spin} s of real-time processor time" in text


@pytest.mark.parametrize("number", ROWS)
def test_every_test_that_a_row_names_is_there(number: int) -> None:
    cause, effect, layers, where, tests = ROWS[number]
    assert all((cause, effect, layers))
    assert re.search(r"\bL[0-6]\b", layers)
    named = re.findall(r"`(\w+\*?)`", tests)
    assert re.sub(r"`\w+\*?`| ", "", tests) == ""
    patterns = [name for name in named if name.endswith("*")]
    for pattern in patterns:
        assert pattern == f"test_fault_{number:02}_*"
    there = {name: [one for one in NAMES if fnmatch(one, name)] for name in named}
    may_be_away = patterns if "vm" in where and not EMULATION.exists() else []
    assert [name for name in named if not there[name] and name not in may_be_away] == []
    assert "sim" not in where or any(there.values())


def test_every_test_of_a_fault_is_named_in_its_row() -> None:
    for name in NAMES:
        numbers = re.match(r"test_fault((?:_\d\d)+)_", name)
        for number in numbers[1].split("_")[1:] if numbers else []:
            named = re.findall(r"`(\w+\*?)`", ROWS[int(number)][-1])
            assert any(fnmatch(name, pattern) for pattern in named), name


def test_the_faults_that_can_be_injected_are_told_the_same_everywhere() -> None:
    assert dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", TEXT, re.MULTILINE)) == {
        name: what for name, (what, _) in FAULTS.items()
    }
    told = " ".join(call(ROOT, "mock", "--help").stdout.split()).replace("- ", "-")
    *names, last = FAULTS
    assert (
        f"for tests only: simulate a fault one second into the first session: {', '.join(names)} or {last}"
        in told
    )


WHO = (
    *("pregnancy (LI4, SP6, BL60 and GB21 ", "pacemaker or other implants", "heart disease"),
    *("high blood pressure", "thrombosis", "osteoporosis", "tumours", "bleeding tendency"),
    *("broken or numb skin", "recent fracture or surgery", "herniated disc", "diabetes"),
    *("children", "Not for use while asleep or unattended"),
)


@pytest.mark.parametrize("path", ["README.md", "hw/README.md"])
def test_who_should_ask_a_doctor_first_is_told(path: str) -> None:
    text = " ".join((ROOT / path).read_text().split())
    assert "Who should ask a doctor first" in text
    assert [word for word in WHO if word not in text] == []


def test_the_list_of_profiles_points_to_it() -> None:
    told = call(ROOT, "profiles")
    assert told.returncode == 0
    assert told.stderr.endswith("The README says who should ask a doctor first.\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--inject", "hang"], "unrecognized arguments: --inject hang"),
        (["mock", "--inject", "fire"], "unknown fault fire; known: hang, gil, error"),
        (["mock", "--no-view", "--inject", "rail"], "needs a mat file whose gate names a rail pin"),
    ],
)
def test_only_a_mock_takes_faults_and_only_those_that_it_can_make(
    words: list[str], sentence: str, tmp_path: Path
) -> None:
    told = call(tmp_path, *words)
    assert (told.returncode, "* ready" in told.stdout) == (2, False)
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr
