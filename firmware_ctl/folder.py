"""Profile and mat files: found, read from the disk, and made into values."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from errno import EINVAL, ENOENT

from firmware_ctl import places
from firmware_ctl.catalogue import Catalogue, Entry, read_entry
from firmware_ctl.document import BYTES_MAX
from firmware_ctl.errors import AuthorError, DeviceError, Mistake
from firmware_ctl.mat import Mat, read_mat

ENDINGS = (".yaml", ".yml")
"""A profile's file ends in the first; someone who has it end otherwise is told, and not served."""


def load_mat(path: str | None) -> Mat:
    """Reads a mat file, the one in use by default; `DeviceError` where it cannot be read."""
    path = path or places.mat_file()
    try:
        return read_mat(read_file(path), path)
    except OSError as error:
        raise DeviceError(f"the mat file {path} cannot be read: {error.strerror}") from None


def load_entry(which: str, mat: Mat, folder: str | None = None) -> Entry:
    """A profile by its name or its file; `DeviceError` where there is none."""
    path = find_profile(which, folder)
    try:
        return read_entry(os.path.basename(path).rpartition(".")[0], read_file(path), path, mat)
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from None


def find_profile(which: str, folder: str | None = None) -> str:
    """The file of a profile that is given by its name or its file; `DeviceError` for neither."""
    if which.lower().endswith(ENDINGS) or os.sep in which:
        return which
    files = profile_files([folder] if folder else places.profile_folders())
    if which not in files:
        raise DeviceError(f"there is no profile {which}; there are: {', '.join(sorted(files))}")
    return files[which]


def profile_files(folders: Sequence[str]) -> dict[str, str]:
    """Every profile's file by its name; in a later folder the same name replaces.

    A file that ends like YAML but not in .yaml stands under its whole name: it replaces nothing,
    and reading it says that it has to be renamed.
    """
    files = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise DeviceError(
                f"the profiles folder {folder} cannot be read: {error.strerror}"
            ) from None
        for name in names:
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                files[name.removesuffix(".yaml")] = os.path.join(folder, name)
    return files


def read_file(path: str) -> bytes:
    """At most a byte more than a profile may have, so that no file is too large to be refused."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(ENOENT, "there is no such file") from None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(EINVAL, "it is no file")
    with open(path, "rb") as file:
        return file.read(BYTES_MAX + 1)


def write_new(path: str, text: str) -> None:
    """Writes a file that is not there yet; one that cannot be written whole is taken away again.

    `DeviceError` where it is there already or cannot be written.
    """
    try:
        file = open(path, "x", encoding="utf-8")  # noqa: SIM115, an error of it is another error
    except FileExistsError:
        raise DeviceError(f"{path} is there already; choose another name or edit it") from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with file:
            file.write(text)
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None


def read_catalogue(folders: Sequence[str], mat: Mat) -> Catalogue:
    """Reads and checks every profile; a bad one becomes an entry that says what is wrong."""
    return Catalogue(
        tuple(_read(name, path, mat) for name, path in sorted(profile_files(folders).items()))
    )


def _read(name: str, path: str, mat: Mat) -> Entry:
    try:
        return read_served(name, path, mat)
    except OSError as error:
        sentence = f"the file cannot be read: {error.strerror}"
        return Entry(name, error=AuthorError([Mistake(path, 1, 1, sentence)]))


def read_served(name: str, path: str, mat: Mat) -> Entry:
    """A profile as a daemon serves it; one whose file has the wrong ending is a bad one.

    Raises OSError where the file cannot be read.
    """
    entry = read_entry(name, read_file(path), path, mat)
    if path.endswith(".yaml") or not path.lower().endswith(ENDINGS):
        return entry
    ending = path.rpartition(".")[2]
    sentence = f"a daemon leaves this file out; rename it to end in .yaml, not .{ending}"
    found = entry.error.mistakes if entry.error is not None else ()
    return Entry(name, error=AuthorError([Mistake(path, 1, 1, sentence), *found]))
