"""Choice users: the fast, fitted user model.

One row of numbers holds all that a browsing user is at the moment, and one row all that an item is (``choice_state``), so that
a page costs one gather and one product, ``z . x`` being the log-odds of a click; an item that the user has met before loses
some of them (``encounters``). After the page every row moves by the same linear rule, ``x <- memory * x + rest``, a convex step
towards where it rests. What was consumed then adds ``gain * z``, in which the last two entries of ``z`` carry what the item was
worth to this user, as far as the limits of each entry; and it pulls the taste part of the way to a point at most
``drift_reach`` from where the taste began. So every entry stays within ``ChoiceUsers.bounds``, whatever is shown. Ratings are
ordered-logit draws around a second fitted product.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from recsim_llm.agents.browsing.log_normal import draw_log_normal
from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_state import LEAVE, SATISFACTION, impatience
from recsim_llm.agents.choice.encounters import Encounters, Met
from recsim_llm.agents.choice.parameter_sources import parameter_sources
from recsim_llm.agents.choice.taste_tables import TasteTables
from recsim_llm.agents.examination import examination_by_user, examination_curve, examination_in_order
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.core.repetition import RatedItems
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["ChoiceUsers"]

_FIRST = np.array([0])
_EVERYONE = slice(None)


class ChoiceUsers:
    """Users that choose by a fitted model.

    Args:
        catalog: the items, the ones that the model was fitted on.
        population: the users, with the fitted vectors ``click``, ``rating``, ``cuts`` and ``noise``.
        model: the fitted item side.
        parameters: behaviour on the page; None takes the model's own.

    Raises:
        ConfigError: the model is of other items, the population's vectors are missing or not of the model's fit, or prices are
            weighed that the catalog does not have.
    """

    def __init__(
        self, catalog: Catalog, population: Population, model: ChoiceModel, parameters: ChoiceParameters | None = None
    ) -> None:
        _check_fit(catalog, population, model)
        self.model, self.parameters = model, parameters or model.parameters
        self.levels = model.levels
        self.provenance = {"parameter_sources": parameter_sources(model, self.parameters)}
        self._tastes = tastes = TasteTables.of(catalog, population, model, self.parameters)
        layout = tastes.layouts[0]
        self._taste = layout.taste
        self._items, self._offset = tastes.items, tastes.offset
        self._start = tastes.by_user(lambda layout, people, _: layout.start(people, self.parameters))
        self._drive = tastes.by_user(lambda layout, people, own: layout.drive(people, self.parameters, self._start[own]))
        self._memory = layout.memory(self.parameters)[None]
        self._gain = layout.gain(self.parameters)[None]
        self._pull = tastes.pull(self.parameters)
        self._low, self._high = layout.limits(self.parameters)
        self._price = _price_shift(catalog, self.parameters.price)
        by_page = self.parameters.leave_by_page
        self._leave = None if by_page is None else np.array(by_page, np.float32)
        self._impatience = impatience(population, self.parameters, model).astype(np.float32)
        noise = np.maximum(population.vectors["noise"], np.float32(1e-3))
        self._rating_items = model.rating_items
        self._rating_users = np.ascontiguousarray(population.vectors["rating"] / noise)
        self._cuts = np.ascontiguousarray((population.vectors["cuts"] / noise).T)
        self._expected = np.ascontiguousarray(population.trait("rating_mean"))
        self._opinion_gain = np.array([self.parameters.opinion_gain], np.float32)
        self._expected_worth = self._expected * self._opinion_gain - np.float32(self.parameters.click_gain)
        self._position_bias = np.ascontiguousarray(population.trait("position_bias"))
        self._state = np.empty((0, 0), np.float32)
        self._rated: RatedItems | None = None

    def take_rated(self, rated: RatedItems | None) -> None:
        """Take in what everybody rated before the first page: each of these items counts as just consumed there."""
        self._rated = rated

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._slate_size = slate_size
        table, curve = self.parameters.examination_table, self.parameters.position_curve
        self._curve = (
            examination_curve(slate_size, self.parameters.position_decay, curve)
            if table is None
            else examination_in_order(slate_size, table)
        )
        self._state = np.zeros((rows, self._items.shape[1]), np.float32)
        self._rest = np.zeros_like(self._state)
        self._past = Encounters(rows, slate_size, len(self.model.item_id), self._rated)
        self._row_offset = None if self._offset is None else np.zeros(rows, np.int64)
        self._met: Met | None = None
        count = np.arange(slate_size + 1)
        share = 1 - (1 - self.parameters.drift) ** count
        self._pulls = (share / np.maximum(count, 1)).astype(np.float32)

    def copy_rows(self, rows: IntArray) -> ChoiceUsers:
        """Return users who are at this moment what those of int64 [m] rows are, in rows of their own."""
        other = copy(self)
        other._state, other._rest, other._past = self._state[rows], self._rest[rows], self._past.copy_rows(rows)
        other._row_offset = None if self._row_offset is None else self._row_offset[rows]
        return other

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: probability that each position is examined; [m, k, k + 1] with an examination table."""
        return examination_by_user(self._curve, self._position_bias.take(user_index))

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row; a returning user keeps the taste that earlier visits formed."""
        fresh = self._start.take(user_index, axis=0)
        if returning:
            fresh[:, self._taste] = self._state[rows][:, self._taste]
        else:
            self._past.begin(rows, user_index)
        self._state[rows] = fresh
        self._rest[rows] = self._drive.take(user_index, axis=0)
        if self._offset is not None and self._row_offset is not None:
            self._row_offset[rows] = self._offset.take(user_index)

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, drawing nothing."""
        index = pages.item_index
        if self._offset is not None:
            index = index + self._offset.take(pages.user_index)[:, None]
        self._page_items = items = self._items.take(index, axis=0, mode="clip")
        state = self._state[pages.rows]
        # For one user the same product, at half the cost of a batch of one.
        log_odds: FloatArray = items[0].dot(state[0])[None] if len(state) == 1 else np.matvec(items, state)
        if self._price is not None:
            log_odds = log_odds + self._price.take(pages.item_index, mode="clip")
        self._met = met = self._past.find(pages.rows, pages.item_index)
        if met is not None:
            log_odds.reshape(-1)[met.place] -= self._loss(met)
        return Decisions(log_odds)

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: each row's click log-odds for every item at this moment; hidden from all but the oracle."""
        log_odds = self._tastes.appeal(self._state[rows], None if self._row_offset is None else self._row_offset[rows])
        if self._price is not None:
            log_odds = log_odds + self._price
        met = self._past.every(rows)
        log_odds.reshape(-1)[met.place] -= self._loss(met)
        return log_odds

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [l - 1, c]: log-odds that the rating of each clicked slot is at most each level but the last."""
        user = pages.user_index.take(row)
        item = pages.item_index.reshape(-1).take(slot)
        opinion = np.vecdot(self._rating_items.take(item, axis=0), self._rating_users.take(user, axis=0))
        log_odds: FloatArray = self._cuts.take(user, axis=1) - opinion
        return log_odds

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Take in what was drawn for the pages last decided, and say how the users feel."""
        rows = pages.rows
        everyone = isinstance(rows, slice)
        state = self._state if everyone else self._state[rows]
        state *= self._memory
        state += self._rest if everyone else self._rest[rows]
        if slot.size:
            self._consume(state, pages, slot, row, rating=rating)
        self._past.add(pages.rows, pages.item_index, slot)
        if not everyone:
            self._state[rows] = state
        leaving = state[:, LEAVE].copy() if self._leave is None else self._leaving(self._leave, pages, state[:, LEAVE])
        return Mood(state[:, SATISFACTION].copy(), leaving)

    def _leaving(self, by_page: FloatArray, pages: Pages, relief: FloatArray) -> FloatArray:
        """Return float32 [m]: log-odds of leaving by page and patience, moved by what was consumed as far as the limits."""
        usual = by_page.take(np.minimum(pages.page, len(by_page) - 1)) + self._impatience.take(pages.user_index)
        low, high = np.float32(self.parameters.leave_floor), np.float32(self.parameters.leave_ceiling)
        moved: FloatArray = np.clip(usual + relief, np.minimum(usual, low), np.maximum(usual, high))
        return moved

    def _consume(self, state: FloatArray, pages: Pages, slot: IntArray, row: IntArray, *, rating: FloatArray) -> None:
        """Let each row's clicked items do what they do to it."""
        item = pages.item_index.reshape(-1).take(slot)
        if self._offset is not None:
            item = item + self._offset.take(pages.user_index.take(row))
        worth = rating * self._opinion_gain
        worth -= self._expected_worth.take(pages.user_index.take(row))
        consumed = self._page_items.reshape(-1, self._items.shape[1]).take(slot, axis=0)
        consumed[:, LEAVE:] = worth[:, None]
        consumed *= self._gain
        consumed[:, self._taste] *= self._pull.take(item)[:, None]
        fresh = None if self._met is None else self._freshness(self._met, slot)
        if fresh is not None:
            consumed[:, LEAVE:] *= fresh[:, None]
            consumed[:, self._taste] *= fresh[:, None]
        at: Rows = _EVERYONE
        if len(state) == 1:
            # The same as below at half the cost.
            start = _FIRST
            count, pull = np.float32(len(row)), self._pulls[len(row)]
        else:
            # Rows ascend, so each row's items are a run: sum the runs.
            start = np.concatenate([_FIRST, np.flatnonzero(row[1:] != row[:-1]) + 1])
            at, ends = row.take(start), np.append(start[1:], len(row))
            count, pull = (ends - start).astype(np.float32)[:, None], self._pulls.take(ends - start)[:, None]
        gained = np.add.reduceat(consumed, start, axis=0)
        share = pull * (count if fresh is None else np.add.reduceat(fresh, start)[:, None])
        before = state[at]
        taste = gained[:, self._taste]
        taste *= pull
        taste += share * (self._start[pages.user_index[at], self._taste] - before[:, self._taste])
        gained += before
        # No further than the limits; who is beyond them by nature is not moved back.
        np.maximum(gained, np.minimum(before, self._low), out=gained)
        state[at] = np.minimum(gained, np.maximum(before, self._high), out=gained)

    def _loss(self, met: Met) -> FloatArray:
        """Return float32 [f]: log-odds that items lose because their users have met them."""
        parameters = self.parameters
        tired = np.minimum(met.exposures * parameters.exposure_loss, parameters.exposure_limit) * self._kept(met.since_exposure)
        repeated = np.where(met.consumed, parameters.repeat, 0.0) * self._kept(met.since_consumed)
        loss: FloatArray = (tired + repeated).astype(np.float32)
        return loss

    def _freshness(self, met: Met, slot: IntArray) -> FloatArray:
        """Return float32 [c]: the share of its worth that each clicked item of the page has, below 1 if consumed before."""
        fresh = np.ones(len(slot), np.float32)
        place = np.minimum(np.searchsorted(met.place, slot), len(met.place) - 1)
        again = (met.place[place] == slot) & met.consumed[place]
        fresh[again] -= self._kept(met.since_consumed[place[again]]).astype(np.float32)
        return fresh

    def _kept(self, pages: IntArray) -> DoubleArray:
        """Return float64: the share of what a meeting took from an item that is still lost so many pages later."""
        half_life = self.parameters.repeat_half_life
        return np.ones(len(pages)) if half_life is None else np.exp2(-np.maximum(pages, 0) / half_life)

    def bounds(self) -> Bounds:
        """Return how far clicks, satisfaction, leaving, returning and taste can go, whatever is shown and drawn."""
        impatient = None if self._leave is None else self._impatience
        bounds = self._tastes.bounds(self._start, self._drive, self.parameters, impatient)
        if self._price is None:
            return bounds
        clicks = bounds.click_log_odds
        wider = Range(clicks.low + float(self._price.min()), clicks.high + float(self._price.max()))
        return bounds._replace(click_log_odds=wider)

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched of items that were rated so by these users."""
        surprise = rating - self._expected.take(user_index)
        log_odds: FloatArray = np.float32(self.parameters.watch_base) + np.float32(self.parameters.watch_slope) * surprise
        return log_odds

    @property
    def tells_dwell(self) -> bool:
        """Whether the users were fitted to a log that says how long people stay."""
        return self.parameters.dwell is not None

    def dwell(self, dice: DoubleArray) -> DoubleArray:
        """Return float64 [c]: seconds that uniform dice give, NaN where the users were not fitted to a log that says so."""
        parts = self.parameters.dwell
        return np.full(dice.shape, np.nan) if parts is None else draw_log_normal(parts, dice)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        satisfaction = self._state[rows][:, SATISFACTION]
        slope = np.float32(self.parameters.return_slope)
        log_odds: FloatArray = np.float32(self.parameters.return_base) + slope * satisfaction
        return log_odds


def _price_shift(catalog: Catalog, weight: float) -> FloatArray | None:
    """Return float32 [n]: what each item's price adds to the log-odds of a click; None where nobody weighs it."""
    if not weight:
        return None
    if catalog.price is None:
        raise ConfigError(
            f"choice parameter 'price': got {weight:g} with a catalog without prices, expected one with them; name the column, "
            "columns: {price: NAME}, or leave the parameter out"
        )
    relative = catalog.price.astype(np.float64) / np.median(catalog.price)
    return (-weight * np.log(relative)).astype(np.float32)


def _check_fit(catalog: Catalog, population: Population, model: ChoiceModel) -> None:
    if not np.array_equal(model.item_id, catalog.item_id):
        raise ConfigError(
            f"choice users: got a model of {len(model.item_id)} other items than the catalog's {len(catalog)}, expected the "
            "same ones in the same order; fit it to this catalog (recsim-llm fit)"
        )
    widths = {
        "click": model.click_items.shape[1],
        "rating": model.rating_items.shape[1],
        "cuts": len(model.levels) - 1,
        "noise": 1,
    }
    missing = sorted(set(widths) - set(population.vectors))
    if missing:
        raise ConfigError(
            f"choice users: got a population without {', '.join(missing)}, expected one from a fit; take that of recsim-llm fit"
        )
    for name, width in widths.items():
        got = population.vectors[name].shape[1:]
        if got != (width,):
            raise ConfigError(
                f"choice users: got {name!r} vectors of shape {got}, expected ({width},); take model and users of one fit"
            )
