"""Measures a stop in a browser: from the tap to the moment when the page shows the daemon's word.

`python -m tests.browser.tap_latency [COUNT]` starts and stops a mock so many times.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.browser.real import page_of
from tests.support.process import Mock

TAP: Final = """() => new Promise((done) => {
    const root = document.documentElement;
    const began = performance.now();
    new MutationObserver((_, observer) => {
        if (root.dataset.state === "running") return;
        observer.disconnect();
        done([performance.now() - began, root.dataset.state]);
    }).observe(root, { attributes: true });
    document.getElementById("stop").dispatchEvent(new PointerEvent("pointerdown"));
})"""


def measure(count: int) -> list[float]:
    """The times of so many stops, in ms, the shortest first."""
    from playwright.sync_api import sync_playwright

    times = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        with Mock(Path(folder) / "home", "--web", "127.0.0.1:0", speed=1) as mock:
            page = browser.new_page()
            page.goto(page_of(mock))
            for _ in range(count):
                page.locator("#start-other").focus()
                page.keyboard.down("Enter")
                page.locator("html[data-state=running]").wait_for(state="attached")
                page.keyboard.up("Enter")
                ms, state = page.evaluate(TAP)
                assert state == "idle", f"the machine is too busy for the mock: {state}"
                times.append(ms)
        browser.close()
    return sorted(times)


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    half, most = found[len(found) // 2], found[int(len(found) * 0.99) - 1]
    print(f"{len(found)} stops, tap to idle: p50 {half:.1f} ms, p99 {most:.1f} ms")
