"""Safe reading and writing in folders that another user may own.

A command that root runs works in the service's state folder. The service's user could put a link
to one of root's files there, or a FIFO that blocks whoever opens it.
"""

import os
import stat
from contextlib import suppress
from errno import EINVAL


def open_regular(path: str, flags: int) -> int:
    """Opens a regular file and returns its descriptor. Never follows a link, never blocks.

    Raises OSError if `path` is anything else. A file to write to must not have a second hard link,
    because that may be the name of a file of root.
    """
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(EINVAL, "it is not a regular file", path)
    if flags & (os.O_WRONLY | os.O_RDWR) and status.st_nlink > 1:
        os.close(fd)
        raise OSError(EINVAL, "it is another file too, by a hard link", path)
    return fd


def create_new(path: str, mode: int = 0o644, flags: int = 0) -> int:
    """Creates a file and returns its descriptor for writing.

    Removes a file, link or FIFO of the same name first, so that nothing is written through it.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | flags, mode)


def atomic_write(
    path: str,
    data: bytes,
    *,
    durable: bool = True,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
    suffix: str = ".part",
) -> None:
    """Replaces the file at `path`: a reader sees the old content or the new one, never a part.

    The data is written to `path` + `suffix` first, which is then renamed. `durable`: this function
    waits for the disk. A power cut meanwhile leaves one of the two contents, and later the new one.
    `mode`: the permissions; None: those of `create_new`. `owner`: user and group, set if this
    process may; None: those of this process. Raises OSError and leaves no partial file behind.
    """
    part = path + suffix
    try:
        with open(create_new(part), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if owner is not None:
                with suppress(PermissionError):
                    os.fchown(file.fileno(), *owner)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            os.unlink(part)
        raise
    if durable:
        sync_folder(os.path.dirname(path) or ".")


def sync_folder(path: str) -> None:
    """Makes renames in this folder durable. Until then a power cut may undo them."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
