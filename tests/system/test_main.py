"""The command as a process: the endings of a daemon's profiles, and Ctrl-C during the imports."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.process import PATIENCE_S, ROOT, SHORT, Mock, call
from tests.support.wrong_endings import sentences, write_profiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_profiles(tmp_path / "profiles")


def test_daemon_names_files_with_a_wrong_ending_at_start_and_reload(
    tmp_path: Path, folder: Path
) -> None:
    with Mock(tmp_path, "--profiles", str(folder)) as mock:
        log = [line for line in mock.log.lines if "leaves this file out" in line]
        assert log == sentences(folder)
        (folder / "night.yml").write_text(SHORT)
        answer = call(tmp_path, "send", "reload", "--socket", mock.socket).stdout.splitlines()
        assert f'- refused=evening.yml why="{sentences(folder)[0]}"' in answer
        assert (len(answer), answer[-1]) == (5, "ok count=1 refused=4")
        mock.log.until(lambda line: line.startswith(f"{folder}/night.yml:1:1: a daemon leaves"))


INTERRUPTED = """
import importlib, os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "firmware_ctl.cli.parser":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
sys.meta_path.insert(0, Interrupt())
module, function = sys.argv.pop(1).split(":")
if function:
    getattr(importlib.import_module(module), function)()
else:
    runpy.run_module(module, run_name="__main__")
"""
"""Ctrl-C during the imports of the command. The first word is the entrance, as in `pyproject.toml`."""


def test_ctrl_c_during_the_imports_ends_without_a_word() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for entrance in ("firmware_ctl:", script["firmware-ctl"]):
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, entrance, "profiles"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
