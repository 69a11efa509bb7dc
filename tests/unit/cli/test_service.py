"""The unit file checked by systemd's own tools, and `service` in a scratch folder."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware_ctl.cli.service import (
    FILES,
    PACKAGED_UNIT,
    ServiceError,
    ServiceHost,
    act,
)
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.mat import read_mat
from firmware_ctl.limits import DEADMAN_KILL_MS
from tests.support.process import ROOT

UNIT_PATH = "/etc/systemd/system/firmware-ctl.service"
EVERYWHERE = ["/etc/firmware-ctl/mat.yaml", *FILES]

SYSUSERS = "systemd-sysusers /etc/sysusers.d/firmware-ctl.conf"
TMPFILES = "systemd-tmpfiles --create /etc/tmpfiles.d/firmware-ctl.conf"
UDEV = ["udevadm control --reload", "udevadm trigger --subsystem-match=gpio"]
STARTED = [
    "systemctl daemon-reload",
    "systemctl enable firmware-ctl.service",
    "systemctl restart firmware-ctl.service",
]
PLACED = [SYSUSERS, TMPFILES, *UDEV, *STARTED]


class Pi:
    """A scratch folder as `/`, and a runner that records commands instead of running them."""

    def __init__(self, root: Path) -> None:
        (root / "run" / "systemd" / "system").mkdir(parents=True)
        (root / "run" / "udev").mkdir()
        (root / "run" / "udev" / "control").touch()
        self.root = root
        self.ran: list[str] = []
        self.fails: set[str] = set()
        """The first two words of each command that is to fail with exit code 1."""
        self.host = ServiceHost(
            str(root), self.run, "/opt/my mat/bin/python3", "/opt/my mat/lib/firmware_ctl", True
        )

    def run(self, words: Sequence[str]) -> int:
        if words[1] not in ("is-enabled", "is-active"):
            self.ran.append(" ".join(words))
        return 1 if " ".join(words[:2]) in self.fails else 0

    def files(self) -> list[str]:
        files = [path for path in self.root.rglob("*") if path.is_file()]
        names = [f"/{path.relative_to(self.root)}" for path in files]
        return sorted(name for name in names if not name.startswith("/run/"))


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path / "root")


# --- the unit file ---


def filled_in(folder: Path) -> Path:
    """The unit with the paths of this Python and this package, so that systemd finds both."""
    pi = Pi(folder / "root")
    host = pi.host._replace(python=sys.executable, package=str(ROOT / "firmware_ctl"))
    path = folder / "firmware-ctl.service"
    path.write_text(host.files()[UNIT_PATH])
    return path


def analyze(*words: str) -> str:
    if shutil.which("systemd-analyze") is None and os.environ.get("CI") != "true":
        pytest.skip("systemd-analyze is not here; it comes with systemd")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_unit_passes_systemd_analyze_verify(tmp_path: Path) -> None:
    assert analyze("verify", "--man=no", str(filled_in(tmp_path))) == ""


def test_unit_exposure_is_at_most_one_of_ten(tmp_path: Path) -> None:
    # The threshold counts tenths.
    analyze("security", "--offline=true", "--threshold=10", str(filled_in(tmp_path)))
    readme = (Path(shipped.systemd_dir()) / "README.md").read_text()
    assert "exposure of 1.0 of 10" in readme


def test_unit_paths_and_restart_settings_match_the_program() -> None:
    text = (Path(shipped.systemd_dir()) / "firmware-ctl.service").read_text()
    settings = [line.partition("=") for line in text.splitlines() if line and line[0] != "#"]
    values = {key: value for key, _, value in settings}
    assert values["ExecStopPost"] == (
        "/opt/firmware-ctl/bin/python3 -I -S /opt/firmware-ctl/off.py "
        f"{paths.SERVICE_STATE} {paths.SERVICE_SOCKET}"
    )
    assert values["ExecReload"] == (
        "/opt/firmware-ctl/bin/python3 -I -m firmware_ctl.cli.reload "
        f"--socket {paths.SERVICE_SOCKET}"
    )
    assert f"/var/lib/{values['StateDirectory']}" == paths.SERVICE_STATE
    assert f"/run/{values['RuntimeDirectory']}" == os.path.dirname(paths.SERVICE_SOCKET)
    life = ["Type", "WatchdogSec", "WatchdogSignal", "Restart", "RestartPreventExitStatus"]
    assert [values[key] for key in life] == ["notify", "2", "SIGKILL", "on-failure", "2"]


def test_unit_start_limit_is_reached_by_the_slowest_crash_loop() -> None:
    text = (Path(shipped.systemd_dir()) / "firmware-ctl.service").read_text()
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert (values["StartLimitIntervalSec"], values["StartLimitBurst"]) == ("10min", "5")
    # Starting, a spin that the kernel ends, stopping, ExecStopPost= and the wait before the next.
    spinning_s = int(values["LimitRTTIME"].removesuffix("s"))
    stopping_s = 2 * int(values["TimeoutStopSec"])
    round_s = int(values["TimeoutStartSec"]) + spinning_s + stopping_s + int(values["RestartSec"])
    assert 5 * round_s < 600
    # Loading the program took 16 s of computing on a busy emulated Pi.
    assert spinning_s > 20
    assert int(values["WatchdogSec"]) * 1000 > DEADMAN_KILL_MS
    readme = (Path(shipped.systemd_dir()) / "README.md").read_text()
    assert "fails five times within ten minutes stays off" in readme


@pytest.mark.parametrize("key", ["PrivatePIDs", "RemoveIPC", "PrivateDevices", "ProcSubset"])
def test_unit_does_not_hide_what_the_daemon_needs(key: str) -> None:
    lines = (Path(shipped.systemd_dir()) / "firmware-ctl.service").read_text().splitlines()
    assert not [line for line in lines if line.startswith(f"{key}=")]


# --- install, uninstall ---


def test_install_writes_all_files_and_prints_each_line(
    pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    act(pi.host, "install")
    assert pi.files() == sorted(EVERYWHERE)
    assert pi.ran == PLACED
    lines = capsys.readouterr().out.splitlines()
    for path in pi.files():
        text = (pi.root / path[1:]).read_text()
        at = lines.index(f"+++ {path}")
        written = text.splitlines()
        assert lines[at - 1] == "--- /dev/null"
        assert lines[at + 2 : at + 2 + len(written)] == [f"+{line}" for line in written]
        assert (pi.root / path[1:]).stat().st_mode & 0o777 == 0o644
    assert [line[2:] for line in lines if line.startswith("$ ")] == pi.ran
    unit = (pi.root / UNIT_PATH[1:]).read_text()
    assert "\nExecStart=/opt/my\\x20mat/bin/python3 -I -m firmware_ctl run\n" in unit
    assert (
        "/python3 -I -S /opt/my\\x20mat/lib/firmware_ctl/hardware/emergency_off.py /var/lib" in unit
    )
    assert "/opt/firmware-ctl/" not in "".join(unit.splitlines(keepends=True)[2:])
    mat = (pi.root / "etc/firmware-ctl/mat.yaml").read_bytes()
    assert os.path.isfile(mat.split(b"$schema=")[1].split(b"\n")[0])
    read_mat(mat, "mat.yaml")


def test_install_again_changes_nothing(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    act(pi.host, "install")
    pi.ran.clear()
    capsys.readouterr()
    act(pi.host, "install")
    assert pi.ran == []
    assert capsys.readouterr().out == "the service is in place and runs; nothing to change\n"


@pytest.mark.parametrize("question", ["is-enabled", "is-active"])
def test_install_after_an_interrupted_one_runs_all_commands_again(pi: Pi, question: str) -> None:
    pi.fails = {"systemctl daemon-reload"}
    with pytest.raises(ServiceError, match="systemctl daemon-reload failed"):
        act(pi.host, "install")
    pi.ran.clear()
    pi.fails = {f"systemctl {question}"}
    act(pi.host, "install")
    assert pi.ran == PLACED


def test_install_without_udev_does_not_call_udevadm(pi: Pi) -> None:
    (pi.root / "run/udev/control").unlink()
    act(pi.host, "install")
    assert pi.ran == [SYSUSERS, TMPFILES, *STARTED]


def test_install_restores_a_changed_unit_and_keeps_the_mat_file(
    pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    act(pi.host, "install")
    unit, mat = pi.root / UNIT_PATH[1:], pi.root / "etc/firmware-ctl/mat.yaml"
    right = unit.read_text()
    unit.write_text(right.replace("WatchdogSec=2\n", "WatchdogSec=20\n"))
    mat.write_text("mine\n")
    pi.ran.clear()
    capsys.readouterr()
    act(pi.host, "install")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[:1] in "-+"] == [
        f"--- {UNIT_PATH}",
        f"+++ {UNIT_PATH}",
        "-WatchdogSec=20",
        "+WatchdogSec=2",
    ]
    assert (unit.read_text(), mat.read_text()) == (right, "mine\n")
    assert pi.ran == PLACED


def test_uninstall_keeps_mat_file_and_state(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    act(pi.host, "install")
    (pi.root / "var/lib/firmware-ctl").mkdir(parents=True)
    pi.ran.clear()
    capsys.readouterr()
    act(pi.host, "uninstall")
    assert pi.files() == ["/etc/firmware-ctl/mat.yaml"]
    disable = "systemctl disable --now firmware-ctl.service"
    assert pi.ran == [disable, "systemctl daemon-reload", *UDEV]
    kept = ["/etc/firmware-ctl is left as it is", "/var/lib/firmware-ctl is left as it is"]
    assert capsys.readouterr().out.splitlines() == [
        f"$ {disable}",
        *(f"removed {path}" for path in FILES),
        *(f"$ {command}" for command in pi.ran[1:]),
        *kept,
    ]
    pi.ran.clear()
    act(pi.host, "uninstall")
    assert pi.ran == []
    assert capsys.readouterr().out.splitlines() == [
        "the service is not installed; nothing to change",
        *kept,
    ]


@pytest.fixture
def packaged(pi: Pi) -> Pi:
    """A machine with the Debian package, which has brought the unit, and with a mat file."""
    for path in (PACKAGED_UNIT, paths.SERVICE_MAT):
        file = pi.root / path[1:]
        file.parent.mkdir(parents=True)
        file.touch()
    pi.host = pi.host._replace(python="/usr/bin/python3", package=paths.PACKAGED_AT)
    return pi


def test_package_is_enabled_and_disabled_without_a_file(
    packaged: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    files = packaged.files()
    packaged.fails = {"systemctl is-enabled"}
    act(packaged.host, "install")
    assert packaged.ran == STARTED[1:]
    packaged.ran.clear()
    act(packaged.host, "uninstall")
    assert packaged.ran == ["systemctl disable --now firmware-ctl.service"]
    assert packaged.files() == files
    assert capsys.readouterr().out.endswith("`sudo apt remove firmware-ctl`\n")


def test_package_does_not_start_the_unit_of_another_installation(packaged: Pi) -> None:
    unit = packaged.root / UNIT_PATH[1:]
    unit.parent.mkdir(parents=True)
    unit.touch()
    with pytest.raises(ServiceError, match=f"{UNIT_PATH} of another installation takes the place"):
        act(packaged.host, "install")
    assert packaged.ran == []


@pytest.mark.parametrize("hidden", ["/home/ada/mat", "/root/.venv", "/tmp/v"])
@pytest.mark.parametrize("field", ["python", "package"])
def test_install_from_a_folder_that_systemd_hides_is_refused(
    pi: Pi, hidden: str, field: str
) -> None:
    with pytest.raises(
        ServiceError, match=f"the service cannot read {hidden}, because systemd hides"
    ):
        act(pi.host._replace(**{field: hidden}), "install")  # type: ignore[arg-type]
    assert (pi.files(), pi.ran) == ([], [])


def test_expected_errors_are_sentences(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["firmware-ctl"])
    with pytest.raises(ServiceError, match="only root may do that; try: sudo firmware-ctl service"):
        act(pi.host._replace(is_admin=False), "install")
    pi.fails = {SYSUSERS}
    with pytest.raises(ServiceError, match=r"systemd-sysusers .* failed"):
        act(pi.host, "install")

    def missing(words: Sequence[str]) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(ServiceError, match="systemctl cannot be run: No such file"):
        act(pi.host._replace(run=missing), "uninstall")
    (pi.root / "etc").rename(pi.root / "gone")
    (pi.root / "etc").touch()
    with pytest.raises(ServiceError, match=r"etc.*: Not a directory"):
        act(pi.host, "install")
    (pi.root / "run/systemd/system").rmdir()
    with pytest.raises(ServiceError, match="systemd does not run here"):
        act(pi.host, "install")


# --- the document ---


def test_off_command_of_the_document_works_after_an_upgrade_of_python(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^sudo (sh -c '.*off\.py.*')$", text, re.MULTILINE)
    opt = tmp_path / "opt"
    base = Path(sys._base_executable)  # type: ignore[attr-defined]
    (opt / "bin").mkdir(parents=True)
    (opt / "bin" / "python3").symlink_to(base)
    (opt / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    package = opt / "lib" / "python3.0" / "site-packages" / "firmware_ctl"
    shutil.copytree(ROOT / "firmware_ctl", package, ignore=shutil.ignore_patterns("__pycache__"))
    moved = {"/opt/firmware-ctl": str(opt), "/var/lib/": f"{tmp_path}/", "/run/": f"{tmp_path}/"}
    for path, here in moved.items():
        line = line.replace(path, here)
    python = opt / "bin" / "python3"
    run = {"env": {"PATH": "/usr/bin:/bin"}, "capture_output": True, "text": True}
    traceback = subprocess.run((python, "-I", "-m", "firmware_ctl", "off"), **run)  # type: ignore[call-overload]
    off = subprocess.run(line, shell=True, **run)  # type: ignore[call-overload]
    assert "No module named firmware_ctl" in traceback.stderr
    assert (off.returncode, off.stderr) == (0, "")
