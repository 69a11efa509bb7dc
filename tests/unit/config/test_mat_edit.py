"""New values of `start` and `hold` replace the old ones and no other byte of a mat file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.mat import read_mat
from firmware_ctl.config.mat_edit import with_duties
from firmware_ctl.errors import AuthorError
from tests.support.process import ROOT

SHIPPED = (ROOT / "hw" / "mat.yaml").read_bytes()


def test_with_duties_of_one_motor_changes_one_line_of_the_shipped_file() -> None:
    before = read_mat(SHIPPED, "mat.yaml")
    after = with_duties(before, "mat.yaml", {"hip_left": (48, 29)})
    changed = [
        (old, new)
        for old, new in zip(SHIPPED.splitlines(), after.splitlines(), strict=True)
        if old != new
    ]
    (old, new), *others = changed
    assert others == []
    assert new == re.sub(
        b"hold: [0-9]+%", b"hold: 29%", re.sub(b"start: [0-9]+%", b"start: 48%", old)
    )
    assert b"name: hip_left," in new


HEAD = """\
name: Küchenmatte
pwm_hz: 200
supply: {max_ma: 2000}
limits: {session: 15min, daily: 30min, duty: 80%, rise: 25%/s}
zones:
  back:
    motors:
"""
FIXED = "run_ma: 100, start_ma: 150"
COMMENTS = st.sampled_from(["", "  # start: 99%, hold: 98%", " # ü → hold", "\n      # alone"])
KEYS = st.sampled_from(["{}", '"{}"', "'{}'"])
VALUES = st.sampled_from(["{}%", "{} %", '"{}%"', "'{}%'", "{}.0%", "   {}%"])


@st.composite
def motors(draw: st.DrawFn, number: int) -> tuple[str, str]:
    """The text of a motor in block or flow style, and the same with `S` and `H` as its duties."""
    pairs = {
        "side": "left",
        "pin": str(16 + number),
        "cap": "72%",
        "run_ma": "100",
        "start_ma": "150",
    }
    texts = [f"{key}: {value}" for key, value in pairs.items()]
    marked = list(texts)
    for key, mark in (("start", "S"), ("hold", "H")):
        name, value = draw(KEYS).format(key), draw(VALUES)
        at = draw(st.integers(0, len(texts)))
        texts.insert(at, f"{name}: {value.format(50 if key == 'start' else 30)}")
        marked.insert(at, f"{name}: {value.replace('.0', '').replace(' %', '%').format(mark)}")
    comment = draw(COMMENTS)
    if draw(st.booleans()):
        both = [
            f"      - {{name: m{number}, {', '.join(part)}}}{comment}\n" for part in (texts, marked)
        ]
    else:
        both = [
            f"      - name: m{number}{comment}\n"
            + "".join(f"        {line}{comment}\n" for line in part)
            for part in (texts, marked)
        ]
    return both[0], both[1]


@given(
    one=motors(1), two=motors(2), ends=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(), start=st.integers(31, 72), hold=st.integers(1, 31),
)  # fmt: skip
def test_with_duties_changes_two_scalars_only_and_is_read_back(
    one: tuple[str, str], two: tuple[str, str], ends: str, bom: bool, start: int, hold: int
) -> None:
    def data(*texts: str) -> bytes:
        return b"\xef\xbb\xbf" * bom + (HEAD + "".join(texts)).replace("\n", ends).encode()

    before = read_mat(data(one[0], two[0]), "mat.yaml")
    after = with_duties(before, "mat.yaml", {"m2": (start, hold)})
    # A value that does not change keeps its text, so 30.0% may stay 30.0%, and 30 % may stay 30 %.
    wanted = data(one[0], two[1].replace("S%", f"{start}%").replace("H%", f"{hold}%"))
    same = re.compile(rb"\b(30|50)(?:\.0| )%")
    assert same.sub(rb"\1%", after) == same.sub(rb"\1%", wanted)
    values = [(motor.start_pct, motor.hold_pct) for motor in read_mat(after, "").motors]
    assert values == [(50, 30), (start, hold)]


MOTOR = "      - {{name: m{0}, side: left, pin: 1{1}, {2}, cap: 72%, " + FIXED + "}}\n"


def mat_with(*values: str) -> bytes:
    return (HEAD + "".join(MOTOR.format(i, i + 6, v) for i, v in enumerate(values, 1))).encode()


def test_with_duties_replaces_an_alias_and_refuses_an_anchor() -> None:
    data = mat_with("start: &s 50%, hold: 30%", "start: *s, hold: 30%")
    mat = read_mat(data, "mat.yaml")
    assert with_duties(mat, "mat.yaml", {"m2": (48, 30)}) == data.replace(b"*s", b"48%")
    with pytest.raises(AuthorError) as error:
        with_duties(mat, "mat.yaml", {"m1": (48, 30)})
    assert str(error.value) == (
        "mat.yaml:8:41: start: is written so that it cannot be changed alone; write 48%"
    )


def test_with_duties_that_make_the_mat_invalid_are_refused() -> None:
    data = mat_with("start: 50%, hold: 30%")
    with pytest.raises(AuthorError, match="hold: 60% is above start, 50%"):
        with_duties(read_mat(data, "mat.yaml"), "mat.yaml", {"m1": (50, 60)})
