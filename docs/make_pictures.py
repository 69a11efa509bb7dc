"""Makes docs/pictures: `python docs/make_pictures.py`, from anywhere."""

from pathlib import Path

from firmware_ctl.simulator import plot
from firmware_ctl.simulator.offline import play
from firmware_ctl.timeline.folder import load_entry, load_mat

ROOT = Path(__file__).resolve().parent.parent


def pictures() -> dict[Path, bytes]:
    """Every picture of the documents, by its file."""
    mat = load_mat(str(ROOT / "hw/mat.yaml"))
    entry = load_entry(str(ROOT / "profiles/lower-back.yaml"), mat)
    return {ROOT / "docs/pictures/lower-back.svg": plot.svg(play(entry, mat))}


if __name__ == "__main__":
    for path, content in pictures().items():
        path.write_bytes(content)
