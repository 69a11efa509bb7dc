"""The unit as systemd's own tools see it, and `service` in a scratch folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware_ctl import places, shipped
from firmware_ctl.limits import DEADMAN_KILL_MS
from firmware_ctl.mat import read_mat
from firmware_ctl.service import FILES, Machine, ServiceError, act
from tests.process import ROOT, call

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
    """A scratch folder as `/`, and a runner that writes down what it was to run."""

    def __init__(self, root: Path) -> None:
        (root / "run" / "systemd" / "system").mkdir(parents=True)
        (root / "run" / "udev").mkdir()
        (root / "run" / "udev" / "control").touch()
        self.root = root
        self.ran: list[str] = []
        self.fails: set[str] = set()
        """The first two words of commands that end with exit code 1."""
        self.machine = Machine(
            str(root), self.run, "/opt/my mat/bin/python3", "/opt/my mat/lib/firmware_ctl", True
        )

    def run(self, words: Sequence[str]) -> int:
        if words[1] not in ("is-enabled", "is-active"):
            self.ran.append(" ".join(words))
        return 1 if " ".join(words[:2]) in self.fails else 0

    def files(self) -> list[str]:
        found = [path for path in self.root.rglob("*") if path.is_file()]
        paths = [f"/{path.relative_to(self.root)}" for path in found]
        return sorted(path for path in paths if not path.startswith("/run/"))


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path / "root")


# --- systemd's own view of the unit ---


def filled_in(folder: Path) -> Path:
    """The unit with a Python and a package that are there."""
    pi = Pi(folder / "root")
    machine = pi.machine._replace(python=sys.executable, package=str(ROOT / "firmware_ctl"))
    path = folder / "firmware-ctl.service"
    path.write_text(machine.files()[UNIT_PATH])
    return path


def analyze(*words: str) -> str:
    if shutil.which("systemd-analyze") is None and os.environ.get("CI") != "true":
        pytest.skip("systemd-analyze is not here; it comes with systemd")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    assert analyze("verify", "--man=no", str(filled_in(tmp_path))) == ""


def test_the_units_exposure_is_at_most_one_of_ten(tmp_path: Path) -> None:
    # The threshold counts tenths.
    analyze("security", "--offline=true", "--threshold=10", str(filled_in(tmp_path)))
    told = (Path(shipped.systemd_dir()) / "README.md").read_text()
    assert "exposure of 1.0 of 10" in told


def test_the_unit_agrees_with_the_places_that_the_program_knows() -> None:
    text = (Path(shipped.systemd_dir()) / "firmware-ctl.service").read_text()
    settings = [line.partition("=") for line in text.splitlines() if line and line[0] != "#"]
    found = {key: value for key, _, value in settings}
    assert found["ExecStopPost"] == (
        "/opt/firmware-ctl/bin/python3 -I -S /opt/firmware-ctl/off.py "
        f"{places.SERVICE_STATE} {places.SERVICE_SOCKET}"
    )
    assert f"/var/lib/{found['StateDirectory']}" == places.SERVICE_STATE
    assert f"/run/{found['RuntimeDirectory']}" == os.path.dirname(places.SERVICE_SOCKET)
    life = ["Type", "WatchdogSec", "WatchdogSignal", "Restart", "RestartPreventExitStatus"]
    assert [found[key] for key in life] == ["notify", "2", "SIGKILL", "on-failure", "2"]


def test_a_crash_loop_reaches_the_start_limit_however_slow_each_round() -> None:
    text = (Path(shipped.systemd_dir()) / "firmware-ctl.service").read_text()
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert (found["StartLimitIntervalSec"], found["StartLimitBurst"]) == ("10min", "5")
    # Starting, a spin that the kernel ends, stopping, ExecStopPost= and the wait before the next.
    spinning_s = int(found["LimitRTTIME"].removesuffix("s"))
    stopping_s = 2 * int(found["TimeoutStopSec"])
    round_s = int(found["TimeoutStartSec"]) + spinning_s + stopping_s + int(found["RestartSec"])
    assert 5 * round_s < 600
    # Loading may take this long, computing all the time: 16 s were seen on a busy emulated Pi.
    assert spinning_s > 20
    assert int(found["WatchdogSec"]) * 1000 > DEADMAN_KILL_MS
    told = (Path(shipped.systemd_dir()) / "README.md").read_text()
    assert "fails five times within ten minutes stays off" in told


@pytest.mark.parametrize("key", ["PrivatePIDs", "RemoveIPC", "PrivateDevices", "ProcSubset"])
def test_the_unit_leaves_open_what_the_daemon_needs(key: str) -> None:
    lines = (Path(shipped.systemd_dir()) / "firmware-ctl.service").read_text().splitlines()
    assert not [line for line in lines if line.startswith(f"{key}=")]


# --- install, status, uninstall ---


def test_install_puts_all_in_place_and_says_each_line(
    pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert act(pi.machine, "install", False) == 0
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
    assert "/python3 -I -S /opt/my\\x20mat/lib/firmware_ctl/off.py /var/lib" in unit
    assert "/opt/firmware-ctl/" not in "".join(unit.splitlines(keepends=True)[2:])
    mat = (pi.root / "etc/firmware-ctl/mat.yaml").read_bytes()
    assert os.path.isfile(mat.split(b"$schema=")[1].split(b"\n")[0])
    read_mat(mat, "mat.yaml")


def test_again_it_changes_nothing(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    act(pi.machine, "install", False)
    pi.ran.clear()
    capsys.readouterr()
    assert act(pi.machine, "install", False) == 0
    assert pi.ran == []
    assert capsys.readouterr().out == "the service is in place and runs; nothing to change\n"


@pytest.mark.parametrize("question", ["is-enabled", "is-active"])
def test_what_was_cut_short_is_done_again(pi: Pi, question: str) -> None:
    pi.fails = {"systemctl daemon-reload"}
    with pytest.raises(ServiceError, match="systemctl daemon-reload failed"):
        act(pi.machine, "install", False)
    pi.ran.clear()
    pi.fails = {f"systemctl {question}"}
    act(pi.machine, "install", False)
    assert pi.ran == PLACED


def test_where_no_udev_runs_it_is_not_asked(pi: Pi) -> None:
    (pi.root / "run/udev/control").unlink()
    act(pi.machine, "install", False)
    assert pi.ran == [SYSUSERS, TMPFILES, *STARTED]


def test_what_differs_is_put_right_and_the_mat_file_left_alone(
    pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    act(pi.machine, "install", False)
    unit, mat = pi.root / UNIT_PATH[1:], pi.root / "etc/firmware-ctl/mat.yaml"
    right = unit.read_text()
    unit.write_text(right.replace("WatchdogSec=2\n", "WatchdogSec=20\n"))
    mat.write_text("mine\n")
    pi.ran.clear()
    capsys.readouterr()
    assert act(pi.machine, "status", False) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{UNIT_PATH} differs from what this version installs",
        *(f"{path} is in place" for path in list(FILES)[1:]),
        "/etc/firmware-ctl/mat.yaml is there",
        "it starts with the machine",
        "it runs",
    ]
    act(pi.machine, "install", False)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line[:1] in "-+"] == [
        f"--- {UNIT_PATH}",
        f"+++ {UNIT_PATH}",
        "-WatchdogSec=20",
        "+WatchdogSec=2",
    ]
    assert (unit.read_text(), mat.read_text()) == (right, "mine\n")
    assert pi.ran == PLACED
    assert act(pi.machine, "status", False) == 0


def test_a_dry_run_says_the_same_and_does_nothing(
    pi: Pi, capsys: pytest.CaptureFixture[str]
) -> None:
    user = pi.machine._replace(is_admin=False)
    assert act(user, "install", True) == 0
    assert (pi.files(), pi.ran) == ([], [])
    dry = capsys.readouterr().out
    act(pi.machine, "install", False)
    assert capsys.readouterr().out == dry
    pi.ran.clear()
    before = pi.files()
    act(user, "uninstall", True)
    assert (pi.files(), pi.ran) == (before, [])
    assert f"would remove {UNIT_PATH}" in capsys.readouterr().out.splitlines()


def test_uninstall_leaves_what_is_the_users(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    act(pi.machine, "install", False)
    (pi.root / "var/lib/firmware-ctl").mkdir(parents=True)
    pi.ran.clear()
    capsys.readouterr()
    assert act(pi.machine, "uninstall", False) == 0
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
    assert act(pi.machine, "uninstall", False) == 0
    assert pi.ran == []
    assert capsys.readouterr().out.splitlines() == [
        "the service is not installed; nothing to change",
        *kept,
    ]


def test_status_of_nothing(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    pi.fails = {"systemctl is-enabled", "systemctl is-active"}
    assert act(pi.machine._replace(is_admin=False), "status", False) == 1
    assert capsys.readouterr().out.splitlines() == [
        *(f"{path} is missing" for path in FILES),
        "/etc/firmware-ctl/mat.yaml is missing",
        "it does not start with the machine",
        "it does not run; why: journalctl -u firmware-ctl.service -n 20",
    ]


@pytest.mark.parametrize("hidden", ["/home/ada/mat", "/root/.venv", "/tmp/v"])
@pytest.mark.parametrize("which", ["python", "package"])
def test_what_the_service_could_not_see_is_refused(pi: Pi, hidden: str, which: str) -> None:
    with pytest.raises(ServiceError, match=f"the service could not see {hidden}; install the"):
        act(pi.machine._replace(**{which: hidden}), "install", True)  # type: ignore[arg-type]
    assert (pi.files(), pi.ran) == ([], [])


def test_expected_trouble_is_a_sentence(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["firmware-ctl"])
    with pytest.raises(ServiceError, match="only root may do that; try: sudo firmware-ctl service"):
        act(pi.machine._replace(is_admin=False), "install", False)
    pi.fails = {SYSUSERS}
    with pytest.raises(ServiceError, match=r"systemd-sysusers .* failed"):
        act(pi.machine, "install", False)

    def missing(words: Sequence[str]) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(ServiceError, match="systemctl cannot be run: No such file"):
        act(pi.machine._replace(run=missing), "uninstall", False)
    (pi.root / "etc").rename(pi.root / "gone")
    (pi.root / "etc").touch()
    with pytest.raises(ServiceError, match=r"etc.*: Not a directory"):
        act(pi.machine, "install", False)
    (pi.root / "run/systemd/system").rmdir()
    with pytest.raises(ServiceError, match="systemd does not run here; --dry-run shows"):
        act(pi.machine, "install", False)


def test_the_command_is_there(tmp_path: Path) -> None:
    done = call(tmp_path, "service", "status")
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    assert done.stdout.splitlines()[0].startswith(UNIT_PATH)
