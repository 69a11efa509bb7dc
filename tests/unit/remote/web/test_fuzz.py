"""Frames, paths and headers of any bytes: no traceback, and the page works after them."""

from pathlib import Path

import pytest

from tests.support.web import Home, at_home
from tests.support.web_fuzz import fuzz


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_bytes_are_answered_or_closed_and_a_stop_works_after_them(
    seed: int, tmp_path: Path
) -> None:
    async def test(home: Home) -> None:
        result = await fuzz(home, seed, 1500)
        assert result.errors == []
        assert not [answer for answer in result.answers if answer.startswith("http 5")]
        assert (await home.ask("POST", "/stop")).status == 204

    at_home(tmp_path, test, is_open_here=True)
