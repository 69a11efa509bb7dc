"""The fixture that makes a simulated machine in a scratch folder."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from firmware_ctl.doctor.machine import Machine
from tests.support.machines import GOOD_PI_4, Make, calls


@pytest.fixture
def machine(tmp_path: Path) -> Make:
    """Makes a machine with these files. A file `-> NAME` is a link; an empty one is left out."""

    def make(files: Mapping[str, str] = GOOD_PI_4, **changed: object) -> Machine:
        for name, text in files.items():
            if text or name.startswith("dev/"):
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if text.startswith("-> "):
                    path.symlink_to(text[3:])
                else:
                    path.write_text(text)
        return Machine(tmp_path, calls(**changed))

    return make
