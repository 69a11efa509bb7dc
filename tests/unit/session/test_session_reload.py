"""A reload of all profiles while a session runs, or while one is selected."""

import pytest

from firmware_ctl.config.profile import Phase
from firmware_ctl.errors import AuthorError, CallerError, Mistake
from firmware_ctl.session.events import (
    Pause,
    Reload,
    Select,
    Start,
    Stop,
)
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue
from tests.support.worlds import (
    CALM,
    CATALOGUE,
    QUICK,
    SILENCE,
    World,
    entry,
    steady,
)


def test_reload_while_running_keeps_the_profile_of_the_session() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    louder = entry("quick", Phase("louder", 8_000, 1, (steady("back", 90),)))
    world.at(3_000, Reload(Catalogue((louder,))))
    assert world.at(3_500, Start("quick")).refusal is None
    world.at(4_999)
    assert world.levels()[-1][1] == (0, 40, 40)
    world.at(6_000)
    assert world.levels()[-1] == (5_000, SILENCE)
    world.at(7_000, Start())
    assert world.session.status.clock.left_ms(7_000) == 8_000


def test_start_of_the_running_profile_is_ok_after_its_file_is_gone() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(2_000, Reload(Catalogue((CALM,))))

    assert world.at(2_000, Start("quick")).refusal is None
    assert world.session.status.clock.left_ms(2_000) == 3_000


def lost(message: str, code: str = "unknown-profile") -> dict[str, str]:
    return {"code": code, "message": message}


def refused(name: str) -> Catalogue:
    """The profiles after a mistake in one of them."""
    error = AuthorError([Mistake(f"{name}.yaml", 3, 7, "level: 140% is above the most, 100%")])
    others = [entry for entry in CATALOGUE.good if entry.name != name]
    return Catalogue((*others, BadEntry(name, error)))


def test_selected_profile_that_a_reload_refuses_is_selected_again_when_it_is_valid() -> None:
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Reload(refused("quick")))
    assert world.session.status.profile == "calm"
    world.at(3_000, Reload(refused("quick")))
    world.at(4_000, Reload(CATALOGUE))
    assert world.session.status.profile == "quick"
    world.at(5_000, Reload(CATALOGUE))
    assert world.notices(1_001) == [
        (2_000, "refused", lost("quick is refused; calm is selected instead", "invalid-profile")),
        (2_000, "state", {"profile": "calm"}),
        (4_000, "state", {"profile": "quick"}),
    ]


def test_profile_that_stands_in_for_a_refused_one_stays_selected_while_it_is_valid() -> None:
    world = World()
    world.at(1_000, Select("steps"))
    world.at(2_000, Reload(Catalogue((QUICK,))))
    world.at(3_000, Reload(refused("steps")))
    assert world.session.status.profile == "quick"
    world.at(4_000, Reload(CATALOGUE))
    assert world.session.status.profile == "steps"


@pytest.mark.parametrize("choice", [Select("calm"), Select("steps"), Start("calm")])
def test_refused_profile_is_not_selected_again_after_someone_has_selected_one(
    choice: Select | Start,
) -> None:
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Reload(refused("quick")))
    world.at(3_000, choice)
    world.at(4_000, Reload(CATALOGUE))
    assert world.session.status.profile == choice.name


def test_start_without_a_name_plays_the_profile_that_is_selected_instead_and_keeps_the_wish() -> (
    None
):
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Reload(refused("quick")))
    world.at(3_000, Start())
    assert world.session.status.profile == "calm"
    world.at(4_000, Stop())
    world.at(5_000, Reload(CATALOGUE))
    assert world.session.status.profile == "quick"


def test_reload_publishes_a_change_of_the_selected_profile() -> None:
    world = World()
    world.at(1_000, Reload(CATALOGUE))
    world.at(2_000, Reload(Catalogue((QUICK,))))
    world.at(3_000, Reload(Catalogue()))
    world.at(4_000, Reload(CATALOGUE))

    gone = "is no longer among the profiles"
    assert world.notices() == [
        (2_000, "refused", lost(f"calm {gone}; quick is selected instead")),
        (2_000, "state", {"profile": "quick"}),
        (3_000, "refused", lost(f"quick {gone}; no profile is left")),
        (3_000, "state", {"profile": ""}),
        (4_000, "state", {"profile": "calm"}),
    ]


def test_refusal_is_a_caller_error() -> None:
    refusal = World().at(1_000, Pause()).refusal
    assert isinstance(refusal, CallerError)
    assert str(refusal) == "no session is running; start one first"


def test_reload_keeps_the_selection() -> None:
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Reload(CATALOGUE))
    assert world.session.status.profile == "quick"
