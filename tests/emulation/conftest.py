"""The emulated Pi as a fixture: booted once, and given to each test as it was then."""

from collections.abc import Iterator

import pytest

from tests.emulation import build
from tests.emulation.pi import Pi, image, snapshot


@pytest.fixture(scope="session")
def built() -> build.Image:
    missing = build.missing_tools()
    if missing:
        pytest.skip(f"the emulated Pi needs {', '.join(missing)}; the README names the packages")
    return image()


@pytest.fixture(params=[True], ids=["persist"])
def pi(built: build.Image, request: pytest.FixtureRequest) -> Iterator[Pi]:
    """The service is installed, runs and is idle. By default lines persist."""
    with Pi(built, request.param, snapshot(built, request.param)) as restored:
        yield restored
