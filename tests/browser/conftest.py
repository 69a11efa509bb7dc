"""Chromium, phones in it, and a bridge that says what a test tells it."""

import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.browser import states
from tests.browser.fake_bridge import FakeBridge

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
"""Programs that are Chromium, in the order in which they are tried."""
STRANGE_HOST = "rebound.example"
ARGUMENTS = [
    # Without its sandbox Chromium runs as root too, which a CI often is.
    "--no-sandbox",
    # A stranger's name that leads to this machine.
    f"--host-resolver-rules=MAP {STRANGE_HOST} 127.0.0.1",
]
PATIENCE_MS = 20_000
"""Only ends a test that would hang: every test waits for what the page shows."""


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _missing() -> str | None:
    try:
        import axe_playwright_python  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        return f"the browser tests need {error.name}: pip install -e '.[browser]'"
    if not find_chromium():
        return "the browser tests need Chromium: apt-get install chromium"
    return None


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if missing := _missing():
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(missing)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_phone(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Makes the page of a new phone, with cookies of its own. An error in the page fails the test."""
    contexts, errors = [], []

    def make(url: str = "", **options: Any) -> Any:
        chosen = {"viewport": {"width": 390, "height": 844}, "locale": "en-GB", **options}
        context = chromium.new_context(**chosen)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if url:
            page.goto(url)
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def bridge() -> Iterator[FakeBridge]:
    fake = FakeBridge(states.idle(), deepcopy(states.PICTURES))
    yield fake
    fake.close()
