"""Finds profile and mat files on the disk, and reads them into values."""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from errno import EINVAL, ENOENT

from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.config.profile import profile_stem
from firmware_ctl.config.yaml_tree import BYTES_MAX
from firmware_ctl.errors import AuthorError, DeviceError, Mistake
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, Entry, read_entry

ENDINGS = (".yaml", ".yml")
"""The name of a profile's file ends in `.yaml`. A file of a folder that ends in `.yml` becomes a
bad entry, so that its author learns why the daemon does not serve it."""


def load_mat(path: str | None) -> Mat:
    """Reads a mat file. `path` None: the one in use (`config.paths.mat_file`).

    Raises `DeviceError` if the file cannot be read, and `AuthorError` if it has mistakes.
    """
    path = path or paths.mat_file()
    try:
        return read_mat(read_file(path), path)
    except OSError as error:
        raise DeviceError(f"the mat file {path} cannot be read: {error.strerror}") from None


def load_entry(name_or_file: str, mat: Mat, folder: str | None = None) -> Entry:
    """Reads a profile that is given by its name or its file. Mistakes make a `BadEntry`.

    `folder` None: the folders in use. Raises `DeviceError` if no profile has that name, or if its
    file cannot be read.
    """
    path = find_profile(name_or_file, folder)
    try:
        return read_entry(profile_stem(path), read_file(path), path, mat)
    except OSError as error:
        raise DeviceError(unreadable(path, error)) from None


def unreadable(path: str, error: OSError) -> str:
    """The sentence for a profile's file that cannot be read. For a missing one it proposes another
    file of the folder, or the profile of that name."""
    sentence = f"{path} cannot be read: {error.strerror}"
    if not isinstance(error, FileNotFoundError) or os.path.islink(path):
        return sentence
    from difflib import get_close_matches

    folder, base = os.path.split(path)
    with suppress(DeviceError):
        near = [os.path.basename(file) for file in profile_files([folder or os.curdir]).values()]
        if close := get_close_matches(base.lower(), near, 1, 0.75):
            return f"{sentence}; did you mean {os.path.join(folder, close[0])}?"
    stem = profile_stem(path)
    with suppress(DeviceError):
        if stem in profile_files(paths.profile_folders()):
            return f"{sentence}; did you mean the profile {stem}?"
    return sentence


def is_path(name_or_file: str) -> bool:
    """Whether the argument is a path. This is the one rule for names and files of all commands.

    An argument with a folder or a YAML ending in it, and one that is the path of a file, is that
    path. Any other argument is a name.
    """
    is_file = os.path.lexists(name_or_file) and not os.path.isdir(name_or_file)
    return is_file or name_or_file.lower().endswith(ENDINGS) or os.sep in name_or_file


def find_profile(name_or_file: str, folder: str | None = None) -> str:
    """The path of the profile's file. `folder` None: the folders in use.

    Raises `DeviceError` if no profile has that name.
    """
    if is_path(name_or_file):
        return name_or_file
    files = profile_files([folder] if folder else paths.profile_folders())
    if name_or_file not in files:
        if os.path.isdir(name_or_file):
            raise DeviceError(f"{name_or_file} is a folder; name one file of it")
        known = ", ".join(sorted(files)) + _proposal(name_or_file, files)
        raise DeviceError(f"there is no profile {name_or_file}; there are: {known}")
    return files[name_or_file]


def _proposal(name: str, files: Mapping[str, str]) -> str:
    """`; did you mean …?`, with a file of this folder or a similar name. Empty without either."""
    if os.path.isfile(f"{name}.yaml"):
        return f"; did you mean the file {name}.yaml?"
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), files, 1)
    return f"; did you mean {close[0]}?" if close else ""


def profile_name(path: str) -> str:
    """The name under which a file is listed."""
    return os.path.basename(path).removesuffix(".yaml")


def profile_files(sources: Sequence[str]) -> dict[str, str]:
    """Profile name → path of its file. A later source replaces a profile of the same name.

    A source is a folder, or a single file. A file that ends in `.yml` or `.YAML` is listed under
    its whole file name, so that it replaces no profile. `read_served` makes a mistake of such a
    file: it has to be renamed. Raises `DeviceError` if a folder cannot be read.
    """
    files = {}
    for source in sources:
        is_file = os.path.isfile(source) or source.lower().endswith(ENDINGS)
        if is_file and not os.path.isdir(source):
            # A file that is missing is listed, too: to read it makes a bad entry with the reason.
            files[profile_name(source)] = source
            continue
        try:
            names = sorted(os.listdir(source))
        except OSError as error:
            raise DeviceError(
                f"the profiles folder {source} cannot be read: {error.strerror}"
            ) from None
        for name in names:
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                files[profile_name(name)] = os.path.join(source, name)
    return files


def read_file(path: str, most: int = BYTES_MAX) -> bytes:
    """The bytes of a file, cut off one byte after `most`.

    That one byte is enough for the parser to refuse a file that is too large, and a huge file does
    not fill the memory. Raises OSError if the file is missing, not a regular file, or unreadable.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        why = "there is no such file"
        if os.path.islink(path):
            why = f"it is a link to {os.readlink(path)}, which does not exist"
        raise FileNotFoundError(ENOENT, why) from None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(EINVAL, "it is no file")
    with open(path, "rb") as file:
        return file.read(most + 1)


def write_new(path: str, text: str) -> None:
    """Writes a new file. If the write fails in the middle, the incomplete file is removed.

    Raises `DeviceError` if the file exists already or cannot be written.
    """
    try:
        file = open(path, "x", encoding="utf-8")  # noqa: SIM115, an error here has another sentence
    except FileExistsError:
        raise DeviceError(f"{path} is there already; choose another name or edit it") from None
    except FileNotFoundError:
        folder = os.path.dirname(path) or os.curdir
        sentence = f"{path} cannot be written: there is no folder {folder}; make it first"
        raise DeviceError(sentence) from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with file:
            file.write(text)
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None


def read_catalogue(sources: Sequence[str], mat: Mat) -> Catalogue:
    """Reads and checks every profile of these folders and files.

    A file that cannot be read is a bad entry.

    Raises `DeviceError` if a folder cannot be read.
    """
    return Catalogue(
        tuple(_read(name, path, mat) for name, path in sorted(profile_files(sources).items()))
    )


def _read(name: str, path: str, mat: Mat) -> Entry:
    try:
        return read_served(name, path, mat)
    except OSError as error:
        sentence = f"the file cannot be read: {error.strerror}"
        return BadEntry(name, AuthorError([Mistake(path, 1, 1, sentence)]))


def read_served(name: str, path: str, mat: Mat) -> Entry:
    """Reads a profile by the rules of a daemon: a file with the wrong ending makes a bad entry.

    Raises OSError if the file cannot be read.
    """
    entry = read_entry(name, read_file(path), path, mat)
    if path.endswith(".yaml"):
        return entry
    sentence = f"a daemon leaves this file out; {rename(path)}"
    mistakes = entry.error.mistakes if isinstance(entry, BadEntry) else ()
    return BadEntry(name, AuthorError([Mistake(path, 1, 1, sentence), *mistakes]))


def rename(path: str) -> str:
    """What to do with a profile whose name does not end in `.yaml`."""
    folder, base = os.path.split(path)
    right = f"{profile_stem(base)}.yaml"
    if os.path.lexists(os.path.join(folder, right)):
        return f"rename it to end in .yaml, but not to {right}, which is there already"
    return f"rename it to {right}"
