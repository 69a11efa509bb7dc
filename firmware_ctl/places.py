"""Where things lie: the mat file, the profiles, the state folder, the control socket.

Knows paths only; what is in them is read elsewhere.
"""

import os
from typing import Final

from firmware_ctl import shipped

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


def mock_socket() -> str:
    """The control socket of the user's mock, in the user's runtime folder."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if not folder:
        folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"firmware-ctl-{os.getuid()}")
    return os.path.join(folder, "firmware-ctl-mock.sock")
