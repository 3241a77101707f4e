"""What can be changed by hand while a run goes on, and how that is written down.

A slider is an intervention that begins with the next step and holds until the slider is moved again: the machinery of
``interventions`` carries it out, so that it is in the log's events, and a scenario that names the same intervention plays the
same. It moves the users of every arm alike, so that arms stay comparable. Parameters that are worked into the users' tables
when these are built cannot be moved during a run and have no slider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from recsim_llm.dynamics.interventions import Change, Impatience, Intervention, Trend
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import ConfigError, one_of

__all__ = ["MOST", "Slider", "Sliders", "sliders_for"]

MOST = 3.0
"""Log-odds to which a slider goes, up and down."""


class Slider(NamedTuple):
    """A number that moves users, 0 where nothing is moved."""

    name: str
    """Key, and what the log calls it."""
    title: str
    """In words."""
    unit: str
    """Of the number."""
    genre: str | None = None
    """Of the items that it is about; None: all of them."""


CLICKING, LEAVING = "clicking", "leaving"


def sliders_for(genre_names: Sequence[str]) -> tuple[Slider, ...]:
    """Return the sliders of a world with these genres."""
    return (
        Slider(CLICKING, "Inclination to click anything", "log-odds of a click"),
        Slider(LEAVING, "Inclination to leave after a page", "log-odds of leaving"),
        *(Slider(f"genre {genre}", f"Inclination to click {genre}", "log-odds of a click", genre) for genre in genre_names),
    )


class Sliders:
    """Where the sliders stand, and which intervention stands for each.

    Args:
        known: the sliders.
    """

    def __init__(self, known: Sequence[Slider]) -> None:
        self.known = {slider.name: slider for slider in known}
        self.value: dict[str, float] = dict.fromkeys(self.known, 0.0)
        """Where each stands."""
        self._holds: dict[str, str] = {}
        self._number = 0

    def check(self, name: str, value: object) -> float:
        """Return the value to which a slider is to be moved.

        Raises:
            ConfigError: there is no such slider, or it does not go there.
        """
        if name not in self.known:
            raise ConfigError(f"slider: got {name!r}, expected {one_of(name, list(self.known))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST <= value <= MOST:
            raise ConfigError(f"slider {name!r}: got {value!r}, expected a number from {-MOST:g} to {MOST:g}")
        return float(value)

    def move(self, name: str, value: float, day: float) -> tuple[str | None, Intervention | None]:
        """Move a slider; return the name of the intervention that ends, and the one that begins.

        Args:
            name: of the slider.
            value: where it goes.
            day: at which the next step begins, in days since the beginning.
        """
        ends = self._holds.pop(name, None)
        self.value[name] = value
        if not value:
            return ends, None
        self._number += 1
        slider = self.known[name]
        if name == LEAVING:
            change = Change(impatience=Impatience(size=value))
        else:
            change = Change(trend=Trend(items=ItemSelection(genre=slider.genre), size=value))
        plan = Intervention(name=f"by hand {self._number}", at=day, change=change)
        self._holds[name] = plan.name
        return ends, plan

    def shown(self) -> list[dict[str, Any]]:
        """Return the sliders as plain values."""
        return [
            {"name": one.name, "title": one.title, "unit": one.unit, "value": self.value[one.name], "most": MOST}
            for one in self.known.values()
        ]
