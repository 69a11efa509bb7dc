"""A daemon and the endings of its profiles."""

from pathlib import Path

import pytest

from tests.support.process import SHORT, Mock, call
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
