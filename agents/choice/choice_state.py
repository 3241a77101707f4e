"""How the state of choice users is laid out, where it starts, and how it moves.

One row of numbers holds all that a browsing user is at the moment, and one row all that an item is:

    user row  x = [ taste | base | boredom by genre | novelty | leaving | satisfaction ]
    item row  z = [ factors | 1  | genre shares     | self-information | 0 | 0 ]

``z . x`` is the log-odds of a click.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.population.personas import Population

__all__ = ["LEAVE", "SATISFACTION", "StateLayout", "impatience", "whole_lines"]

LEAVE, SATISFACTION = -2, -1
"""Where the log-odds of leaving and the satisfaction stand in a row."""
_LEAST = 1e-6  # length of factors that are the rounding of equal ones
_LINE = 16  # float32 in a cache line


@dataclass(frozen=True, kw_only=True, eq=False)
class StateLayout:
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
    lengths: npt.NDArray[np.float64]
    """float64 [n]: of the items' factors."""
    typical: float
    """Root mean square of ``lengths``."""

    @classmethod
    def of(cls, catalog: Catalog, model: ChoiceModel) -> StateLayout:
        """Lay out the state for the items of a model."""
        centre = model.click_items.mean(axis=0, dtype=np.float64).astype(np.float32)
        shares = catalog.genres / np.maximum(catalog.genres.sum(axis=1, keepdims=True), 1)
        information = -np.log2((catalog.popularity + 1) / (catalog.popularity + 1).sum(dtype=np.float64))
        spread = information.std()
        novelty = (information - information.mean()) / (spread if spread > 0 else 1.0)
        ones, zeros = np.ones((len(catalog), 1)), np.zeros((len(catalog), 2))
        width, genre_count = len(centre), shares.shape[1]
        columns = [model.click_items - centre, ones, shares, novelty[:, None], zeros]
        items = whole_lines(np.hstack(columns))
        lengths = np.sqrt(np.square(items[:, :width], dtype=np.float64).sum(axis=1))
        return cls(
            items=items,
            taste=slice(0, width),
            base=width,
            genres=slice(width + 1, width + 1 + genre_count),
            novelty=width + 1 + genre_count,
            model=model,
            centre=centre,
            lengths=lengths,
            typical=float(np.sqrt(np.mean(lengths**2))),
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
        # By page, the state holds no more than what consumption took from the log-odds; see ``ChoiceUsers.update``.
        if parameters.leave_by_page is None:
            rows[:, LEAVE] = parameters.leave_start + impatience(population, parameters, self.model)
        return rows

    def drive(self, population: Population, parameters: ChoiceParameters, start: FloatArray) -> FloatArray:
        """Return float32 [u, d]: what is added to a user's row on every page."""
        rows = start * (1 - self.memory(parameters))
        if parameters.leave_by_page is None:
            tired = parameters.leave_tired + impatience(population, parameters, self.model)
            rows[:, LEAVE] = tired * (1 - parameters.fatigue_memory)
        rows[:, SATISFACTION] = -parameters.page_cost
        return rows

    def memory(self, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [d]: the share of each entry that is left one page later."""
        row = np.ones(self.items.shape[1], np.float32)
        row[self.taste] = parameters.drift_memory
        row[self.genres] = parameters.boredom_memory
        row[LEAVE] = parameters.fatigue_memory
        row[SATISFACTION] = parameters.satisfaction_memory
        return row

    def gain(self, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [d]: how much of a consumed item's row is added to the user's, but for its taste."""
        row = np.zeros(self.items.shape[1], np.float32)
        row[self.taste] = 1.0
        row[self.genres] = -parameters.boredom
        row[LEAVE] = -parameters.leave_relief
        row[SATISFACTION] = 1.0
        return row

    def pull(self, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [n]: what an item's factors are multiplied by to give the displacement that its taste pulls towards.

        Longer ones than the typical item's pull no further than it does, so that the displacement is at most ``drift_reach``
        over the typical length; items that are nearly average pull less.
        """
        length = self.lengths
        if self.typical < _LEAST:
            return np.zeros(len(length), np.float32)
        factor: FloatArray = (parameters.drift_reach / (self.typical * np.maximum(length, self.typical))).astype(np.float32)
        return factor

    def limits(self, parameters: ChoiceParameters) -> tuple[FloatArray, FloatArray]:
        """Return float32 [d] twice: how low and how high consumption can move each entry."""
        low = np.full(self.items.shape[1], -np.inf, np.float32)
        high = -low
        low[self.genres], high[self.genres] = -parameters.boredom_limit, parameters.boredom_limit
        low[LEAVE], high[LEAVE] = parameters.leave_floor, parameters.leave_ceiling
        if parameters.leave_by_page is not None:
            high[LEAVE] = abs(parameters.leave_ceiling - parameters.leave_floor)
            low[LEAVE] = -high[LEAVE]
        low[SATISFACTION], high[SATISFACTION] = -parameters.satisfaction_limit, parameters.satisfaction_limit
        return low, high


def impatience(population: Population, parameters: ChoiceParameters, model: ChoiceModel) -> npt.NDArray[np.float64]:
    """Return float64 [u]: what patience adds to each user's log-odds of leaving."""
    doublings = np.log2(np.maximum(population.trait("patience"), 1.0) / model.patience_median)
    return -parameters.patience_slope * doublings.astype(np.float64)


def whole_lines(rows: npt.NDArray[np.floating]) -> FloatArray:
    """Return the rows as float32 that start on cache lines: zeros before the last two columns fill them up to 64 bytes."""
    width = -(-rows.shape[1] // _LINE) * _LINE
    padding = np.zeros((len(rows), width - rows.shape[1]))
    buffer = np.empty(len(rows) * width + _LINE, np.float32)
    start = -(buffer.ctypes.data // 4) % _LINE
    aligned = buffer[start : start + len(rows) * width].reshape(len(rows), width)
    aligned[:] = np.hstack([rows[:, :LEAVE], padding, rows[:, LEAVE:]])
    return aligned
