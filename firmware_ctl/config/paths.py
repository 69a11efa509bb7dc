"""The paths of the mat file, the profiles, the state folder and the control socket.

This module checks the owner of a folder if another user could misuse it. It reads no file.
"""

import os
import stat
from contextlib import suppress
from typing import Final

from firmware_ctl.config import shipped
from firmware_ctl.errors import DeviceError

SERVICE_MAT: Final = "/etc/firmware-ctl/mat.yaml"
SERVICE_PROFILES: Final = "/etc/firmware-ctl/profiles"
SERVICE_STATE: Final = "/var/lib/firmware-ctl"
SERVICE_WEB_STATE: Final = "/var/lib/firmware-ctl-web"
"""The folder of the devices that are paired with the page for phones."""
SERVICE_SOCKET: Final = "/run/firmware-ctl/control.sock"
SHARED_MEMORY: Final = "/dev/shm"
"""A file system in memory, so that a write never waits for a disk."""


def mat_file() -> str:
    """The service's mat file, or the shipped one if the service has none."""
    return SERVICE_MAT if os.path.exists(SERVICE_MAT) else shipped.mat_file()


def profile_folders() -> list[str]:
    """The folders of profiles. A later folder replaces profiles of the same name: the service's own
    folder comes after the shipped one."""
    own = [SERVICE_PROFILES] if os.path.isdir(SERVICE_PROFILES) else []
    return [shipped.profiles_dir(), *own]


def mock_state() -> str:
    """The folder in which `setup --mock` and `wiring --mock` keep the user's mat file."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "firmware-ctl-mock")


def web_state() -> str:
    """The folder of the devices that are paired with the user's own page for phones."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "firmware-ctl-web")


def ring_file(state: str) -> str:
    """The path to which the flight recorder writes while the daemon of this state folder runs.

    The file is in shared memory if the machine has it, because a write to a disk that hangs would
    hold up the loop. The folder's device and inode are in the name, so that each state folder has a
    file of its own, whatever path leads to the folder.
    """
    if not os.access(SHARED_MEMORY, os.W_OK):
        return os.path.join(state, "ring")
    found = os.stat(state)
    return os.path.join(SHARED_MEMORY, f"firmware-ctl-{found.st_dev:x}-{found.st_ino:x}")


def mock_socket(make: bool = False) -> str:
    """The control socket of the user's mock, in a folder that only this user can use.

    `make` True: makes the folder if it is missing, which only a daemon needs. Raises DeviceError if
    the folder belongs to another user or is open to others, who could answer in the daemon's place.
    """
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    if not _is_own(folder):
        # WSL, `su` and `sudo -u` set XDG_RUNTIME_DIR to a folder that is not this user's.
        user = os.geteuid()
        folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"firmware-ctl-{user}")
        if make:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        with suppress(FileNotFoundError):  # A client whose daemon does not run finds no folder.
            status = os.lstat(folder)
            # Only the file type and the permissions: a folder inherits the setgid bit.
            mode = stat.S_IFMT(status.st_mode) | status.st_mode & 0o777
            if (status.st_uid, mode) != (user, stat.S_IFDIR | 0o700):
                raise DeviceError(
                    f"{folder} is not a folder that only this user can use (mode 0700); remove it, "
                    "or set XDG_RUNTIME_DIR to a folder of your own"
                )
    return os.path.join(folder, "firmware-ctl-mock.sock")


def mock_link(socket_path: str) -> str:
    """The link by which a plain `stop` finds a mock that has a socket of its own.

    It stands beside the socket of `mock_socket`, which raises DeviceError if that folder is unsafe.
    """
    from hashlib import sha256  # Only a mock needs it, and it loads a library.

    name = sha256(os.fsencode(socket_path)).hexdigest()[:16]
    return mock_socket(make=True).removesuffix(".sock") + f"-{name}.sock"


def linked_mock_sockets() -> list[str]:
    """The sockets that the links of `mock_link` lead to. Empty without a folder to trust.

    A link's own path may be too long for a socket, which has at most 107 bytes.
    """
    try:
        stem = mock_socket().removesuffix(".sock") + "-"
        with os.scandir(os.path.dirname(stem)) as entries:
            links = [entry.path for entry in entries if entry.is_symlink()]
    except (DeviceError, OSError):
        return []
    targets = []
    for link in links:
        if link.startswith(stem):
            with suppress(OSError):  # of a mock that has just ended
                targets.append(os.readlink(link))
    return sorted(filter(os.path.exists, targets))


def daemon_may_run() -> bool:
    """Whether a daemon has left a socket. Without one the client's modules need not be loaded."""
    try:
        return any(map(os.path.exists, [SERVICE_SOCKET, mock_socket()]))
    except DeviceError:
        return True  # the client will say what is wrong


def _is_own(folder: str) -> bool:
    """Whether this user owns the folder and no other user can write to it."""
    try:
        status = os.stat(folder)
    except OSError:
        return False
    is_closed = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
    return os.path.isabs(folder) and is_closed and status.st_uid == os.geteuid()
