"""`edit` as a process: every way in which an editor saves is seen."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from tests.support.process import PATIENCE_S, command, environment

VALID = "title: Mine\nphases:\n  - {name: hum, for: 1min, play: {hips: 20%}}\n"


def write_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def rename_over(path: Path, text: str) -> None:
    """As vim and many others do."""
    new = path.with_name(".mine.swp")
    new.write_text(text)
    new.replace(path)


def move_away_and_write(path: Path, text: str) -> None:
    """As emacs does: the old file becomes the backup."""
    path.replace(path.with_name("mine.yaml~"))
    path.write_text(text)


@pytest.mark.parametrize("save", [write_in_place, rename_over, move_away_and_write])
def test_edit_shows_every_save_and_ends_by_ctrl_c(
    save: Callable[[Path, str], None], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(VALID)
    with subprocess.Popen(
        command("edit", "mine.yaml"),
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        # A test that would hang ends, because the output does.
        end = Timer(PATIENCE_S, process.kill)
        end.daemon = True
        end.start()
        assert process.stdout is not None
        output = iter(process.stdout.readline, "")
        assert "mine.yaml: valid\n" in output
        for level in (71, 72):  # a second save shows that the watch outlives the first
            save(path, VALID.replace("20%", f"{level}%"))
            assert any(
                f"level: {level}% is above the hips zone's cap of 70%" in line for line in output
            )
        save(path, VALID)
        assert "mine.yaml: valid\n" in output
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert "Traceback" not in "".join(output)
        end.cancel()
