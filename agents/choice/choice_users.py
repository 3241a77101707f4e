"""Choice users: the fast, fitted user model.

One row of numbers holds all that a browsing user is at the moment, and one row all that an item is:

    user row  x = [ taste | base | boredom by genre | novelty | leaving | satisfaction ]
    item row  z = [ factors | 1  | genre shares     | self-information | 0 | 0 ]

so that a page costs one gather and one product, ``z . x`` being the log-odds of a click. After the page every row moves by
the same linear rule, ``x <- memory * x + rest + gain * sum of the consumed items' z``, in which the last two entries of ``z``
carry what the consumed item was worth to this user. An item that the user consumed lately loses ``repeat``. Ratings are
ordered-logit draws around a second fitted product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.consumed import ConsumedItems
from recsim_llm.agents.examination import examination_by_user, examination_curve
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["ChoiceUsers"]

_LEAVE, _SATISFACTION = -2, -1
_FIRST = np.array([0])
_LINE = 16  # float32 in a cache line


class ChoiceUsers:
    """Users that choose by a fitted model.

    Args:
        catalog: the items, the ones that the model was fitted on.
        population: the users, with the fitted vectors ``click``, ``rating``, ``cuts`` and ``noise``.
        model: the fitted item side.
        parameters: behaviour on the page; None takes the model's own.

    Raises:
        ConfigError: the model is of other items, or the population's vectors are missing or not of the model's fit.
    """

    def __init__(
        self, catalog: Catalog, population: Population, model: ChoiceModel, parameters: ChoiceParameters | None = None
    ) -> None:
        _check_fit(catalog, population, model)
        self.model, self.parameters = model, parameters or model.parameters
        self.levels = model.levels
        layout = _Layout.of(catalog, model)
        self._taste = layout.taste
        self._items = layout.items
        self._start = layout.start(population, self.parameters)
        self._drive = layout.drive(population, self.parameters, self._start)
        self._memory = layout.memory(self.parameters)[None]
        self._gain = layout.gain(self.parameters)[None]
        noise = np.maximum(population.vectors["noise"], np.float32(1e-3))
        self._rating_items = model.rating_items
        self._rating_users = np.ascontiguousarray(population.vectors["rating"] / noise)
        self._cuts = np.ascontiguousarray((population.vectors["cuts"] / noise).T)
        self._expected = np.ascontiguousarray(population.trait("rating_mean"))
        self._opinion_gain = np.array([self.parameters.opinion_gain], np.float32)
        self._expected_worth = self._expected * self._opinion_gain - np.float32(self.parameters.click_gain)
        self._repeat = np.array([self.parameters.repeat], np.float32)
        self._position_bias = np.ascontiguousarray(population.trait("position_bias"))
        self._state = np.empty((0, 0), np.float32)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._slate_size = slate_size
        self._curve = examination_curve(slate_size, self.parameters.position_decay, self.parameters.position_curve)
        self._state = np.zeros((rows, self._items.shape[1]), np.float32)
        self._rest = np.zeros_like(self._state)
        self._past = ConsumedItems(rows)

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: probability that each position is examined."""
        return examination_by_user(self._curve, self._position_bias.take(user_index))

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row; a returning user keeps the taste that earlier visits formed."""
        fresh = self._start.take(user_index, axis=0)
        if returning:
            fresh[:, self._taste] = self._state[rows][:, self._taste]
        else:
            self._past.forget(rows)
        self._state[rows] = fresh
        self._rest[rows] = self._drive.take(user_index, axis=0)

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, drawing nothing."""
        self._page_items = items = self._items.take(pages.item_index, axis=0, mode="clip")
        state = self._state[pages.rows]
        # For one user the same product, at half the cost of a batch of one.
        log_odds: FloatArray = items[0].dot(state[0])[None] if len(state) == 1 else np.matvec(items, state)
        again = self._past.find(pages.rows, pages.item_index)
        if again is not None:
            log_odds.reshape(-1)[again] -= self._repeat
        return Decisions(log_odds)

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: each row's click log-odds for every item at this moment; hidden from all but the oracle."""
        # Not one matrix product: that may round a user differently when other users browse beside.
        log_odds: FloatArray = np.matvec(self._items, self._state[rows])
        again = self._past.pairs(rows)
        # Read before writing: an item that was consumed twice counts once.
        log_odds[again] = log_odds[again] - self._repeat
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
            item = pages.item_index.reshape(-1).take(slot)
            self._past.add(row if isinstance(rows, slice) else rows[row], item)
        if not everyone:
            self._state[rows] = state
        return Mood(state[:, _SATISFACTION].copy(), state[:, _LEAVE].copy())

    def _consume(self, state: FloatArray, pages: Pages, slot: IntArray, row: IntArray, *, rating: FloatArray) -> None:
        """Add to each row what its clicked items bring."""
        worth = rating * self._opinion_gain
        worth -= self._expected_worth.take(pages.user_index.take(row))
        items = self._page_items
        consumed = items.reshape(-1, items.shape[2]).take(slot, axis=0)
        consumed[:, _LEAVE:] = worth[:, None]
        consumed *= self._gain
        if len(state) == 1:
            state += np.add.reduceat(consumed, _FIRST, axis=0)
        else:
            # Rows ascend, so each row's items are a run: sum the runs.
            start = np.flatnonzero(np.diff(row, prepend=-1))
            state[row.take(start)] += np.add.reduceat(consumed, start, axis=0)

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched of items that were rated so by these users."""
        surprise = rating - self._expected.take(user_index)
        log_odds: FloatArray = np.float32(self.parameters.watch_base) + np.float32(self.parameters.watch_slope) * surprise
        return log_odds

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        satisfaction = self._state[rows][:, _SATISFACTION]
        slope = np.float32(self.parameters.return_slope)
        log_odds: FloatArray = np.float32(self.parameters.return_base) + slope * satisfaction
        return log_odds


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layout:
    """Where each part of the state stands, and the item rows that go with it."""

    items: FloatArray
    """float32 [n, d]."""
    taste: slice
    base: int
    genres: slice
    novelty: int
    model: ChoiceModel
    centre: FloatArray
    """float32 [taste]: mean of the fitted item vectors; item rows hold deviations from it, so that consuming an average item
    moves no taste."""

    @classmethod
    def of(cls, catalog: Catalog, model: ChoiceModel) -> _Layout:
        centre = model.click_items.mean(axis=0, dtype=np.float64).astype(np.float32)
        shares = catalog.genres / np.maximum(catalog.genres.sum(axis=1, keepdims=True), 1)
        information = -np.log2((catalog.popularity + 1) / (catalog.popularity + 1).sum(dtype=np.float64))
        spread = information.std()
        novelty = (information - information.mean()) / (spread if spread > 0 else 1.0)
        ones, zeros = np.ones((len(catalog), 1)), np.zeros((len(catalog), 2))
        width, genre_count = len(centre), shares.shape[1]
        columns = [model.click_items - centre, ones, shares, novelty[:, None], zeros]
        return cls(
            items=_whole_lines(np.hstack(columns)),
            taste=slice(0, width),
            base=width,
            genres=slice(width + 1, width + 1 + genre_count),
            novelty=width + 1 + genre_count,
            model=model,
            centre=centre,
        )

    def start(self, population: Population, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [u, d]: each user's row at the start of a visit."""
        rows = np.zeros((len(population), self.items.shape[1]), np.float32)
        click = population.vectors["click"]
        rows[:, self.taste] = click
        # Row by row: a matrix product may round a user differently in another population.
        rows[:, self.base] = np.vecdot(click, self.centre) + np.float32(self.model.click_bias + parameters.click_bias)
        mainstream = (population.trait("mainstreamness") - self.model.mainstreamness_mean) / self.model.mainstreamness_spread
        rows[:, self.novelty] = -parameters.novelty * mainstream
        rows[:, _LEAVE] = parameters.leave_start + self._impatience(population, parameters)
        return rows

    def drive(self, population: Population, parameters: ChoiceParameters, start: FloatArray) -> FloatArray:
        """Return float32 [u, d]: what is added to a user's row on every page."""
        rows = start * (1 - self.memory(parameters))
        tired = parameters.leave_tired + self._impatience(population, parameters)
        rows[:, _LEAVE] = tired * (1 - parameters.fatigue_memory)
        rows[:, _SATISFACTION] = -parameters.page_cost
        return rows

    def memory(self, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [d]: the share of each entry that is left one page later."""
        row = np.ones(self.items.shape[1], np.float32)
        row[self.taste] = parameters.drift_memory
        row[self.genres] = parameters.boredom_memory
        row[_LEAVE] = parameters.fatigue_memory
        row[_SATISFACTION] = parameters.satisfaction_memory
        return row

    def gain(self, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [d]: how much of a consumed item's row is added to the user's."""
        row = np.zeros(self.items.shape[1], np.float32)
        item_size = np.sqrt(np.mean(np.square(self.items[:, self.taste], dtype=np.float64)))
        row[self.taste] = parameters.drift * self.model.click_size / item_size if item_size > 0 else 0.0
        row[self.genres] = -parameters.boredom
        row[_LEAVE] = -parameters.leave_relief
        row[_SATISFACTION] = 1.0
        return row

    def _impatience(self, population: Population, parameters: ChoiceParameters) -> npt.NDArray[np.float64]:
        doublings = np.log2(np.maximum(population.trait("patience"), 1.0) / self.model.patience_median)
        return -parameters.patience_slope * doublings.astype(np.float64)


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


def _whole_lines(rows: npt.NDArray[np.float64]) -> FloatArray:
    """Return the rows as float32 that start on cache lines: zeros before the last two columns fill them up to 64 bytes."""
    width = -(-rows.shape[1] // _LINE) * _LINE
    padding = np.zeros((len(rows), width - rows.shape[1]))
    buffer = np.empty(len(rows) * width + _LINE, np.float32)
    start = -(buffer.ctypes.data // 4) % _LINE
    aligned = buffer[start : start + len(rows) * width].reshape(len(rows), width)
    aligned[:] = np.hstack([rows[:, :_LEAVE], padding, rows[:, _LEAVE:]])
    return aligned
