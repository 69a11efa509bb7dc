"""Makes the shells' completions in `share/completion` by shtab: `python docs/make_completion.py`.

They are made here and not when the package is built, because a distribution's shtab may be too old
to know fish. `docs/make_references.py` calls this module, and a test compares the results.
"""

import argparse
from pathlib import Path
from typing import Final

import shtab

from firmware_ctl.cli.parser import make_parser
from firmware_ctl.config.patterns import PATTERNS
from firmware_ctl.simulator.faults import FAULTS

FOLDER: Final = Path(__file__).resolve().parent.parent / "share/completion"
SHELLS: Final = ("bash", "zsh", "fish")

NAMES: Final = "firmware-ctl profiles 2>/dev/null | cut -d ' ' -f 1"
"""Prints the name of each profile that the daemon serves, or that the files have if none runs."""

PREAMBLE: Final = {
    "bash": f"""\
_firmware_ctl_names() {{
  compgen -W "$({NAMES})" -- "$1"
}}

_firmware_ctl_names_and_files() {{
  _firmware_ctl_names "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -d -- "$1"
}}
""",
    "zsh": f"""\
_firmware_ctl_names() {{
  local -a names
  names=(${{(f)"$({NAMES})"}})
  compadd -a names
}}

_firmware_ctl_names_and_files() {{
  _firmware_ctl_names
  _files -g '*.yaml'
}}
""",
    "fish": f"""\
function _firmware_ctl_names
  {NAMES}
end

function _firmware_ctl_names_and_files
  _firmware_ctl_names
  __fish_complete_suffix .yaml
end
""",
}


def _function(name: str) -> dict[str, str]:
    return {"bash": name, "zsh": name, "fish": f"({name})"}


PROFILE: Final = _function("_firmware_ctl_names_and_files")
BY_METAVAR: Final = {
    "DEV": shtab.FILE,
    "DIR": shtab.DIRECTORY,
    "FILE": shtab.FILE,
    "FILE.jsonl": shtab.FILE,
    "NAME": _function("_firmware_ctl_names"),
    "PATH": shtab.FILE,
    "PROFILE": PROFILE,
}
"""How an argument is completed. Other arguments are numbers, texts or choices."""
_NEW_NAMES: Final = {("new", "NAME"), ("import", "NAME")}
"""Names of profiles that do not exist yet."""
CHOICES: Final = {"PATTERN": tuple(PATTERNS), "FAULT": tuple(FAULTS)}
"""Choices that the parser does not know: it would have to load the tables at each start."""


def scripts() -> dict[Path, str]:
    """The script of each shell by its file."""
    return {FOLDER / f"firmware-ctl.{shell}": _script(shell) for shell in SHELLS}


def _script(shell: str) -> str:
    parser = make_parser()
    for name, command in _commands(parser).items():
        for action in command._actions:
            metavar = str(action.metavar)
            if metavar in CHOICES:
                action.choices = CHOICES[metavar]
            elif metavar in BY_METAVAR and (name, metavar) not in _NEW_NAMES:
                action.complete = BY_METAVAR[metavar]  # type: ignore[attr-defined]
    script = shtab.complete(parser, shell, preamble=PREAMBLE)
    # shtab's hints on where to put the file are those of `firmware-ctl completion --help`.
    head, _, rest = script.partition("# See also: ")
    first = "#compdef firmware-ctl\n\n" if shell == "zsh" else ""
    made = "# Made by docs/make_completion.py with shtab, https://github.com/tqdm/shtab\n"
    assert len(head.splitlines()) < 10, "shtab has changed the head of its scripts"
    return first + made + rest.partition("\n")[2].rstrip("\n") + "\n"


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(commands.choices)


if __name__ == "__main__":
    for path, text in scripts().items():
        path.write_text(text, encoding="utf-8")
