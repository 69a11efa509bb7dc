"""How many phones may watch and command at a time. This module does no I/O."""

from typing import Final, Generic, TypeVar

MOST_COMMANDING: Final = 8
MOST_WATCHING: Final = 16

Phone = TypeVar("Phone")


class Seats(Generic[Phone]):
    """The connected phones. A paired phone that finds no seat to command watches until one is free.

    Phones that only watch have seats of their own, so that strangers cannot take those of the
    paired.
    """

    def __init__(self) -> None:
        self._commanding: dict[Phone, None] = {}
        self._watching: dict[Phone, bool] = {}
        """The other phones, and whether each is paired."""

    def __len__(self) -> int:
        return len(self._commanding) + len(self._watching)

    @property
    def phones(self) -> list[Phone]:
        return [*self._commanding, *self._watching]

    @property
    def commanding(self) -> int:
        return len(self._commanding)

    def enter(self, phone: Phone, is_paired: bool) -> bool:
        """Gives the phone a seat. Returns False if there is none."""
        if is_paired and len(self._commanding) < MOST_COMMANDING:
            self._commanding[phone] = None
        elif len(self._watching) < MOST_WATCHING:
            self._watching[phone] = is_paired
        else:
            return False
        return True

    def leave(self, phone: Phone) -> None:
        """Frees the seat of the phone. The paired phone that has waited longest gets it."""
        self._watching.pop(phone, None)
        if phone in self._commanding:
            del self._commanding[phone]
            waiting = (other for other, is_paired in self._watching.items() if is_paired)
            if (promoted := next(waiting, None)) is not None:
                del self._watching[promoted]
                self._commanding[promoted] = None

    def may_command(self, phone: Phone) -> bool:
        return phone in self._commanding
