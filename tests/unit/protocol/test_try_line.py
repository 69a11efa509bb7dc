"""The words of a `try`."""

import pytest

from firmware_ctl.errors import CallerError
from firmware_ctl.protocol.try_line import read_try
from tests.support.worlds import MAT


@pytest.mark.parametrize(
    "words",
    [
        "steady 10-40%",
        "steady 10%-40%",
        "steady 10%..40%",
        "steady 10% to 40%",
        "steady 10%,40%",
        "steady {from: 10%, to: 40%}",
        "steady [10%, 40%]",
        "wave 10% to=40% period=4s",
        "steady 10% from=10% to=40%",
        "keyframes 30%",
        "keyframes [[0s, 0%], [5s, 40%]]",
        "steady 30% frames=[[0s,0%],[5s,40%]]",
    ],
)
def test_ramp_in_any_form_is_said_to_need_a_profile(words: str) -> None:
    with pytest.raises(CallerError) as error:
        read_try(["back", *words.split()], MAT)
    assert error.value.code == "bad-argument"
    assert str(error.value) == "`try` plays one level; a ramp needs a profile"


def test_level_that_is_no_ramp_is_read() -> None:
    assert read_try(["back", "steady", "40", "after=1"], MAT).level == (40, 40)
