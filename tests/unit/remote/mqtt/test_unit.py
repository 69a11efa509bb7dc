"""The unit of the bridge, checked by systemd's own tools."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.config.paths import SERVICE_SOCKET
from tests.support.process import ROOT

UNIT = Path(shipped.systemd_dir()) / "firmware-ctl-mqtt.service"
LINES = UNIT.read_text("utf-8").splitlines()


def analyze(folder: Path, *words: str) -> str:
    if shutil.which("systemd-analyze") is None and os.environ.get("CI") != "true":
        pytest.skip("systemd-analyze is not here; it comes with systemd")
    path = folder / UNIT.name
    path.write_text(
        UNIT.read_text("utf-8").replace("/opt/firmware-ctl/bin/python3", sys.executable)
    )
    done = subprocess.run(["systemd-analyze", *words, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_unit_passes_systemd_analyze_verify(tmp_path: Path) -> None:
    assert analyze(tmp_path, "verify", "--man=no") == ""


def test_unit_exposure_is_at_most_one_and_a_half_of_ten(tmp_path: Path) -> None:
    analyze(tmp_path, "security", "--offline=true", "--threshold=15")


def test_unit_is_not_bound_to_the_daemon() -> None:
    assert not [line for line in LINES if line.startswith(("BindsTo=", "PartOf=", "Requires="))]


def test_unit_may_use_the_control_socket_and_the_network_only() -> None:
    assert "SupplementaryGroups=firmware-ctl" in LINES
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in LINES
    assert os.path.dirname(SERVICE_SOCKET) == "/run/firmware-ctl"


def test_unit_hands_over_the_secrets_that_the_document_names() -> None:
    text = (ROOT / "docs/home.md").read_text("utf-8")
    for line in LINES:
        if line.startswith("LoadCredential="):
            name, _, path = line.removeprefix("LoadCredential=").partition(":")
            assert os.path.basename(path) == name
            assert path in text
