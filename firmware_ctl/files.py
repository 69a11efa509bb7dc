"""Files in a folder that another user may own: opened only where they are what they seem.

A command that root runs works in the service's state folder, and the service's user could put a
link to one of root's files there, or a FIFO that makes whoever opens it wait.
"""

import os
import stat
from contextlib import suppress
from errno import EINVAL


def open_regular(path: str, flags: int) -> int:
    """A regular file, never by a link, and without waiting. Raises OSError where it is none."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise OSError(EINVAL, "it is not a regular file", path)
    if flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink > 1:
        os.close(fd)
        raise OSError(EINVAL, "it is another file too, by a hard link", path)
    return fd


def create_new(path: str) -> int:
    """A new file to write to; what has the name is removed before, be it a link or a FIFO."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
