"""A command that meets a link or a FIFO in the place of its file, and killed mocks."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_ctl.config.paths import ring_file
from firmware_ctl.storage.ring import half_paths
from tests.support.process import PATIENCE_S, Lines, call, command, environment
from tests.support.traps import fifo, hard_link, link, untouched


@pytest.fixture
def private_file(tmp_path: Path) -> Iterator[Path]:
    yield from untouched(tmp_path / "roots")


@pytest.mark.parametrize("put", [link, fifo])
def test_replay_of_a_link_or_fifo_is_refused_at_once(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    put(tmp_path / "incident.jsonl.gz", private_file)
    refused = call(tmp_path, "simulate", "--replay", str(tmp_path / "incident.jsonl.gz"))
    assert refused.returncode == 2
    assert f"the incident {tmp_path}/incident.jsonl.gz cannot be read: " in refused.stderr


def test_trace_that_is_a_link_or_fifo_is_refused_at_once(
    private_file: Path, tmp_path: Path
) -> None:
    for put in (link, hard_link, fifo):
        path = tmp_path / "t.jsonl"
        put(path, private_file)
        refused = call(tmp_path, "mock", "--no-view", "--trace", str(path))
        assert refused.returncode == 2
        assert f"the trace {path} cannot be written: " in refused.stderr
        path.unlink()


def start_and_kill_mock(env: dict[str, str]) -> None:
    process = subprocess.Popen(
        command("mock", "--no-view"), env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    Lines(process.stdout.fileno()).until(lambda line: line.startswith("* ready"))
    process.kill()
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    process.stdout.close()


def test_mock_that_is_killed_leaves_no_shared_memory_and_the_next_removes_its_folder(
    tmp_path: Path,
) -> None:
    env = environment(tmp_path) | {"TMPDIR": str(tmp_path)}
    for _ in range(2):
        start_and_kill_mock(env)
        (folder,) = tmp_path.glob("firmware-ctl-mock-*")
        assert not any(map(os.path.exists, half_paths(ring_file(str(folder)))))
