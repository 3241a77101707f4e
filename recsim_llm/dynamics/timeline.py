"""The interventions of a run, compiled for its items and users: what holds at each step, and what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.clock import HOURS, Clock, Moment
from recsim_llm.dynamics.fake_profiles import ProfileAttack, fake_ratings
from recsim_llm.dynamics.influence import Influence
from recsim_llm.dynamics.interventions import (
    Accidents,
    Arrival,
    Drift,
    Harm,
    Impatience,
    Intervention,
    Price,
    Promotion,
    Release,
    Retirement,
    Season,
    Trend,
    genre_places,
    tastes_elsewhere,
)
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["Event", "Sold", "Timeline", "restocked"]


class Event(NamedTuple):
    """Something that is worth a row in the log, besides what is shown and done."""

    event: str
    """What kind."""
    subject: str
    """What it is about, in words."""
    value: float
    """A number that goes with it; NaN where none does."""
    other_id: int = -1
    """Number of the provider that it is about; -1 where it is about none."""


class Sold(NamedTuple):
    """A slot of every page that shows what somebody paid for."""

    slot: int
    """Position on the page, from 0."""
    item: IntArray
    """int64 [i]: catalog positions."""


class _Planned(NamedTuple):
    """An intervention and what its words stand for."""

    plan: Intervention
    who: BoolArray
    items: BoolArray
    gain: FloatArray | None
    """float32 [u, g]: of a drift or a season, by how much each genre gains."""


class Timeline:
    """What happens by plan.

    Args:
        plans: the interventions, with different names.
        catalog: the items.
        population: the users; the row of an influence is a user index.
        seed: of the run.

    Raises:
        ConfigError: a name stands twice, or an intervention cannot happen to these items and users.
    """

    def __init__(self, plans: Sequence[Intervention], catalog: Catalog, population: Population, seed: int) -> None:
        names = [plan.name for plan in plans]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"interventions: got the name {name!r} twice, expected different names")
        self._catalog, self._population, self._seed = catalog, population, seed
        self._planned = [self._planned_out(plan) for plan in plans]
        self._before: dict[str, bool] = {}

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the columns that an influence needs."""
        return tuple(one.plan.name for one in self._planned if isinstance(one.plan.change.what, Trend | Price))

    def add(self, plan: Intervention, influence: Influence) -> None:
        """Plan something more while time goes by; what begins before the next step begins with it.

        Args:
            plan: with a name of its own; no release and no arrival, which must be known from the beginning.
            influence: what the users are moved by.

        Raises:
            ConfigError: it cannot happen to these items and users.
        """
        if isinstance(plan.change.what, Release | Arrival):
            raise ConfigError(f"intervention {plan.name!r}: got {plan.change.kind} during the run, expected it from the start")
        if any(one.plan.name == plan.name for one in self._planned):
            raise ConfigError(f"interventions: got the name {plan.name!r} twice, expected different names")
        planned = self._planned_out(plan)
        self._planned.append(planned)
        if isinstance(plan.change.what, Trend | Price):
            influence.add_cause(plan.name)
            influence.load[:, influence.column(plan.name)] = planned.items

    def end(self, name: str, day: float) -> None:
        """Let something that was planned hold no longer than until a day, in days since the beginning."""
        self._planned = [
            one._replace(plan=one.plan.model_copy(update={"until": day})) if one.plan.name == name else one
            for one in self._planned
        ]

    def _planned_out(self, plan: Intervention) -> _Planned:
        plan.check()
        what, word = plan.change.what, keyed.words(self._seed, f"intervention {plan.name}", 0)
        try:
            who = plan.who.mask(self._population, keyed.absorb(word, 0))
            items = np.zeros(len(self._catalog), np.bool_)
            if isinstance(what, Trend | Price | Promotion | Release | Retirement | Harm | ProfileAttack):
                items = what.items.mask(self._catalog, keyed.absorb(word, 1))
            gain = self._gain(what, who, keyed.absorb(word, 2)) if isinstance(what, Drift | Season) else None
            if isinstance(what, Price) and self._catalog.price is not None and not who.all():
                raise ConfigError(
                    "who: got some users where items have prices, expected everyone, whom one price is told; leave it out"
                )
        except ConfigError as error:
            raise ConfigError(f"intervention {plan.name!r}, {error}") from error
        return _Planned(plan, who, items, gain)

    def _gain(self, what: Drift | Season, who: BoolArray, word: keyed.Words) -> FloatArray:
        if what.genres is None:
            return tastes_elsewhere(self._population, who, word)
        gain = np.zeros(self._population.taste.shape, np.float32)
        gain[:, genre_places(what.genres, self._population)] = who[:, None]
        return gain

    def prepare(self, influence: Influence, clock: Clock) -> None:
        """Set up what holds from the beginning: columns of the influence, what is harmful, who comes late."""
        self._before = {}
        for one in self._planned:
            what = one.plan.change.what
            if isinstance(what, Trend | Price):
                influence.load[:, influence.column(one.plan.name)] = one.items
            if isinstance(what, Arrival):
                clock.postpone(np.flatnonzero(one.who), int(one.plan.at))

    def act(self, moment: Moment, influence: Influence) -> list[Event]:
        """Let what holds in a step take hold of users, and return what begins or ends with it."""
        day = _middle(moment)
        influence.weight[:], influence.leaving[:], influence.accidental[:] = 0.0, 0.0, 0.0
        influence.harmful[:], influence.temptation, influence.regret = 0.0, 0.0, 0.0
        events = []
        for one in self._planned:
            strength = one.plan.strength(day)
            if strength:
                _add(influence, one, strength)
            holds = one.plan.at <= day and (one.plan.until is None or day < one.plan.until)
            if holds != self._before.get(one.plan.name, False):
                concerned = int(one.who.sum()) if not one.items.any() else int(one.items.sum())
                events.append(Event("begins" if holds else "ends", one.plan.name, float(concerned)))
            self._before[one.plan.name] = holds
        return events

    def on_sale(self, moment: Moment) -> BoolArray:
        """Return bool [n]: which items are on sale in a step."""
        sold = self._catalog.on_sale.copy()
        for one in self._planned:
            begun = one.plan.at <= _middle(moment)
            if isinstance(one.plan.change.what, Release):
                sold &= ~one.items | begun
            elif isinstance(one.plan.change.what, Retirement) and begun:
                sold &= ~one.items
        return sold

    def prices(self, moment: Moment) -> FloatArray | None:
        """Return float32 [n]: what items cost in a step; None where the catalog has no prices."""
        if self._catalog.price is None:
            return None
        price = self._catalog.price.astype(np.float64)
        for one in self._planned:
            if isinstance(one.plan.change.what, Price) and one.plan.strength(_middle(moment)):
                price[one.items] *= 1 + one.plan.change.what.change
        return price.astype(np.float32)

    def unreleased(self) -> BoolArray:
        """Return bool [n]: items that come on sale during the run, so that nobody can have rated them before."""
        later = np.zeros(len(self._catalog), np.bool_)
        for one in self._planned:
            if isinstance(one.plan.change.what, Release) and one.plan.at > 0:
                later |= one.items
        return later

    def sold(self, moment: Moment) -> list[Sold]:
        """Return the slots of every page that are sold in a step."""
        return [
            Sold(one.plan.change.what.slot, np.flatnonzero(one.items))
            for one in self._planned
            if isinstance(one.plan.change.what, Promotion) and one.plan.strength(_middle(moment))
        ]

    def fakes(self, moment: Moment, genuine: Ratings) -> list[Ratings]:
        """Return what fake users rate who come in a step, attack by attack.

        Args:
            moment: the step.
            genuine: the ratings that fake users are made after.

        Raises:
            ConfigError: as of ``fake_ratings``.
        """
        come = []
        for place, one in enumerate(self._planned, 1):
            if isinstance(one.plan.change.what, ProfileAttack) and _concerns(one.plan, moment):
                ratings = fake_ratings(one.plan.change.what, self._catalog, genuine, seed=self._seed, place=place)
                day = one.plan.at + (ratings.user_index + 0.5) / len(ratings.users) * (
                    (one.plan.until or one.plan.at) - one.plan.at
                )
                now = (day * HOURS >= moment.first) & (day * HOURS < moment.after)
                come += [ratings.take(now)] if now.any() else []
        return come

    def check_slots(self, slate_size: int) -> None:
        """See to it that what is sold is on the page.

        Raises:
            ConfigError: it is not.
        """
        for one in self._planned:
            what = one.plan.change.what
            if isinstance(what, Promotion) and what.slot >= slate_size:
                at = f"intervention {one.plan.name!r}, slot"
                raise ConfigError(f"{at}: got {what.slot}, expected 0 to {slate_size - 1}, the slots of a page")


def _middle(moment: Moment) -> float:
    """Return the day that a step goes by, in days since the beginning: its middle."""
    return (moment.first + moment.after - 1) / 2 / HOURS


def _concerns(plan: Intervention, moment: Moment) -> bool:
    """Tell whether something that goes on from its beginning to its end, or is over at once, takes place in a step."""
    return plan.at * HOURS < moment.after and moment.first <= (plan.until or plan.at) * HOURS


def restocked(catalog: Catalog, on_sale: BoolArray, price: FloatArray | None = None) -> Catalog:
    """Return the catalog with other items on sale, at these prices where there are some."""
    return replace(catalog, retired=~on_sale) if price is None else replace(catalog, retired=~on_sale, price=price)


def _add(influence: Influence, one: _Planned, strength: float) -> None:
    """Add what an intervention does at its present strength."""
    what, who = one.plan.change.what, one.who
    if isinstance(what, Trend | Price):
        influence.weight[who, influence.column(one.plan.name)] += np.float32(what.size * strength)
    elif isinstance(what, Drift | Season) and one.gain is not None:
        influence.weight[:, influence.taste] += np.float32(what.size * strength) * one.gain
    elif isinstance(what, Impatience):
        influence.leaving[who] += np.float32(what.size * strength)
    elif isinstance(what, Accidents):
        share = influence.accidental[who]
        influence.accidental[who] = 1 - (1 - share) * (1 - np.float32(what.share))
    elif isinstance(what, Harm):
        influence.harmful[one.items] = 1.0
        influence.temptation, influence.regret, influence.craving_memory = what.temptation, what.regret, what.memory
