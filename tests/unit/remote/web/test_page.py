"""The files of the page: their weight, their words, and that nothing comes from outside."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from firmware_ctl.cli.view_layout import FAULTS
from firmware_ctl.remote.web.page_files import FOLDER

FILES = {path.name: path.read_text("utf-8") for path in Path(FOLDER).iterdir()}
LANGUAGES = ("en", "de")
MOST_BYTES = 40_000
SVG = "http://www.w3.org/2000/svg"


def words(language: str) -> dict[str, str]:
    """Every text of a language, by its path."""
    found = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, str):
            found[path] = node
        else:
            for key, value in node.items():
                walk(value, f"{path}.{key}".lstrip("."))

    walk(json.loads(FILES[f"words.{language}.json"]), "")
    return found


def test_page_is_light() -> None:
    assert sum(len(gzip.compress(text.encode(), 9)) for text in FILES.values()) <= MOST_BYTES


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_outside(name: str) -> None:
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!#)", FILES[name].replace(SVG, ""))


def test_document_has_nothing_inline_that_its_policy_forbids() -> None:
    assert not re.search(
        r" style=| on[a-z]+=|<style|<script(?! type=\"module\" src=)", FILES["index.html"]
    )


def test_every_file_that_is_named_is_there() -> None:
    text = "".join(FILES.values())
    named = {*re.findall(r"/page/([a-z.]+[a-z])", text), *re.findall(r'from "\./([a-z.]+)"', text)}
    assert named - {"words"} <= FILES.keys()


def test_stop_imports_nothing() -> None:
    assert "import" not in re.sub(r"/\*.*?\*/", "", FILES["stop.js"], flags=re.DOTALL)


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    english, german = (
        # The daemon's own text of a point is English.
        {
            path: {*re.findall(r"\{\w+\}", text)}
            for path, text in words(language).items()
            if not path.startswith("cues")
        }
        for language in LANGUAGES
    )
    assert english == german


def test_every_word_that_the_page_asks_for_is_there() -> None:
    text = "".join(text for name, text in FILES.items() if name.endswith((".js", ".html")))
    asked = {
        *re.findall(r'data-(?:word|label)="([a-z_.]+)"', text),
        *re.findall(r'(?:word|handy)\(\s*"([a-z_.]+)"', text),
        *re.findall(r'[?:] "([a-z_]+\.[a-z_]+)"', text),
    }
    assert len(asked) > 30
    assert asked <= words("en").keys()


def test_every_fault_has_its_words() -> None:
    assert {f"faults.{code}" for code in FAULTS} <= words("en").keys()


HOLD = """
globalThis.document = new EventTarget();
const window = new EventTarget();
globalThis.addEventListener = window.addEventListener.bind(window);
globalThis.dispatchEvent = window.dispatchEvent.bind(window);
const timers = [];
globalThis.setTimeout = (act) => timers.push(act);
globalThis.clearTimeout = (timer) => delete timers[timer - 1];
const { onHold, endHolds } = await import(process.argv[1]);
const button = Object.assign(new EventTarget(), { dataset: {}, disabled: false });
let starts = 0;
onHold(button, () => (starts += 1), () => {});
button.dispatchEvent(Object.assign(new Event("pointerdown"), { button: 0 }));
if (process.argv[2] === "stop") endHolds();
if (process.argv[2] === "disabled") button.disabled = true;
for (const act of timers.splice(0)) act?.();
console.log(starts);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run a file of the page")
@pytest.mark.parametrize(("event", "starts"), [("none", 1), ("stop", 0), ("disabled", 0)])
def test_hold_starts_nothing_after_a_stop_or_when_its_button_is_disabled(
    event: str, starts: int, tmp_path: Path
) -> None:
    module = tmp_path / "hold.mjs"
    module.write_text(FILES["hold.js"], "utf-8")
    command = ["node", "--input-type=module", "-e", HOLD, str(module), event]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == starts
