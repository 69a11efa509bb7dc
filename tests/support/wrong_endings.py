"""Profile files that a daemon ignores because of the ending of their names."""

from pathlib import Path

from tests.support.process import SHORT

WRONG_ENDINGS = {
    "evening.yml": "rename it to evening.yaml",
    "morning.YAML": "rename it to morning.yaml",
    "noon.yml": "rename it to end in .yaml, but not to noon.yaml, which is there already",
}


def sentences(folder: Path) -> list[str]:
    """The warning for each of these files."""
    return [
        f"{folder}/{name}:1:1: a daemon leaves this file out; {advice}"
        for name, advice in WRONG_ENDINGS.items()
    ]


def write_profiles(folder: Path) -> Path:
    """Makes the folder with a valid profile, three files with wrong endings, and a hidden file."""
    folder.mkdir()
    for name in ("noon.yaml", "noon.yml", "evening.yml", "morning.YAML", ".hidden.yml"):
        (folder / name).write_text(SHORT)
    return folder
