"""The id of a mat, and which topics are its commands."""

import pytest

from firmware_ctl.remote.mqtt.topics import ALL_STOP, Topics, mat_id


def test_id_is_eight_hex_digits_that_hide_the_machine() -> None:
    machine = "3d1219c7c4c5404aaa1f6d2a48adfda4"
    assert mat_id(machine) == mat_id(f"{machine}\n") == "6d4f4d62"
    assert mat_id(machine) not in machine
    assert mat_id("3d1219c7c4c5404aaa1f6d2a48adfda5") != mat_id(machine)


@pytest.mark.parametrize(
    ("topic", "command"),
    [
        ("firmware-ctl/0badcafe/cmd/start", "start"),
        ("firmware-ctl/0badcafe/cmd/", ""),
        ("firmware-ctl/0badcafe/cmd/a/b", None),
        ("firmware-ctl/0badcaff/cmd/start", None),
        ("firmware-ctl/all/cmd/start", None),
        (ALL_STOP, "stop"),
        ("", None),
    ],
)
def test_command_is_read_from_topics_of_this_mat_only(topic: str, command: str | None) -> None:
    assert Topics("0badcafe").command_of(topic) == command
