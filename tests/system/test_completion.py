"""The completions in real shells: what a Tab offers, and what a person sees in a terminal."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from tests.support.process import ROOT, Terminal, call, environment

SHELLS = ("bash", "zsh", "fish")
PROFILES = ["first-time", "full-body", "guided-points", "hips", "lower-back", "neck"]

CASES = [
    ("firmware-ctl sta", ["start", "status"]),
    ("firmware-ctl history --l", ["--last"]),
    ("firmware-ctl simulate neck --t", ["--trace", "--trim"]),
    ("firmware-ctl start ", PROFILES),
    ("firmware-ctl select n", ["neck"]),
    ("firmware-ctl explain h", ["hips"]),
    ("firmware-ctl check neck mi", ["mine.yaml"]),
    ("firmware-ctl mock --no-view --speed 10 mi", ["mine.yaml"]),
    ("firmware-ctl check --mat ma", ["mat.txt"]),
    ("firmware-ctl run --state fo", ["folder/"]),
    ("firmware-ctl completion ", ["bash", "fish", "zsh"]),
    ("firmware-ctl try hips br", ["breathe"]),
    ("firmware-ctl mock --inject p", ["pin"]),
    ("firmware-ctl new ", []),
]

IN_BASH = """\
source "$1"
COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
[[ $2 = *' ' ]] && COMP_WORDS+=('') && ((COMP_CWORD += 1))
_shtab_firmware_ctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
IN_FISH = 'source $argv[1]; complete -C "$argv[2]" | string replace -r "\\t.*" ""; true'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with some files, and with `firmware-ctl` in its `bin`."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/firmware-ctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m firmware_ctl "$@"\n')
    program.chmod(0o755)
    for name in ("mine.yaml", "mat.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def _needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def _offered(home: Path, *words: str) -> list[str]:
    variables = environment(home)
    done = subprocess.run(
        words,
        cwd=home,
        env={**variables, "PATH": f"{home}/bin:{variables['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(filter(None, done.stdout.splitlines()))


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_the_script_of_the_shell(shell: str, tmp_path: Path) -> None:
    done = call(tmp_path, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    script = (ROOT / "share/completion" / f"firmware-ctl.{shell}").read_text("utf-8")
    assert done.stdout == script
    if shell == "zsh":
        assert script.startswith("#compdef firmware-ctl\n")


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash_offers_what_fits(line: str, offered: list[str], home: Path) -> None:
    _needs("bash")
    script = shipped.completion_file("bash")
    found = _offered(home, "bash", "--norc", "-c", IN_BASH, "bash", script, line)
    # Readline adds the slash of a folder.
    assert found == [word.rstrip("/") for word in offered]


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_fish_offers_what_fits(line: str, offered: list[str], home: Path) -> None:
    _needs("fish")
    script = shipped.completion_file("fish")
    found = _offered(home, "fish", "--no-config", "-c", IN_FISH, script, line)
    # Where a profile may be a file, fish offers other files and folders after those that fit.
    assert [word for word in found if word in offered or "explain" not in line] == offered


# A shell needs a terminal that is its own, which `setsid --ctty` makes it.
BEGIN = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LOAD = {
    "bash": "PATH={home}/bin:$PATH; cd {home}; . {script}",
    "zsh": "PATH={home}/bin:$PATH; cd {home}; fpath=({home} $fpath); autoload -U compinit; compinit -u -D",
    "fish": "set PATH {home}/bin $PATH; cd {home}; source {script}",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_in_a_terminal_completes_command_profile_file_and_option(
    shell: str, home: Path
) -> None:
    _needs(shell)
    shutil.copy(shipped.completion_file("zsh"), home / "_firmware-ctl")
    terminal = Terminal(home, program=["setsid", "--ctty", "--wait", *BEGIN[shell]])
    try:
        load = LOAD[shell].format(home=home, script=shipped.completion_file(shell))
        terminal.type(f"{load}; echo rea''dy\n")
        terminal.see("ready")
        terminal.type("firmware-ctl expl\t")
        terminal.see("explain")
        terminal.type("gui\t")
        terminal.see("guided-points")
        terminal.type("--soc\t")
        terminal.see("--socket")
        terminal.type("fold\t")
        terminal.see("folder")
        terminal.type("\x03")
    finally:
        terminal.close()
