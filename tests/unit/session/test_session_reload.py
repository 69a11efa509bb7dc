"""A reload of all profiles while a session runs, or while one is selected."""

from firmware_ctl.config.profile import Phase
from firmware_ctl.errors import CallerError
from firmware_ctl.session.events import (
    Pause,
    Reload,
    Select,
    Start,
)
from firmware_ctl.timeline.catalogue import Catalogue
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


def test_reload_publishes_a_change_of_the_selected_profile() -> None:
    world = World()
    world.at(1_000, Reload(CATALOGUE))
    world.at(2_000, Reload(Catalogue((QUICK,))))
    world.at(3_000, Reload(Catalogue()))
    world.at(4_000, Reload(CATALOGUE))

    assert world.notices() == [
        (2_000, "state", {"profile": "quick"}),
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
