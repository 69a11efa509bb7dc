"""The values that programs read from the answers of a daemon."""

from firmware_ctl.protocol.answers import parse_fields, status_values

LINE = (
    'state=running profile=lower-back cert=6941712ae862 phase="arrive" t=2.9 left=717.1 trim=80 '
    "neck=0 lower_back=40 hips=20 signal= fault="
)


def test_status_values_has_numbers_an_object_of_zones_and_null() -> None:
    assert status_values(parse_fields(LINE)) == {
        "state": "running",
        "profile": "lower-back",
        "cert": "6941712ae862",
        "phase": "arrive",
        "t": 2.9,
        "left": 717.1,
        "trim": 80,
        "zones": {"neck": 0, "lower_back": 40, "hips": 20},
        "signal": None,
        "fault": None,
    }


def test_status_values_keeps_fields_of_a_newer_daemon() -> None:
    values = status_values(parse_fields(f"{LINE} by=serial"))
    assert (values["by"], values["fault"], len(values)) == ("serial", None, 11)
