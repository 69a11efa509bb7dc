"""Fixtures: a simulated machine in a scratch folder, and profiles that are compiled once."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from firmware_ctl.doctor.machine import Machine
from firmware_ctl.timeline import folder
from tests.support.machines import GOOD_PI_4, Make, calls


class SharedTree:
    """One folder for all tests, in which each test changes only what it wants otherwise.

    A simulated Pi has about sixty files. To write them for each test took a fifth of the time of
    `tests/unit`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, str] = {}

    def become(self, files: Mapping[str, str]) -> None:
        """Makes the folder hold exactly these files. A file `-> NAME` is a link."""
        for name in [name for name, text in self._files.items() if files.get(name) != text]:
            self._remove(name)
        for name, text in files.items():
            if name not in self._files:
                self._add(name, text)

    def _remove(self, name: str) -> None:
        del self._files[name]
        path = self.root / name
        path.unlink()
        while path.parent != self.root and not any(path.parent.iterdir()):
            path = path.parent
            path.rmdir()

    def _add(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
        self._files[name] = text


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> SharedTree:
    return SharedTree(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def machine(tree: SharedTree) -> Make:
    """Makes a machine with these files. An empty file is left out, unless it is a device."""

    def make(files: Mapping[str, str] = GOOD_PI_4, **changed: object) -> Machine:
        tree.become({name: text for name, text in files.items() if text or name.startswith("dev/")})
        return Machine(tree.root, calls(**changed))

    return make


_compiled_once = cache(folder.read_entry)


@pytest.fixture(autouse=True)
def _profiles_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each examination reads every shipped profile. To compile one is a function of its arguments."""
    monkeypatch.setattr(folder, "read_entry", _compiled_once)
