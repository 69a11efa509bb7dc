"""The page's unit checked by systemd's own tools, and `web enable` in a scratch folder."""

import sys
from pathlib import Path

import pytest

from firmware_ctl.cli import web_service
from firmware_ctl.cli.service import ServiceError
from firmware_ctl.cli.web_service import AVAHI_PATH, PACKAGED_UNIT, UNIT_PATH, act
from firmware_ctl.config import paths, shipped
from tests.unit.cli.test_service import UNIT_PATH as DAEMON_UNIT
from tests.unit.cli.test_service import Pi, analyze

STARTED = [
    "systemctl enable firmware-ctl-web.service",
    "systemctl restart firmware-ctl-web.service",
]


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    found = Pi(tmp_path / "root")
    place(found, DAEMON_UNIT)
    return found


def place(pi: Pi, path: str) -> None:
    target = Path(pi.host.path(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()


def unit(folder: Path) -> Path:
    text = (Path(shipped.systemd_dir()) / web_service.UNIT).read_text()
    path = folder / web_service.UNIT
    path.write_text(text.replace("/opt/firmware-ctl/bin/python3", sys.executable))
    return path


def test_unit_of_the_page_passes_systemd_analyze_verify(tmp_path: Path) -> None:
    assert analyze("verify", "--man=no", str(unit(tmp_path))) == ""


def test_unit_of_the_page_has_an_exposure_of_at_most_1_5(tmp_path: Path) -> None:
    # The threshold counts tenths.
    analyze("security", "--offline=true", "--threshold=15", str(unit(tmp_path)))


def test_unit_of_the_page_does_not_depend_on_the_daemons() -> None:
    lines = (Path(shipped.systemd_dir()) / web_service.UNIT).read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    assert not {"BindsTo", "PartOf", "Requires", "CPUSchedulingPolicy"} & {*values}
    assert paths.SERVICE_SOCKET in values["ExecStart"]
    assert f"/var/lib/{values['StateDirectory']}" == paths.SERVICE_WEB_STATE
    assert (values["DynamicUser"], values["Restart"]) == ("yes", "always")


def test_enable_puts_unit_and_announcement_into_place_and_starts(
    pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    act(pi.host, "enable")
    assert pi.ran == ["systemctl daemon-reload", *STARTED]
    text = Path(pi.host.path(UNIT_PATH)).read_text()
    assert r"ExecStart=/opt/my\x20mat/bin/python3 -I -m firmware_ctl web" in text
    assert "_http._tcp" in Path(pi.host.path(AVAHI_PATH)).read_text()
    assert "sudo firmware-ctl web pair" in capsys.readouterr().out


def test_disable_removes_what_enable_has_put(pi: Pi) -> None:
    act(pi.host, "enable")
    pi.ran.clear()
    act(pi.host, "disable")
    assert pi.ran == [
        "systemctl disable --now firmware-ctl-web.service",
        "systemctl daemon-reload",
    ]
    assert pi.files() == [DAEMON_UNIT]
    pi.ran.clear()
    act(pi.host, "disable")
    assert pi.ran == []


def test_enable_of_the_debian_package_writes_the_announcement_only(pi: Pi) -> None:
    place(pi, PACKAGED_UNIT)
    before = pi.files()
    act(pi.host, "enable")
    assert {*pi.files()} == {*before, AVAHI_PATH}
    act(pi.host, "disable")
    assert pi.files() == before
    assert pi.ran == [*STARTED, "systemctl disable --now firmware-ctl-web.service"]


def test_enable_without_the_mats_service_is_refused(tmp_path: Path) -> None:
    bare = Pi(tmp_path / "root")
    with pytest.raises(ServiceError, match="service install"):
        act(bare.host, "enable")
    assert bare.ran == []


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_web_service_needs_systemd_and_root(action: str, pi: Pi) -> None:
    with pytest.raises(ServiceError, match="only root"):
        act(pi.host._replace(is_admin=False), action)
    (pi.root / "run/systemd/system").rmdir()
    with pytest.raises(ServiceError, match="systemd does not run here"):
        act(pi.host, action)
