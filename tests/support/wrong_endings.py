"""Profile files that a daemon ignores because of the ending of their names."""

from pathlib import Path

from tests.support.process import SHORT

WRONG_ENDINGS = {"evening.yml": "yml", "morning.YAML": "YAML", "noon.yml": "yml"}


def sentences(folder: Path) -> list[str]:
    """The warning for each of these files."""
    return [
        f"{folder}/{name}:1:1: a daemon leaves this file out; rename it to end in .yaml, "
        f"not .{ending}"
        for name, ending in WRONG_ENDINGS.items()
    ]


def write_profiles(folder: Path) -> Path:
    """Makes the folder with a valid profile, three files with wrong endings, and a hidden file."""
    folder.mkdir()
    for name in ("noon.yaml", "noon.yml", "evening.yml", "morning.YAML", ".hidden.yml"):
        (folder / name).write_text(SHORT)
    return folder
