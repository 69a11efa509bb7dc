"""Profile and mat files: found, read from the disk, and made into values."""

import os
from collections.abc import Sequence
from errno import ENOENT

from firmware_ctl import places
from firmware_ctl.catalogue import Catalogue, Entry, read_entry
from firmware_ctl.document import BYTES_MAX
from firmware_ctl.errors import AuthorError, DeviceError, Mistake
from firmware_ctl.mat import Mat, read_mat


def load_mat(path: str | None) -> Mat:
    """Reads a mat file, the one in use by default; `DeviceError` where it cannot be read."""
    path = path or places.mat_file()
    try:
        return read_mat(read_file(path), path)
    except OSError as error:
        raise DeviceError(f"the mat file {path} cannot be read: {error.strerror}") from None


def load_entry(which: str, mat: Mat, folder: str | None = None) -> Entry:
    """A profile by its name or its file; `DeviceError` where there is none."""
    if which.endswith((".yaml", ".yml")) or os.sep in which:
        path = which
    else:
        files = profile_files([folder] if folder else places.profile_folders())
        if which not in files:
            raise DeviceError(f"there is no profile {which}; there are: {', '.join(sorted(files))}")
        path = files[which]
    try:
        return read_entry(os.path.basename(path).rpartition(".")[0], read_file(path), path, mat)
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from None


def profile_files(folders: Sequence[str]) -> dict[str, str]:
    """Every profile's file by its name; in a later folder the same name replaces."""
    files = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise DeviceError(
                f"the profiles folder {folder} cannot be read: {error.strerror}"
            ) from None
        for name in names:
            stem, dot, ending = name.rpartition(".")
            if dot and ending == "yaml" and not stem.startswith("."):
                files[stem] = os.path.join(folder, name)
    return files


def read_file(path: str) -> bytes:
    """At most a byte more than a profile may have, so that no file is too large to be refused."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            ENOENT, "there is no such file" if not os.path.exists(path) else "it is no file"
        )
    with open(path, "rb") as file:
        return file.read(BYTES_MAX + 1)


def read_catalogue(folders: Sequence[str], mat: Mat) -> Catalogue:
    """Reads and checks every profile; a bad one becomes an entry that says what is wrong."""
    return Catalogue(
        tuple(_read(name, path, mat) for name, path in sorted(profile_files(folders).items()))
    )


def _read(name: str, path: str, mat: Mat) -> Entry:
    try:
        return read_entry(name, read_file(path), path, mat)
    except OSError as error:
        sentence = f"the file cannot be read: {error.strerror}"
        return Entry(name, error=AuthorError([Mistake(path, 1, 1, sentence)]))
