"""Options and fixtures of all tests."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine must not fail a test: no property here is about how long it takes. CI tries the
# same examples each time; whoever develops gets others in each run.
settings.register_profile("calm", deadline=None, max_examples=30, derandomize="CI" in os.environ)
settings.load_profile("calm")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew instead of comparing"
    )


def pytest_collection_finish() -> None:
    """Takes what collecting made out of garbage collection: a tenth of the time of `tests/unit`."""
    gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, list[str]], None]:
    """Compares lines with a file in tests/golden."""

    def compare(name: str, lines: list[str]) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert lines == path.read_text(encoding="utf-8").splitlines()

    return compare
