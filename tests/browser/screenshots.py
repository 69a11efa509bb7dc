"""Makes pictures of the page with the shipped profiles: `python -m tests.browser.screenshots FOLDER`.

The pictures are not kept: their text depends on the fonts of the machine. Look at them after a change.
"""

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from firmware_ctl.config.shipped import mat_file
from firmware_ctl.remote.web.profile_data import facts, picture
from firmware_ctl.remote.web.sources import Sources
from tests.browser import states
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.browser.fake_bridge import FakeBridge
from tests.support.process import ROOT

SIZES: Final = {320: 640, 390: 844, 1280: 800}
"""Widths and heights: a small phone, a phone, a laptop."""

Values = dict[str, Any]


def shown_states() -> tuple[dict[str, Values], dict[str, Values]]:
    """The states to be shown, by their names, and the pictures of the profiles."""
    sources = Sources(mat_file(), str(ROOT / "profiles"))
    found: Any = facts(sources)
    pictures: dict[str, Any] = {name: picture(sources, name) for name in found["profiles"]}
    common = {
        "mat": found["mat"],
        "zones": {zone["name"]: 0 for zone in found["mat"]["zones"]},
        "profile": "lower-back",
        "selected": "lower-back",
        "profiles": [
            {
                "name": name,
                "title": name.replace("-", " ").capitalize(),
                "minutes": pictures[name]["length_ms"] / 60_000,
                **values,
            }
            for name, values in found["profiles"].items()
        ],
    }
    lower_back = {**common, **_playing(pictures["lower-back"], 222)}
    guided = {**common, **_playing(pictures["guided-points"], 545), "cue": states.cue()["cue"]}
    return {
        "idle": states.idle(**{**common, "selected": "first-time"}, by="button", reason="stop"),
        "running": states.running(**lower_back),
        "cue": states.running(**guided, trim=70),
        "paused": states.paused(**{**lower_back, "zones": common["zones"]}),
        "fault": states.fault(**common),
        "hung": states.running(**lower_back, daemon="silent"),
        "unpaired": states.unpaired(),
    }, pictures


def _playing(session: Values, at_s: float) -> Values:
    """What the daemon says of a profile at a time."""
    levels = [row for at_ms, row in session["changes"] if at_ms <= at_s * 1000][-1]
    (phase,) = (p for p in session["phases"] if p["at_ms"] <= at_s * 1000 < p["until_ms"])
    return {
        "profile": session["name"],
        "selected": session["name"],
        "cert": session["cert"],
        "phase": phase["name"],
        "t": at_s,
        "left": session["length_ms"] / 1000 - at_s,
        "zones": {
            zone: max(levels[i] for i in motors) for zone, motors in session["zones"].items()
        },
    }


def make(folder: Path, names: list[str]) -> None:
    """Writes `STATE-WIDTH-SCHEME-LANGUAGE.png` for each state that is named, or for all."""
    from playwright.sync_api import sync_playwright

    shown, pictures = shown_states()
    bridge = FakeBridge(states.idle(), pictures)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        for language in ("en", "de"):
            page = browser.new_context(locale=language).new_page()
            for name in names or shown:
                bridge.state = deepcopy(shown[name])
                page.goto(bridge.url)
                page.locator("html:not([data-link=connecting])").wait_for(state="attached")
                page.wait_for_load_state("networkidle")
                for width, height in SIZES.items():
                    page.set_viewport_size({"width": width, "height": height})
                    for scheme in ("light", "dark"):
                        page.emulate_media(color_scheme=scheme)
                        path = folder / f"{name}-{width}-{scheme}-{language}.png"
                        page.screenshot(path=path, animations="disabled")
        browser.close()
    bridge.close()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    make(where, sys.argv[2:])
