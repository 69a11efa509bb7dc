"""One input of each kind, for the tests of the session."""

from firmware_ctl.config.profile import Phase, Profile
from firmware_ctl.session.events import (
    TRY,
    Clear,
    ClockSynchronised,
    Close,
    EndTry,
    Fault,
    FaultCleared,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    Pause,
    RailOff,
    Ready,
    Reload,
    Resume,
    Select,
    Start,
    Stop,
    Suspended,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.compiler import compile_profile
from tests.support.worlds import (
    MAT,
    QUICK,
    steady,
)

TRIAL = compile_profile(
    Profile(TRY, TRY, "", (), False, (Phase(TRY, 10_000, 1, (steady("neck", 30),)),)), MAT
)

INPUTS: dict[str, Input] = {
    "wake": Wake(),
    "start": Start(),
    "start the same": Start("calm"),
    "start another": Start("quick"),
    "start unknown": Start("nobody"),
    "start a bad one": Start("bad"),
    "try": Try(TRIAL),
    "end try": EndTry(),
    "stop": Stop(),
    "pause": Pause(),
    "resume": Resume(),
    "select": Select("quick"),
    "select unknown": Select("nobody"),
    "select a bad one": Select("bad"),
    "trim": Trim(50),
    "reload": Reload(Catalogue((QUICK,))),
    "clear": Clear(),
    "fault": Fault("internal", "a mistake"),
    "fault cleared": FaultCleared("rail"),
    "rail off": RailOff(),
    "saved": LedgerSaved(99_999),
    "save failed": LedgerSaveFailed(99_999, "the disk is full"),
    "suspended": Suspended(5_000),
    "clock synchronised": ClockSynchronised(5_000),
    "ready": Ready(),
    "close": Close(),
}
