"""The fast path of a tick gives the same steps as the slow path."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.profile import Level, Phase, Play
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    Resume,
    Start,
    Stop,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import (
    CALM,
    MAT,
    STEPS,
    entry,
    steady,
)
from tests.unit.session.inputs import INPUTS


class SlowSession(Session):
    """A session without the fast path: it computes everything at each wake."""

    @property
    def _quiet_until_ms(self) -> int:
        return 0

    @_quiet_until_ms.setter
    def _quiet_until_ms(self, until_ms: int) -> None:
        pass


WAVES = entry(
    "waves",
    Phase("wave", 2_500, 2, (Play("all", "wave", Level(60, 60), (("period", 700),)),)),
    Phase("ramp", 2_000, 1, (Play("back", "steady", Level(5, 60)), steady("neck", 3))),
    Phase("hand", 6_000, 1, (steady("back", 40),), cue="KI3"),
)

ANYTHING = st.sampled_from([*INPUTS.values(), Start(), Start(), Start("waves"), Stop(), Resume()])


@given(
    st.sampled_from([0.5, 1.0, 3.0, 60.0]),
    st.sampled_from(["waves", "calm"]),
    st.lists(st.tuples(st.integers(0, 2_500), ANYTHING | st.just(None)), max_size=12),
    st.booleans(),
)
def test_fast_path_gives_the_steps_of_the_slow_path(
    speed: float, name: str, script: list[tuple[int, Input | None]], disk_is_sound: bool
) -> None:
    """In a script, None stands for the answer of the disk to the last save."""
    catalogue = Catalogue((WAVES, STEPS, CALM))
    fast, slow = Session(MAT, catalogue, speed), SlowSession(MAT, catalogue, speed)
    now_ms, number = 0, 0
    step = fast.handle(Contacts(Contact.RELEASED), now_ms)
    assert slow.handle(Contacts(Contact.RELEASED), now_ms) == step
    for for_ms, event in [
        (100, Wake()),
        (100, Start("waves")),
        (5, None),
        *script,
        (2_500, Stop()),
    ]:
        end_ms = now_ms + for_ms
        while step.wake_at_ms is not None and step.wake_at_ms < end_ms:
            now_ms = max(now_ms, step.wake_at_ms)
            step = fast.handle(Wake(), now_ms)
            assert slow.handle(Wake(), now_ms) == step
            number = step.save.number if step.save else number
        now_ms = end_ms
        if event is None:
            event = (
                LedgerSaved(number)
                if disk_is_sound
                else LedgerSaveFailed(number, "the disk is full")
            )
        step = fast.handle(event, now_ms)
        assert repr(slow.handle(event, now_ms)) == repr(step)
        number = step.save.number if step.save else number
