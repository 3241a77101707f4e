"""Calibration: from the probabilities that a language model gives to ones that agree with real ratings.

Language models click too much and rate too kindly, each in its own way. One slope and one bias for each kind of question mend
what can be mended without asking anew: for yes and no, Platt scaling (Platt 1999) of the log-odds; for stars, the same of each
level's log-probability:

    log-odds' = slope * log-odds + bias
    log p'(level) = slope * log p(level) + bias * (level - 3) + constant

Slopes are never negative, so a calibrated model orders items as it did before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.files import write_atomically
from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.errors import ConfigError, DataError

__all__ = ["Calibration", "fit_calibration"]


_LEVELS = 5
_CENTRE = 3.0
_LEAST = 1e-6  # probabilities are moved into [_LEAST, 1 - _LEAST], so that their log-odds are finite


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A slope and a bias for each kind of question; the defaults change nothing."""

    click_slope: float = 1.0
    """Factor on the log-odds of a click, 0 or more."""
    click_bias: float = 0.0
    """Added to the log-odds of a click."""
    stars_slope: float = 1.0
    """Factor on the log-probability of each level, 0 or more."""
    stars_bias: float = 0.0
    """Added to the log-probability of a level for each star that it is above 3."""
    leave_slope: float = 1.0
    """Factor on the log-odds of leaving, 0 or more. Ratings say nothing about leaving: set it by hand or leave it."""
    leave_bias: float = 0.0
    """Added to the log-odds of leaving."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_number(value):
                raise ConfigError(f"calibration {field.name!r}: got {value!r}, expected a finite number")
            if field.name.endswith("slope") and value < 0:
                raise ConfigError(f"calibration {field.name!r}: got {value}, expected 0 or more")

    def click(self, log_odds: DoubleArray) -> DoubleArray:
        """Return calibrated log-odds of clicks, any shape."""
        return self.click_slope * log_odds + self.click_bias

    def leave(self, log_odds: DoubleArray) -> DoubleArray:
        """Return calibrated log-odds of leaving, any shape."""
        return self.leave_slope * log_odds + self.leave_bias

    def stars(self, probabilities: DoubleArray) -> DoubleArray:
        """Return calibrated distributions over the levels, float64 [..., 5], each summing to 1."""
        weights = self.stars_slope * np.log(np.clip(probabilities, _LEAST, 1.0)) + self.stars_bias * _above_centre()
        chances = np.exp(weights - weights.max(axis=-1, keepdims=True))
        calibrated: DoubleArray = chances / chances.sum(axis=-1, keepdims=True)
        return calibrated

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Calibration:
        """Build a calibration from a mapping of the fields' names.

        Raises:
            ConfigError: a name is unknown, or a value is not a number that it can take.
        """
        refuse_unknown_names("calibration", settings, field_names(cls))
        return cls(**settings)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing or not a JSON object.
            ConfigError: it holds unknown names or impossible values.
        """
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            got = f"{type(error).__name__}: {error}".splitlines()[0]
            raise DataError(f"calibration {path}: got {got}, expected a JSON file; write it with Calibration.save") from error
        if not isinstance(settings, dict):
            raise DataError(f"calibration {path}: got a {type(settings).__name__}, expected a JSON object of slopes and biases")
        return cls.from_settings(settings)

    def save(self, path: str | Path) -> None:
        """Write the calibration as JSON, exactly."""
        write_atomically(Path(path), json.dumps(asdict(self), indent=2).encode() + b"\n")


def fit_calibration(
    click_probabilities: npt.ArrayLike,
    clicked: npt.ArrayLike,
    stars_probabilities: npt.ArrayLike,
    stars: npt.ArrayLike,
    *,
    ridge: float = 1.0,
) -> Calibration:
    """Fit slopes and biases by maximum likelihood, with a mild pull towards changing nothing.

    Minimised is the log loss summed over all observations plus ``ridge / 2 * ((slope - 1)**2 + bias**2)`` for each kind: a
    normal prior of standard deviation ``ridge**-0.5``, which a few dozen observations outweigh and which alone decides where
    there is none.

    Args:
        click_probabilities: float [n]: what the model said of each item.
        clicked: bool [n]: what happened.
        stars_probabilities: float [m, 5]: the model's distributions over 1 to 5 stars.
        stars: float [m]: ratings given; half stars count as the next whole star.
        ridge: strength of the pull, 0 or more.

    Raises:
        DataError: shapes disagree, or a probability is outside 0 to 1.
    """
    clicks, taken = _column("click_probabilities", click_probabilities), np.asarray(clicked, np.bool_)
    chances, rated = _column("stars_probabilities", stars_probabilities), np.asarray(stars, np.float64)
    if clicks.ndim != 1 or taken.shape != clicks.shape:
        raise DataError(f"calibration: got clicks of shapes {clicks.shape} and {taken.shape}, expected [n] for both")
    if chances.shape != (len(rated), _LEVELS) or rated.ndim != 1:
        raise DataError(f"calibration: got stars of shapes {chances.shape} and {rated.shape}, expected [m, {_LEVELS}] and [m]")
    level = np.clip(np.ceil(rated), 1, _LEVELS).astype(np.int64) - 1
    probability = np.clip(clicks, _LEAST, 1 - _LEAST)
    # A yes or no is the case of two levels: log p' = slope * log p + bias * (yes) + constant.
    both = np.log(np.column_stack([1 - probability, probability]))
    click_slope, click_bias = _fit(both, np.array([0.0, 1.0]), taken.astype(np.int64), ridge)
    stars_slope, stars_bias = _fit(np.log(np.clip(chances, _LEAST, 1.0)), _above_centre(), level, ridge)
    return Calibration(click_slope=click_slope, click_bias=click_bias, stars_slope=stars_slope, stars_bias=stars_bias)


def _above_centre() -> DoubleArray:
    return np.arange(1, _LEVELS + 1, dtype=np.float64) - _CENTRE


def _column(name: str, values: npt.ArrayLike) -> DoubleArray:
    column = np.asarray(values, np.float64)
    if not ((column >= 0) & (column <= 1)).all():
        wrong = column[~((column >= 0) & (column <= 1))][0]
        raise DataError(f"calibration {name}: got {wrong}, expected probabilities from 0 to 1")
    return column


def _fit(log_chance: DoubleArray, height: DoubleArray, outcome: npt.NDArray[np.int64], ridge: float) -> tuple[float, float]:
    """Return slope and bias of ``softmax(slope * log_chance + bias * height)`` for outcomes by column."""
    from scipy.optimize import minimize

    row = np.arange(len(outcome))

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        slope, bias = parameters
        weights = slope * log_chance + bias * height
        top = weights.max(axis=1, keepdims=True)
        norm = np.log(np.exp(weights - top).sum(axis=1, keepdims=True)) + top
        chance = np.exp(weights - norm)
        by_slope = (chance * log_chance).sum() - log_chance[row, outcome].sum()
        by_bias = (chance @ height).sum() - height[outcome].sum()
        pull = np.array([slope - 1.0, bias])
        total = norm.sum() - weights[row, outcome].sum() + 0.5 * ridge * float(pull @ pull)
        return float(total), np.array([by_slope, by_bias]) + ridge * pull

    # SciPy's line search can stall on huge sums: the mean has the same minimum.
    count = max(len(row), 1)
    found = minimize(
        lambda parameters: tuple(part / count for part in loss(parameters)),
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None), (None, None)],
        options={"ftol": 1e-14, "gtol": 1e-10, "maxiter": 1000},
    )
    return float(found.x[0]), float(found.x[1])
