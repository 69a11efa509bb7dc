"""Certificates of the shipped profiles, and the rows of `explain` against the compiled duties."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_ctl.cli.authoring import certificate_lines
from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped
from firmware_ctl.config.profile import read_profile
from firmware_ctl.limits import resolve
from firmware_ctl.timeline import report
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.model import MotorCourse
from firmware_ctl.timeline.report import ZoneProof, certify, explain
from firmware_ctl.timeline.steps import Steps
from firmware_ctl.timeline.supply import Budget, PeakCurrent
from tests.support.worlds_timeline import highest_duties

MAT = load_mat(shipped.mat_file())
CATALOGUE = read_catalogue([shipped.profiles_dir()], MAT)
NAMES = [entry.name for entry in CATALOGUE.entries]


@pytest.mark.parametrize("name", NAMES)
def test_certificate_of_a_shipped_profile_is_the_golden_one(
    name: str, golden: Callable[[str, list[str]], None]
) -> None:
    lines = certificate_lines(f"{name}.yaml", CATALOGUE.valid(name), MAT, is_verbose=True)
    golden(f"certificate-{name}.txt", list(lines))


def test_check_of_a_folder_without_a_profile_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    neck = str(Path(shipped.profiles_dir()) / "neck.yaml")
    for words, checked in (([], []), ([neck], [neck])):
        with pytest.raises(SystemExit) as ended:
            main(["check", "--json", *words, str(tmp_path)])
        output = capsys.readouterr()
        assert ended.value.code == 1
        assert [result["path"] for result in json.loads(output.out)] == checked
        assert output.err == f"firmware-ctl: no profile in {tmp_path}; profile files end in .yaml\n"


def test_new_with_a_name_that_looks_like_an_option_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["new", "--profiles", str(tmp_path), "--", "-x"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "firmware-ctl: -x begins with '-', as an option does; choose another name\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_explain_of_a_shipped_profile_gives_the_compiled_duties(name: str) -> None:
    entry = CATALOGUE.valid(name)
    rows = explain(entry.profile, entry.budget, MAT)
    explained = [(row.phase, row.zone, row.duty_pct) for row in rows]
    assert explained == highest_duties(entry.profile, entry.timeline, MAT)


def test_explain_shows_a_phase_of_a_group_once() -> None:
    text = (
        "title: T\nphases: [{repeat: 3, phases: [{name: a, for: 9s, play: {hips: 20%}}, rest: 1s]}]"
    )
    given_profile = read_profile(text.encode(), "p.yaml", MAT)
    assert [(row.phase, row.zone) for row in explain(given_profile, Budget(), MAT)] == [
        ("a", "hips")
    ]


def test_certify_of_a_session_with_many_cycles_draws_one_a_course(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "title: Many\nphases:\n" + "".join(
        f"- {{name: p{n}, for: 5s, play: {{hips: {{pattern: wave, level: {{from: 0%, to: 60%}}, "
        f"period: {9_000 + 7 * n}ms}}}}}}\n"
        for n in range(100)
    )
    entry = read_entry("many", text.encode(), "many.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    drawn = 0
    plain = MotorCourse.cycle

    def counted(self: MotorCourse, asked_pct: int) -> Steps:
        nonlocal drawn
        drawn += 1
        return plain(self, asked_pct)

    monkeypatch.setattr(report, "peak_current_with_pauses", lambda _: PeakCurrent())
    monkeypatch.setattr(MotorCourse, "cycle", counted)
    (hips,) = certify(entry.timeline, entry.budget, MAT).zones
    assert drawn == 100
    assert hips == ZoneProof("hips", 500_000, 60, 55, 72, 0, 0)


@pytest.mark.parametrize(
    ("limits", "level", "bound_by"),
    [
        ((60, 100), 60, "profile"),
        ((60, 40), 40, "zone cap"),
        ((60, 100, 50), 30, "trim"),
        ((60, 100, 100, 80), 48, "supply"),
        ((60, 40, 50, 80), 16, "trim"),
        ((3, 100, 10), 1, "trim"),
        ((0, 100, 10), 0, "profile"),
    ],
)
def test_resolve_lets_every_limit_only_lower(
    limits: tuple[int, ...], level: int, bound_by: str
) -> None:
    assert tuple(resolve(*limits)) == (level, bound_by)
