"""Who owns the folder of a socket, who may answer on it, and who may remove it."""

import argparse
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware_ctl.cli import client
from firmware_ctl.cli import mock as mock_command
from firmware_ctl.cli.client import NoDaemonError
from firmware_ctl.config import paths
from firmware_ctl.daemon import links
from firmware_ctl.errors import DeviceError

STRANGER = 65534
NAME = "firmware-ctl-mock.sock"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the folder that is used without XDG_RUNTIME_DIR; the folder is missing."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"firmware-ctl-{os.geteuid()}"


# --- the folder


def test_mock_socket_without_a_runtime_folder_is_in_a_closed_folder(
    fallback: Path,
) -> None:
    assert paths.mock_socket() == str(fallback / NAME)
    assert not fallback.exists()
    assert paths.mock_socket(make=True) == str(fallback / NAME)
    assert fallback.stat().st_mode & 0o777 == 0o700
    assert paths.mock_socket(make=True) == paths.mock_socket() == str(fallback / NAME)


def test_mock_socket_in_a_folder_that_hands_its_group_on_is_accepted(
    fallback: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o2777)
    assert paths.mock_socket(make=True) == str(fallback / NAME)


def test_mock_socket_in_a_runtime_folder_of_this_user_is_there(
    fallback: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    assert paths.mock_socket() == str(folder / NAME)


def absent(folder: Path) -> None:
    pass


def a_file(folder: Path) -> None:
    folder.touch()


def writable_by_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def of_a_stranger(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, STRANGER, STRANGER)


def a_link(folder: Path) -> None:
    own = folder.with_name("elsewhere")
    own.mkdir(mode=0o700)
    folder.symlink_to(own)


def open_to_read(folder: Path) -> None:
    folder.mkdir(mode=0o755)


@pytest.mark.parametrize(
    "made",
    [absent, a_file, writable_by_all, pytest.param(of_a_stranger, marks=needs_root)],
)
def test_mock_socket_with_an_unusable_runtime_folder_falls_back(
    made: Callable[[Path], None],
    fallback: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made(tmp_path / "run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert paths.mock_socket() == str(fallback / NAME)
    monkeypatch.setenv("XDG_RUNTIME_DIR", ".")
    assert paths.mock_socket() == str(fallback / NAME)


@pytest.mark.parametrize(
    "made",
    [
        a_file,
        a_link,
        open_to_read,
        writable_by_all,
        pytest.param(of_a_stranger, marks=needs_root),
    ],
)
@pytest.mark.parametrize("make", [True, False])
def test_mock_socket_where_the_folder_is_not_closed_to_others_is_refused(
    made: Callable[[Path], None], make: bool, fallback: Path
) -> None:
    made(fallback)
    with pytest.raises(DeviceError, match="only this user can use"):
        paths.mock_socket(make)


# --- who answers


def listening_as(uid: int, path: Path, stack: ExitStack) -> socket.socket:
    """A listening socket of this user: the kernel tells a client who called `listen`."""
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    os.seteuid(uid)
    try:
        listener.listen()
    finally:
        os.seteuid(0)
    return listener


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # never closed
@needs_root
def test_open_socket_that_was_found_asks_only_root_this_user_and_the_folders_owner(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        stranger = tmp_path / "stranger"
        listening_as(STRANGER, stranger, stack)
        with pytest.raises(NoDaemonError, match=r"belongs to another user \(uid 65534\)"):
            client.open_socket(str(stranger), is_named=False)
        client.open_socket(str(stranger))  # whoever names a path has chosen whom to ask
        service = tmp_path / "run"
        service.mkdir()
        os.chown(service, STRANGER, STRANGER)
        listening_as(STRANGER, service / "s", stack)
        client.open_socket(str(service / "s"), is_named=False)
        listening_as(0, tmp_path / "root", stack)
        client.open_socket(str(tmp_path / "root"), is_named=False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # never closed
@needs_root
def test_find_does_not_ask_a_stranger_on_the_services_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(paths, "SERVICE_SOCKET", str(tmp_path / "s"))
    with ExitStack() as stack:
        listening_as(STRANGER, tmp_path / "s", stack)
        with pytest.raises(
            NoDaemonError, match=r"belongs to another user \(uid 65534\); it is not asked"
        ):
            client.find(argparse.Namespace(port=None, socket=None))


def full(path: Path) -> tuple[socket.socket, socket.socket]:
    """A listener that accepts no client, and the one client that fills its queue."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(str(path))
    return listener, waiting


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # never closed
def test_open_socket_with_a_full_queue_waits_and_then_says_that_the_daemon_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, waiting = full(tmp_path / "s")
    with listener, waiting:
        monkeypatch.setattr(client, "ANSWER_S", 0.05)
        with pytest.raises(NoDaemonError, match="does not answer: it takes no new clients"):
            client.open_socket(str(tmp_path / "s"))
        monkeypatch.setattr(client, "ANSWER_S", 20)
        accepts = threading.Timer(0, listener.accept)
        accepts.start()
        client.open_socket(str(tmp_path / "s"))
        accepts.join()


# --- what is replaced, and what is removed


def test_listen_control_on_the_full_queue_of_a_stopped_daemon_refuses_at_once(
    tmp_path: Path,
) -> None:
    listener, waiting = full(tmp_path / "s")
    with listener, waiting, pytest.raises(DeviceError, match="a daemon that hangs has"):
        links.listen_control(str(tmp_path / "s"), pytest.fail)


def test_listen_control_at_its_end_removes_its_own_socket_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = links.listen_control(str(path), pytest.fail)
    path.rename(tmp_path / "old")
    second = links.listen_control(str(path), pytest.fail)
    first.close()
    assert path.is_socket()
    second.close()
    assert not path.exists()
    second.close()


def test_listen_control_by_two_daemons_over_a_dead_socket_lets_one_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second daemon starts after the first looked at the dead socket, before its removal."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    unlink = os.unlink
    others: list[threading.Thread] = []
    outcomes: list[object] = []

    def attempt() -> None:
        try:
            outcomes.append(links.listen_control(path, pytest.fail))
        except DeviceError as error:
            outcomes.append(str(error))

    def unlink_after_another_attempt(removed: str) -> None:
        monkeypatch.setattr(os, "unlink", unlink)
        others.append(threading.Thread(target=attempt))
        others[0].start()
        others[0].join(0.1)  # Without the lock this attempt would end by then.
        unlink(removed)

    monkeypatch.setattr(os, "unlink", unlink_after_another_attempt)
    attempt()
    others[0].join()
    refused = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert refused == [
        f"a daemon answers on {path} already; stop it, or name another with --socket"
    ]
    (listener,) = (outcome for outcome in outcomes if isinstance(outcome, links.Listener))
    assert Path(path).is_socket()
    listener.close()


def test_link_that_a_killed_mock_left_is_replaced(tmp_path: Path) -> None:
    for target, own in (("/dev/pts/99999", "/dev/pts/1"), ("/dev/pts/1", "/dev/pts/1")):
        link = tmp_path / "port"
        link.symlink_to(target)
        with ExitStack() as stack:
            mock_command._symlink(own, str(link), stack)
            assert os.readlink(link) == own
        assert not link.is_symlink()


def test_linked_mock_sockets_looks_at_no_socket(
    fallback: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's file system may hang, and `stop` has other daemons to stop."""
    link = paths.mock_link("/mnt/hangs/mock.sock")
    os.symlink("/mnt/hangs/mock.sock", link)
    real_stat = os.stat

    def stat_or_fail(path: str, **options: object) -> os.stat_result:
        assert not str(path).startswith(("/mnt", link))
        return real_stat(path, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "stat", stat_or_fail)
    assert paths.linked_mock_sockets() == ["/mnt/hangs/mock.sock"]
