"""The paths of a real mock: the folder of its socket, and its link."""

import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.process import Mock, call, command, environment

STRANGER = 65534
NAME = "firmware-ctl-mock.sock"
NOT_OWN = "is not a folder that only this user can use (mode 0700); remove it, "

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def of_a_stranger(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, STRANGER, STRANGER)


@needs_root
def test_mock_in_a_folder_that_a_stranger_made_first_is_refused_by_daemon_and_client() -> None:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is 108 bytes at most
        _refused_by_daemon_and_client(Path(folder))


def _refused_by_daemon_and_client(tmp_path: Path) -> None:
    folder = tmp_path / "firmware-ctl-0"
    of_a_stranger(folder)
    folder.chmod(0o777)
    env = environment(tmp_path) | {"TMPDIR": str(tmp_path)}
    del env["XDG_RUNTIME_DIR"]

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command(*words), env=env, capture_output=True, text=True, timeout=20)

    daemon = run("mock", "--no-view")
    assert (daemon.returncode, NOT_OWN in daemon.stderr) == (2, True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / NAME))
        listener.listen()
        stop = run("stop")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (stop.returncode, NOT_OWN in stop.stderr, stop.stdout) == (3, True, "")


def test_link_that_is_another_daemons_or_the_users_own_is_neither_replaced_nor_removed(
    tmp_path: Path,
) -> None:
    mine, port = tmp_path / "mine", tmp_path / "port"
    mine.symlink_to("/etc")
    with Mock(tmp_path / "a", "--link", str(port)) as mock:
        for link, target, advice in (
            (mine, "/etc", "; remove it, or name another with --link"),
            (
                port,
                mock.port,
                ": another mock that runs has made it, or one that was killed has left it. If no "
                f"other mock runs, remove it (`rm {port}`); else name another with --link",
            ),
        ):
            refused = call(tmp_path, "mock", "--no-view", "--socket", "s", "--link", str(link))
            assert (refused.returncode, refused.stderr) == (
                2,
                f"firmware-ctl: {link} is a link to {target} already{advice}\n",
            )
            assert os.readlink(link) == target
        port.unlink()
        port.symlink_to("/dev/pts/x")
        assert mock.end() == (0, "")
    assert (os.readlink(mine), os.readlink(port)) == ("/etc", "/dev/pts/x")


def test_mock_on_the_full_queue_of_a_daemon_that_hangs_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(path)
        listener.listen(0)
        waiting.connect(path)
        done = call(tmp_path, "mock", "--no-view", "--socket", path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        f"firmware-ctl: a daemon that hangs has {path}; "
    )
