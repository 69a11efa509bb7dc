"""Certificates of the shipped profiles, and `explain` against what is compiled."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given

from firmware_ctl import certificate, shipped
from firmware_ctl.authoring import certificate_lines
from firmware_ctl.budget import Worst, fit
from firmware_ctl.catalogue import read_entry
from firmware_ctl.certificate import ZoneProof, certify
from firmware_ctl.cli import main
from firmware_ctl.errors import AuthorError
from firmware_ctl.explain import explain
from firmware_ctl.folder import load_mat, read_catalogue
from firmware_ctl.limits import resolve
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Profile
from firmware_ctl.steps import Steps
from firmware_ctl.timeline import Timeline, Voice, motors_of
from tests.strategies import mats_and_profiles

MAT = load_mat(shipped.mat_file())
CATALOGUE = read_catalogue([shipped.profiles_dir()], MAT)
NAMES = [entry.name for entry in CATALOGUE.entries]


@pytest.mark.parametrize("name", NAMES)
def test_certificate(name: str, golden: Callable[[str, list[str]], None]) -> None:
    golden(f"certificate-{name}.txt", certificate_lines(f"{name}.yaml", CATALOGUE.valid(name), MAT))


def test_a_folder_without_a_profile_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    neck = str(Path(shipped.profiles_dir()) / "neck.yaml")
    for words, checked in (([], []), ([neck], [neck])):
        with pytest.raises(SystemExit) as ended:
            main(["check", "--json", *words, str(tmp_path)])
        said = capsys.readouterr()
        assert ended.value.code == 1
        assert [found["path"] for found in json.loads(said.out)] == checked
        assert said.err == (
            f"firmware-ctl: no profile in {tmp_path}; the name of one ends in .yaml\n"
        )


def test_a_new_profile_gets_no_name_that_a_command_takes_for_an_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["new", "--profiles", str(tmp_path), "--", "-x"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "firmware-ctl: -x begins with '-', as an option does; choose another name\n"
    )
    assert list(tmp_path.iterdir()) == []


def duties(profile: Profile, timeline: Timeline, mat: Mat) -> list[tuple[str, str, int]]:
    """For every line of play and zone the highest duty that is compiled, kicks apart."""
    found = []
    for phase, segment in zip(profile.phases, timeline.segments, strict=True):
        for play in phase.play:
            _, dot, side = play.target.partition(".")
            for zone in mat.zones:
                motors = [i for i in motors_of(play.target, mat) if mat.motors[i].zone == zone.name]
                if motors:
                    drives = timeline.shape.drives
                    duty = max(drives[i].duty_pct[segment.high_pct[i]] for i in motors)
                    found.append((phase.name, zone.name + dot + side, duty))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_explain_says_is_what_is_compiled(name: str) -> None:
    entry = CATALOGUE.valid(name)
    assert entry.profile is not None
    assert entry.timeline is not None
    assert entry.budget is not None
    rows = explain(entry.profile, entry.budget, MAT)
    said = [(row.phase, row.zone, row.duty_pct) for row in rows]
    assert said == duties(entry.profile, entry.timeline, MAT)


@given(mats_and_profiles())
def test_explain_and_the_compiler_use_one_resolver(both: tuple[Mat, Profile]) -> None:
    mat, profile = both
    try:
        timeline, budget = fit(profile, mat)
    except AuthorError:
        return
    said = [(row.phase, row.zone, row.duty_pct) for row in explain(profile, budget, mat)]
    assert said == duties(profile, timeline, mat)


def test_certify_a_session_of_many_cycles_draws_one_a_voice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "title: Many\nphases:\n" + "".join(
        f"- {{name: p{n}, for: 5s, play: {{hips: {{pattern: wave, level: {{from: 0%, to: 60%}}, "
        f"period: {9_000 + 7 * n}ms}}}}}}\n"
        for n in range(100)
    )
    entry = read_entry("many", text.encode(), "many.yaml", MAT)
    assert entry.timeline is not None
    assert entry.budget is not None
    drawn = 0
    plain = Voice.cycle

    def counted(self: Voice, asked_pct: int) -> Steps:
        nonlocal drawn
        drawn += 1
        return plain(self, asked_pct)

    monkeypatch.setattr(certificate, "most_drawn", lambda _: Worst())
    monkeypatch.setattr(Voice, "cycle", counted)
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
def test_every_limit_only_lowers(limits: tuple[int, ...], level: int, bound_by: str) -> None:
    assert tuple(resolve(*limits)) == (level, bound_by)
