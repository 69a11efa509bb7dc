"""The documents agree with the code and with each other."""

import ast
import re
import runpy
from pathlib import Path

import pytest

from firmware_ctl.config.mat import read_mat
from firmware_ctl.protocol.commands import COMMANDS
from firmware_ctl.protocol.connection import FAULT_CODES
from tests.support.process import ROOT

DOCS = ROOT / "docs"
PACKAGE = ROOT / "firmware_ctl"
REFERENCES = runpy.run_path(str(DOCS / "make_references.py"))
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for name in ("docs", "hw", "systemd") for path in (ROOT / name).rglob("*.md")),
    ]
)
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
REPORTS = sorted((DOCS / "reports").glob("*.md"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """The text without blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What a link may name in a document, made from its headings as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_references_are_what_the_code_says() -> None:
    made = REFERENCES["documents"]()
    stale = [name_of(path) for path, text in made.items() if path.read_text("utf-8") != text]
    assert stale == [], "run: python docs/make_references.py"


def test_references_have_an_answer_for_every_request() -> None:
    assert set(REFERENCES["ANSWERS"]) == set(COMMANDS)


def test_references_without_their_comments_are_refused() -> None:
    with pytest.raises(ValueError, match="the comments of the table 'requests' are missing"):
        REFERENCES["filled"]("# A document\n", "requests", "| |")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(link)
    assert dead == []


def test_readme_is_short_and_leads_to_every_document() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 100
    there = [name_of(path) for path in (*DOCS.glob("*.md"), *REPORTS)]
    assert [name for name in there if f"({name})" not in text] == []


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_decision_has_the_one_form(path: Path) -> None:
    title, _, date, status, *_ = text = path.read_text("utf-8").splitlines()
    assert title.startswith(f"# {int(path.name[:4])}. ")
    assert re.match(r"- Date: \d{4}-\d\d-\d\d", date)
    assert re.match(r"- Status: (accepted|superseded)", status)
    headings = [line for line in text if line.startswith("## ")]
    assert headings == ["## Context", "## Decision", "## Consequences"]


def test_decisions_are_numbered_without_holes() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", REPORTS, ids=name_of)
def test_report_begins_with_a_summary(path: Path) -> None:
    _, _, *lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith("**Summary.** ")
    assert lines.index("") <= 6


PLAIN = """
absent action address again answer answered areas ask asked attempts author bad block bounded
builder button cache caller calls check clock close collector columns connected context control
conversation core daemon device devices disk drop dropped edit end erm error explanation extra
factory facts failed faulty field figures file files firmware flaw folder foreign format formatter
frame gone good gpio handler hardware header hello host hot idle imported injector job json kept
kernel key keyboard kind late led limits list listener long loop lost machine mapping measured menu
message metrics model moment no node note nothing off open options outcome pair parser past pending
pi picture pictures pin ping pins port ports progress pty publish rate reader ready reason received
refused reload remote report resolved resume row runner running save saved scalar screen select send
sequence serial server service settings setup signals simulated socket stage stop stopper storage
stream subscribe suspended synchronised systemd tell terminal tls told too under unknown value
voltage waits waker warning warnings watch will work
"""
"""Words of class names that mean what they mean everywhere, and stand in no glossary."""


def glossary() -> list[str]:
    """The first cell of each row: a word, or two words for one meaning."""
    text = (DOCS / "glossary.md").read_text("utf-8").partition("|---|---|\n")[2]
    return [row.split(" | ")[0].removeprefix("| ") for row in text.splitlines()]


def glossary_words() -> list[str]:
    return [word for row in glossary() for word in row.split(", ")]


def test_glossary_has_each_word_once_and_in_order() -> None:
    rows, words = glossary(), glossary_words()
    assert len(words) > 100
    assert (rows, len(words)) == (sorted(rows), len(set(words)))


def test_code_uses_each_word_of_the_glossary() -> None:
    code = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    code = re.sub(r"(?<=[a-z])(?=[A-Z])|_|\n", " ", code).lower()
    unused = [
        word for word in glossary_words() if not re.search(rf"\b{word.replace(' ', ' +')}", code)
    ]
    assert unused == []


def test_words_of_class_names_are_in_the_glossary_or_plain() -> None:
    known = {
        part
        for word in glossary_words()
        for part in (*re.split("[ -]", word), word.replace("-", ""))
    }
    known |= {word + end for word in known for end in ("s", "ed", "d")} | {"duties"}
    classes = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    words = {word.lower() for name in classes for word in re.findall("[A-Z][a-z]*", name)}
    assert sorted(words - known - {*PLAIN.split()}) == [], (
        "put it into docs/glossary.md, or into PLAIN"
    )


def test_architecture_names_modules_that_are_there() -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_]+\.py)`", (DOCS / "architecture.md").read_text()))
    assert len(named) > 20
    roots = (ROOT, ROOT / "firmware_ctl")
    assert sorted(name for name in named if not any((r / name).is_file() for r in roots)) == []


def test_architecture_names_methods_that_are_there() -> None:
    named = set(re.findall(r"`([A-Z]\w+\.\w+)`", (DOCS / "architecture.md").read_text()))
    assert len(named) > 10
    methods = {
        f"{part.name}.{member.name}"
        for path in (ROOT / "firmware_ctl").rglob("*.py")
        for part in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(part, ast.ClassDef)
        for member in part.body
        if isinstance(member, ast.FunctionDef)
    }
    assert named - methods == set()


def test_architecture_names_every_package() -> None:
    text = (DOCS / "architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "firmware_ctl").glob("*/__init__.py")}
    assert {name for name in packages if f"| `{name}` |" not in text} == set()


@pytest.mark.parametrize("path", ["docs/troubleshooting.md", "hw/troubleshooting.md"])
def test_troubleshooting_has_every_fault(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert [code for code in FAULT_CODES if f"| `{code}` |" not in text] == []


def test_glossary_is_in_order_and_names_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+) \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)[1:]
    assert words == sorted(set(words))


def test_mat_file_in_the_document_is_valid() -> None:
    [text] = re.findall(
        r"^```yaml\n(.*?)^```", (DOCS / "mat-file.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    mat = read_mat(text.encode(), "mat.yaml")
    assert [motor.pin for motor in mat.motors] == [17, 27]


def test_picture_of_the_documents_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    mpl = pytest.importorskip("matplotlib", reason="matplotlib is not installed; extra plot")
    if mpl.__version__ != "3.11.2":
        pytest.skip("another release of matplotlib draws with other bytes")
    monkeypatch.syspath_prepend(ROOT / "docs")
    import make_pictures

    for path, content in make_pictures.pictures().items():
        assert len(content) < 300_000
        assert path.read_bytes() == content, f"{path.name}: run docs/make_pictures.py"
