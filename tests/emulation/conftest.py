"""The emulated Pi as a fixture: booted once, and given to each test as it was then."""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.emulation import build
from tests.emulation.machine import Machine
from tests.emulation.pi import Pi, image, restored


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure tells what each guest said last; it still runs then."""
    report = yield
    if report.failed:
        for machine in Machine.running:
            report.sections.append(("the guest's console at the end", machine.last_words()))
    return report


@pytest.fixture(scope="session")
def built() -> build.Image:
    missing = build.missing_tools()
    if missing:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"the emulated Pi needs {', '.join(missing)}; the README names the packages")
    return image()


@pytest.fixture(params=[True], ids=["persist"])
def pi(built: build.Image, request: pytest.FixtureRequest) -> Iterator[Pi]:
    """The service is installed, runs and is idle. By default lines persist."""
    with restored(built, request.param) as pi:
        yield pi
