"""The acupressure points that profiles may name: where each is, and who presses it.

No effect is claimed for any point.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Point(NamedTuple):
    name: str
    title: str
    where: str
    by_hand: bool
    """True if the person presses the point, on a cue; False if the mat's motors reach it."""
    caution: str = ""
    zone: str = ""
    """The zone of the reference mat that reaches the point. Empty if the person presses it."""


POINTS: Final[Mapping[str, Point]] = {
    point.name: point
    for point in (
        Point(
            "BL23",
            "Bladder 23",
            "lower back, about two finger widths from the spine, on both sides",
            by_hand=False,
            zone="lower_back",
        ),
        Point(
            "GB30",
            "Gallbladder 30",
            "outer side of the hip, in the crease where the leg meets the torso",
            by_hand=False,
            zone="hips",
        ),
        Point(
            "KI3",
            "Kidney 3",
            "inside of the ankle, in the hollow between ankle bone and Achilles tendon",
            by_hand=True,
        ),
        Point(
            "LI4",
            "Large Intestine 4",
            "hand, between thumb and index finger",
            by_hand=True,
            caution="Traditionally avoided in pregnancy.",
        ),
    )
}
