"""What language users are told of prices: a line before the page, where items have prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.core.arrays import FloatArray
from recsim_llm.language.base.questions import Part

__all__ = ["PRICE_FILES", "PriceTags"]

PRICE_FILES: Mapping[str, tuple[str, ...]] = {"prices": ("page",)}
"""Templates that prices need beside those of decisions."""


class PriceTags:
    """Tells what stands on a page costs.

    Args:
        templates: language of the prompts.
        price: float32 [n]: of the catalog.

    Raises:
        ConfigError: the templates have no prices.
    """

    def __init__(self, templates: str, price: FloatArray) -> None:
        self._templates, self._price = Templates(templates, PRICE_FILES), price
        self.fingerprint = self._templates.fingerprint
        """32 hexadecimal digits over the templates of prices and their versions."""

    def __deepcopy__(self, memo: dict[int, Any]) -> PriceTags:
        """Copy what changes; the words are shared."""
        return copy(self)

    def show(self, price: FloatArray) -> None:
        """Take other prices from now on; see ``SeesPrices.show_prices``."""
        self._price = price

    def part(self, item_index: Sequence[int]) -> Part:
        """Return the part of a prompt that says what these items cost, by number of presentation."""
        told = [(number, f"{self._price[item]:.2f}") for number, item in enumerate(item_index, 1)]
        return Part("prices", self._templates.say("prices.page", told=told))
