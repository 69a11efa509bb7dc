"""Where things lie: the mat file, the profiles, the state folder, the control socket.

Knows paths, and whom the folders belong to; what is in them is read elsewhere.
"""

import os
import stat
from contextlib import suppress
from typing import Final

from firmware_ctl import shipped
from firmware_ctl.errors import DeviceError

SERVICE_MAT: Final = "/etc/firmware-ctl/mat.yaml"
SERVICE_PROFILES: Final = "/etc/firmware-ctl/profiles"
SERVICE_STATE: Final = "/var/lib/firmware-ctl"
SERVICE_SOCKET: Final = "/run/firmware-ctl/control.sock"


def mat_file() -> str:
    """The service's mat file where there is one, else the shipped one."""
    return SERVICE_MAT if os.path.exists(SERVICE_MAT) else shipped.mat_file()


def profile_folders() -> list[str]:
    """The shipped profiles, and over them the service's own."""
    own = [SERVICE_PROFILES] if os.path.isdir(SERVICE_PROFILES) else []
    return [shipped.profiles_dir(), *own]


def ring_file(state: str) -> str:
    """Where the incident ring of a state folder lies while its daemon runs.

    In memory where the machine has a folder for that: a page of a file on a disk that hangs would
    hold up who writes it.
    """
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK):
        return os.path.join(state, "ring")
    found = os.stat(state)
    return os.path.join(folder, f"firmware-ctl-{found.st_dev:x}-{found.st_ino:x}")


def mock_socket(make: bool = False) -> str:
    """The control socket of the user's mock, in the user's runtime folder.

    `make`: makes the folder, for a daemon. Raises `DeviceError` where another user has taken the
    folder's name: whoever owns the folder can answer in the daemon's place.
    """
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    if not _is_own(folder):
        # WSL, `su` and `sudo -u` set XDG_RUNTIME_DIR to a folder that is not this user's.
        user = os.geteuid()
        folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"firmware-ctl-{user}")
        if make:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        with suppress(FileNotFoundError):  # then no mock runs
            found = os.lstat(folder)
            # Without the bits that a folder inherits from the one that it is made in.
            mode = stat.S_IFMT(found.st_mode) | found.st_mode & 0o777
            if (found.st_uid, mode) != (user, stat.S_IFDIR | 0o700):
                raise DeviceError(
                    f"{folder} is not a folder that only this user can use (mode 0700); remove it, "
                    "or set XDG_RUNTIME_DIR to a folder of your own"
                )
    return os.path.join(folder, "firmware-ctl-mock.sock")


def _is_own(folder: str) -> bool:
    """Whether this user owns the folder and nobody else can put anything into it."""
    try:
        found = os.stat(folder)
    except OSError:
        return False
    is_closed = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
    return os.path.isabs(folder) and is_closed and found.st_uid == os.geteuid()
