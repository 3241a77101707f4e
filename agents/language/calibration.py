"""Calibration: from the probabilities that a language model gives to ones that agree with real people's feedback.

Language models click too much and rate in their own way. What can be mended without asking anew is mended by a slope and a
level for each kind of question: for yes and no, Platt scaling (Platt 1999) of the log-odds; for stars, a slope on each level's
log-probability and an offset for each level, so that mean, spread and shape can all be met (vector scaling with one slope; Guo
et al. 2017, section 4.2):

    log-odds' = slope * log-odds + bias
    log p'(level) = slope * log p(level) + offset(level) + constant

Slopes are never negative, so a calibrated model orders items as it did before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.errors import ConfigError, DataError

__all__ = ["STAR_LEVELS", "Calibration"]


STAR_LEVELS = 5
"""Levels of stars that a language model is asked about: 1 to 5."""
_LEAST = 1e-6  # probabilities are moved into [_LEAST, 1 - _LEAST], so that their logarithms are finite
_UNMOVED = (0.0,) * STAR_LEVELS


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A slope and a level for each kind of question; the defaults change nothing."""

    click_slope: float = 1.0
    """Factor on the log-odds of a click, 0 or more."""
    click_bias: float = 0.0
    """Added to the log-odds of a click."""
    stars_slope: float = 1.0
    """Factor on the log-probability of each level, 0 or more."""
    stars_offsets: tuple[float, ...] = _UNMOVED
    """Added to the log-probability of 1, 2, 3, 4 and 5 stars."""
    leave_slope: float = 1.0
    """Factor on the log-odds of leaving, 0 or more."""
    leave_bias: float = 0.0
    """Added to the log-odds of leaving."""
    record: Mapping[str, Any] | None = None
    """What ``calibrate`` keeps beside the numbers: model, elicitation, templates, data, users and what was measured. None: the
    numbers were set by hand."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name == "record":
                continue
            value = getattr(self, field.name)
            if field.name == "stars_offsets":
                if not isinstance(value, tuple) or len(value) != STAR_LEVELS or not all(map(is_number, value)):
                    expected = f"{STAR_LEVELS} finite numbers, one a level"
                    raise ConfigError(f"calibration 'stars_offsets': got {value!r}, expected {expected}")
            elif not is_number(value):
                raise ConfigError(f"calibration {field.name!r}: got {value!r}, expected a finite number")
            elif field.name.endswith("slope") and value < 0:
                raise ConfigError(f"calibration {field.name!r}: got {value}, expected 0 or more")
        _check_record(self.record)

    @property
    def fitted(self) -> bool:
        """Whether ``calibrate`` fitted it to real people's feedback."""
        return self.record is not None

    def click(self, log_odds: DoubleArray) -> DoubleArray:
        """Return calibrated log-odds of clicks, any shape."""
        return self.click_slope * log_odds + self.click_bias

    def leave(self, log_odds: DoubleArray) -> DoubleArray:
        """Return calibrated log-odds of leaving, any shape."""
        return self.leave_slope * log_odds + self.leave_bias

    def stars(self, probabilities: DoubleArray) -> DoubleArray:
        """Return calibrated distributions over the levels, float64 [..., 5], each summing to 1."""
        weights = self.stars_slope * np.log(np.clip(probabilities, _LEAST, 1.0)) + np.array(self.stars_offsets)
        chances = np.exp(weights - weights.max(axis=-1, keepdims=True))
        calibrated: DoubleArray = chances / chances.sum(axis=-1, keepdims=True)
        return calibrated

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Calibration:
        """Build a calibration from a mapping of the fields' names.

        Raises:
            ConfigError: a name is unknown, or a value is not one that it can take.
        """
        refuse_unknown_names("calibration", settings, field_names(cls))
        offsets = settings.get("stars_offsets", _UNMOVED)
        return cls(**{**settings, "stars_offsets": tuple(offsets) if isinstance(offsets, list) else offsets})

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing or not a JSON object.
            ConfigError: it holds unknown names or impossible values.
        """
        try:
            settings = read_json(Path(path))
        except (OSError, ValueError) as error:
            got = f"{type(error).__name__}: {error}".splitlines()[0]
            remedy = "`recsim-llm calibrate` writes one"
            raise DataError(f"calibration {path}: got {got}, expected a JSON file; {remedy}") from error
        if not isinstance(settings, dict):
            raise DataError(f"calibration {path}: got a {type(settings).__name__}, expected a JSON object of slopes and levels")
        return cls.from_settings(settings)

    def save(self, path: str | Path) -> None:
        """Write the calibration as JSON, exactly."""
        write_atomically(Path(path), json.dumps(asdict(self), indent=2).encode() + b"\n")


_TEXTS = ("model", "realisation", "templates", "data", "fingerprint")


def _check_record(record: object) -> None:
    """Refuse a record that does not say what the calibration is of.

    Raises:
        ConfigError: it does not.
    """
    if record is None:
        return
    missing = [name for name in _TEXTS if not isinstance(record, Mapping) or not isinstance(record.get(name), str)]
    users = record.get("users_fitted") if isinstance(record, Mapping) else None
    if not isinstance(users, list) or not all(isinstance(user, int) for user in users):
        missing.append("users_fitted")
    if missing:
        raise ConfigError(
            f"calibration 'record': got no usable {missing[0]!r}, expected what `recsim-llm calibrate` writes; calibrate again"
        )
