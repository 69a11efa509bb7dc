"""What `check` and `simulate` print of a session: the same words, the plain summary first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped
from tests.support.process import ROOT, SHORT

SHIPPED = sorted(path.stem for path in Path(shipped.profiles_dir()).glob("*.yaml"))
MAT = (ROOT / "hw/mat.yaml").read_text()

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder of its own: exit code, lines of standard output and error."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str) -> tuple[int, list[str], list[str]]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out.splitlines(), printed.err.splitlines()

    return run_command


def labels(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[1:] if line]


def table(lines: list[str]) -> dict[str, dict[str, str]]:
    """Zone → head → cell of the table that `-v` prints, apart from heads of several words."""
    begin = lines.index("") + 1
    heads, *rows = (line.replace("with kick", "kick").split() for line in lines[begin:])
    heads = heads[: heads.index("kick") + 1]
    return {
        row[0]: dict(zip(heads, row, strict=False))
        for row in rows[: rows.index([])]
        if len(row) > 1
    }


def test_check_prints_a_plain_summary(run: Run) -> None:
    code, lines, _ = run("check", "lower-back")
    assert code == 0
    assert lines[1:] == [
        "  length      12:00 min, ends at zero",
        "  lower_back  plays 12:00 min, level up to 70%",
        "  hips        plays 7:00 min, level up to 20%",
        "  current     at most 900 of 2000 mA, even after pauses",
    ]


def test_simulate_prints_the_same_summary_and_what_its_models_add(run: Run) -> None:
    code, lines, _ = run("simulate", "lower-back")
    assert code == 0
    assert lines == [
        "lower-back: Lower back release",
        "  length      12:00 min, ends at zero",
        "  lower_back  plays 12:00 min, level up to 70%",
        "  hips        plays 7:00 min, level up to 20%",
        "  current     738 of 2000 mA at 1:00.2; after a pause at most 900 mA",
        "  warmth      motors up to 7.8 °C warmer than the skin",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_check_and_simulate_print_the_same_figures_of_each_zone_and_no_stall(
    name: str, run: Run
) -> None:
    (_, checked, _), (_, simulated, _) = run("check", "-v", name), run("simulate", "-v", name)
    plain = [line for line in checked[: checked.index("")] if "plays" in line or "length" in line]
    assert plain
    assert [line for line in simulated if line in plain] == plain
    assert table(checked) == table(simulated)
    assert "stall" not in " ".join(simulated)
    assert "stands still" not in " ".join(simulated)


@pytest.mark.parametrize("verb", ["check", "simulate"])
def test_verbose_adds_to_the_plain_summary_and_explains_each_head(verb: str, run: Run) -> None:
    (_, plain, _), (_, full, _) = run(verb, "neck"), run(verb, "neck", "--verbose")
    assert full[: len(plain)] == plain
    assert labels(full).count("cert") == 1
    first = full.index("") + 1
    heads, explanations = full[first], full[full.index("", first) + 1 :]
    explained = [line[2:].split("  ")[0] for line in explanations]
    assert "  ".join(["zone", *explained]).split() == heads.split()


def test_verbose_check_of_several_files_explains_the_heads_once(run: Run) -> None:
    _, lines, _ = run("check", "-v", "neck", "hips")
    assert sum(line.startswith("  with kick  ") for line in lines) == 1


def test_check_of_a_cue_alone_leaves_no_loose_end(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: T\nphases:\n- {name: a, for: 1min, cue: KI3}\n")
    _, plain, _ = run("check", "mine.yaml")
    _, full, _ = run("check", "-v", "mine.yaml")
    assert [line for line in full if line != line.rstrip() or line.endswith(",")] == []
    assert "  current  at most 0 of 2000 mA, even after pauses" in plain
    assert "peak" not in labels(full)
    _, simulated, _ = run("simulate", "-v", "mine.yaml")
    assert [line for line in simulated if line != line.rstrip()] == []


def test_simulate_of_a_motor_that_cannot_start_says_so(run: Run, tmp_path: Path) -> None:
    # Without a kick, a level of 40 % gives the motors less duty than they need to start.
    (tmp_path / "mat.yaml").write_text(MAT.replace("kick: 120ms", "kick: 0ms"))
    code, lines, _ = run("simulate", "hips", "--mat", "mat.yaml")
    stalled = [line for line in lines if "stands still under power" in line]
    assert code == 0
    assert stalled
    assert "firmware-ctl wiring --calibrate" in stalled[0]


@pytest.mark.parametrize("verb", ["check", "simulate"])
def test_supply_that_lowers_levels_is_noted(verb: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mat.yaml").write_text(MAT.replace("max_ma: 2000", "max_ma: 720"))
    _, lines, _ = run(verb, "lower-back", "--mat", "mat.yaml")
    assert (
        "  note        as written it would draw 723 of 720 mA at 1:06.2 (lower_back + hips), so all "
        "levels are scaled to 93%, motors start without kicks, starts are moved by up to 42 ms"
    ) in lines


@pytest.mark.parametrize("verb", ["explain", "simulate", "profiles"])
def test_every_command_prints_mistakes_as_check_does(verb: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SHORT.replace("level: 40%", "level: 0.25"))
    assert run(verb, "mine.yaml") == run("check", "mine.yaml")


@pytest.mark.parametrize("verb", ["explain", "simulate", "profiles"])
def test_every_command_prints_mistakes_of_the_mat_as_check_does(
    verb: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "mat.yaml").write_text(MAT.replace("max_ma: 2000", "max_ma: 2A"))
    answer = run("check", "neck", "--mat", "mat.yaml")
    assert any("| " in line and line.endswith("^") for line in answer[2])
    assert run(verb, "neck", "--mat", "mat.yaml") == answer
