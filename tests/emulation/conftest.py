"""The emulated Pi as a fixture: booted once, and restored from that snapshot for each test."""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.emulation import build
from tests.emulation.machine import Machine
from tests.emulation.pi import Pi, build_image, restore


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the recent console output of each guest to a failed test. The guests still run then."""
    report = yield
    if report.failed:
        for machine in Machine.running:
            report.sections.append(("the end of the guest's console", machine.recent_output()))
    return report


@pytest.fixture(scope="session")
def image() -> build.Image:
    missing = build.missing_tools()
    if missing:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"the emulated Pi needs {', '.join(missing)}; the README names the packages")
    return build_image()


@pytest.fixture(params=[True], ids=["persist"])
def pi(image: build.Image, request: pytest.FixtureRequest) -> Iterator[Pi]:
    """A Pi whose service runs and is idle. Lines persist unless the test's parameter is False."""
    with restore(image, request.param) as pi:
        yield pi
