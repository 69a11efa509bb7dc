"""Where a daemon has its mat and its profiles from. The bridge and its child process know this."""

from collections.abc import Sequence
from typing import NamedTuple


class Sources(NamedTuple):
    mat: str | None = None
    """The mat file. None: the one in use."""
    profiles: str | None = None
    """The only folder of profiles. None: the folders in use."""
    files: Sequence[str] = ()
    """Profiles beside those of the folders."""
