"""How click models are fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.errors import ConfigError

__all__ = ["ClickModelSettings"]


@dataclass(frozen=True, kw_only=True)
class ClickModelSettings:
    """Settings of a fit.

    Raises:
        ConfigError: a setting cannot work.
    """

    item_weight: float = 10.0
    """Impressions (clicks, for satisfaction) that the usual chance counts as, beside an item's own; 0 leaves each item to its
    own clicks, ``math.inf`` gives all items one chance."""
    cell_weight: float = 10.0
    """User browsing: impressions that the mean over equal distances from the last click counts as, in a cell below a click."""
    most_steps: int = 1000
    """Steps of expectation maximisation, at most."""
    tolerance: float = 1e-6
    """Largest move of a chance in a step that counts as none."""

    def __post_init__(self) -> None:
        for name in ("item_weight", "cell_weight"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value) or value < 0.0:
                raise ConfigError(f"{name}: got {value!r}, expected a number of impressions, 0 or more; give another")
        check_whole_number("most_steps", self.most_steps, least=1)
        check_number("tolerance", self.tolerance, above=0.0, below=1.0)
