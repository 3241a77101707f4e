"""What happens during a run by plan: each intervention has a time, a change, and those whom it concerns.

What a change adds to users is a function of the day alone, so that it is worked out anew at each step: nothing adds up that
could go astray, and a run that is resumed is where it was.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.dynamics.clock import HOURS
from recsim_llm.dynamics.fake_profiles import ProfileAttack
from recsim_llm.dynamics.selection import ItemSelection, UserSelection
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.personas import Population

__all__ = [
    "Accidents",
    "Arrival",
    "Change",
    "Drift",
    "Harm",
    "Impatience",
    "Intervention",
    "Price",
    "Promotion",
    "Release",
    "Retirement",
    "Season",
    "Trend",
    "genre_places",
    "tastes_elsewhere",
]


class Drift(FrozenSettings):
    """Tastes move: for some genres, or for each user towards genres drawn for that user and away from the present ones."""

    size: float = Field(gt=0, le=6)
    """Log-odds of a click on an item that is wholly of the genre that gains most."""
    days: float = Field(default=0.0, ge=0)
    """Days that it takes; 0: all at once."""
    genres: list[str] | None = Field(default=None, min_length=1)
    """Genres that gain; None draws for each user."""


class Season(FrozenSettings):
    """Taste for some genres comes and goes."""

    genres: list[str] = Field(min_length=1)
    """Which."""
    size: float = Field(gt=0, le=6)
    """Log-odds of a click gained at the height and lost half a period later."""
    period: float = Field(gt=0)
    """Days from one height to the next; the first is when the intervention begins."""


class Trend(FrozenSettings):
    """Some items are talked about everywhere."""

    items: ItemSelection
    """Which."""
    size: float = Field(ge=-6, le=6)
    """Log-odds added to a click."""
    fades: bool = False
    """Whether it fades evenly until the end."""


class Price(FrozenSettings):
    """Some items cost more or less than they did."""

    items: ItemSelection
    """Which."""
    change: float = Field(gt=-1, le=10)
    """Relative change of the price: -0.2 for a fifth less."""
    elasticity: float = Field(default=1.0, ge=0, le=5)
    """By which power of the price the odds of a click fall. Assumed 1."""

    @property
    def size(self) -> float:
        """Log-odds added to a click: ``-elasticity * log(1 + change)``."""
        return float(-self.elasticity * np.log1p(self.change))


class Promotion(FrozenSettings):
    """A slot of every page is sold: whatever the recommender put there, it shows one of these items."""

    items: ItemSelection
    """Which; of each user's, the first one that the rule on repetition and the rest of the page allow."""
    slot: int = Field(default=0, ge=0)
    """Position on the page, from 0."""


class Release(FrozenSettings):
    """Some items come on sale; until then they are not, and nobody has rated them."""

    items: ItemSelection
    """Which."""


class Retirement(FrozenSettings):
    """Some items go off sale; who shows them is told as of any retired item."""

    items: ItemSelection
    """Which."""


class Arrival(FrozenSettings):
    """These users come for the first time only now."""


class Harm(FrozenSettings):
    """Some items do their users harm: whoever consumes them craves more of them and is less and less satisfied."""

    items: ItemSelection
    """Which."""
    temptation: float = Field(default=2.0, ge=0, le=6)
    """Log-odds that full craving adds to a click on them."""
    regret: float = Field(default=2.0, ge=0, le=6)
    """What full craving takes from satisfaction, on its log-odds scale."""
    memory: float = Field(default=0.9, ge=0, lt=1)
    """Share of a craving that is left one page later."""


class Accidents(FrozenSettings):
    """Some of what is looked at is clicked by accident."""

    share: float = Field(gt=0, lt=1)
    """Share of the examined slots."""


class Impatience(FrozenSettings):
    """Users leave sooner, or later."""

    size: float = Field(ge=-6, le=6)
    """Log-odds added to leaving after a page."""


Kind = (
    Drift | Season | Trend | Price | Promotion | Release | Retirement | Arrival | Harm | Accidents | Impatience | ProfileAttack
)
_KINDS: dict[str, type[Kind]] = {
    "drift": Drift,
    "season": Season,
    "trend": Trend,
    "price": Price,
    "promote": Promotion,
    "release": Release,
    "retire": Retirement,
    "arrive": Arrival,
    "harm": Harm,
    "accidents": Accidents,
    "impatience": Impatience,
    "attack": ProfileAttack,
}
_WHEN = re.compile(r"day\s+(\d{1,6})(?:,?\s+hour\s+([01]?\d|2[0-3]))?")
_ONCE = ("release", "retire", "arrive")
"""Kinds that happen at a time and have no end."""


class Change(FrozenSettings):
    """What changes: exactly one of these."""

    drift: Drift | None = None
    """Tastes move."""
    season: Season | None = None
    """Taste for some genres comes and goes."""
    trend: Trend | None = None
    """Some items are talked about."""
    price: Price | None = None
    """Some items cost more or less."""
    promote: Promotion | None = None
    """A slot of every page is sold."""
    release: Release | None = None
    """Some items come on sale."""
    retire: Retirement | None = None
    """Some items go off sale."""
    arrive: Arrival | None = None
    """Some users come for the first time."""
    harm: Harm | None = None
    """Some items do harm."""
    accidents: Accidents | None = None
    """Some clicks are accidents."""
    impatience: Impatience | None = None
    """Users leave sooner."""
    attack: ProfileAttack | None = Field(default=None, exclude_if=lambda attack: attack is None)
    """Fake users come, one after the other until the end, or all at once where there is none. Recommenders that are fitted anew
    learn from them; what they left stays."""

    @property
    def kind(self) -> str:
        """Name of the one that is given."""
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "nothing"
            raise ConfigError(f"change: got {got}, expected exactly one of {', '.join(_KINDS)}")
        return given[0]

    @property
    def what(self) -> Kind:
        """The one that is given."""
        what: Kind = getattr(self, self.kind)
        return what


class Intervention(FrozenSettings):
    """Something that happens by plan."""

    name: str = Field(pattern=r"^[\w .-]+$")
    """What the log and the report call it."""
    at: float = Field(ge=0)
    """When it begins: ``day 10``, ``day 10 hour 18``, or a number of days since the beginning; 0 is the first day."""
    until: float | None = None
    """When it ends, likewise; None: with the run."""
    change: Change
    """What changes."""
    who: UserSelection = UserSelection()
    """Whom it concerns; everyone where nothing is said. Items that come and go do so for everyone."""

    @field_validator("at", "until", mode="before")
    @classmethod
    def _read_days(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        found = _WHEN.fullmatch(value.strip())
        if found is None:
            raise ValueError(
                "expected `day 10`, `day 10 hour 18` (hours from 0 to 23), or a number of days since the beginning"
            )
        return int(found[1]) + int(found[2] or 0) / HOURS

    def check(self) -> None:
        """See to it that it can happen.

        Raises:
            ConfigError: there is not one change, it ends before it begins, or what has no end has one.
        """
        kind = self.change.kind
        if self.until is not None and kind in _ONCE:
            raise ConfigError(
                f"intervention {self.name!r}: got until {self.until:g} for {kind}, which has no end; leave it out"
            )
        if self.until is not None and self.until <= self.at:
            raise ConfigError(f"intervention {self.name!r}: got until {self.until:g}, expected a day after {self.at:g}")
        if kind in ("release", "retire", "promote", "harm", "attack") and self.who != UserSelection():
            raise ConfigError(f"intervention {self.name!r}: got who for {kind}, expected it for everyone; leave who out")
        try:
            self.who.check_quantiles()
        except ConfigError as error:
            raise ConfigError(f"intervention {self.name!r}, {error}") from error

    def strength(self, day: float) -> float:
        """Return how much of the change holds on a day, in days since the beginning: 0 before and after, mostly 1 within."""
        if day < self.at or (self.until is not None and day >= self.until):
            return 0.0
        what = self.change.what
        since = day - self.at
        if isinstance(what, Drift):
            return 1.0 if what.days == 0 else min(since / what.days, 1.0)
        if isinstance(what, Season):
            return float(np.cos(2 * np.pi * since / what.period))
        if isinstance(what, Trend) and what.fades and self.until is not None:
            return 1 - since / (self.until - self.at)
        return 1.0


def tastes_elsewhere(population: Population, chosen: BoolArray, word: keyed.Words) -> FloatArray:
    """Return float32 [u, g]: by how much each genre gains for users whose taste moves, the largest gain being 1.

    A user's tastes for the genres are dealt out anew, in an order drawn for that user; a genre gains the difference. Who has
    one taste for all genres gains nothing.

    Args:
        population: the users.
        chosen: bool [u]: whose taste moves.
        word: uint64 [1]: of the draw, with the seed absorbed.
    """
    taste = population.taste.astype(np.float64)
    order = keyed.absorb(keyed.absorb(word, population.user_id)[:, None], np.arange(taste.shape[1]))
    gain = np.take_along_axis(taste, np.argsort(order, axis=1, kind="stable"), axis=1) - taste
    most = gain.max(axis=1, keepdims=True, initial=0.0)
    scaled = np.divide(gain, most, out=np.zeros_like(gain), where=most > 0)
    scaled[~chosen] = 0.0
    bounded: FloatArray = np.clip(scaled, -1.0, 1.0).astype(np.float32)
    return bounded


def genre_places(names: list[str], population: Population) -> list[int]:
    """Return where genres stand.

    Raises:
        ConfigError: one is unknown.
    """
    for name in names:
        if name not in population.genre_names:
            raise ConfigError(f"genres: got {name!r}, expected {one_of(name, population.genre_names)}")
    return [population.genre_names.index(name) for name in names]
