"""What recommenders have in common that ask the language model of the role ``policy``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.wrapping import Wrapper

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["ModelWrapper"]

_REMEDY = "name one: --set models.policy=provider/name, for instance scripted/history"


class ModelWrapper(Wrapper):
    """Asks a language model about what another recommender retrieved.

    Args:
        what: what it is, for error texts.
        base: name of the other recommender, or ``module:class``.
        base_settings: its settings, by name.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    def __init__(self, what: str, base: str, base_settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._what = what
        self._model: LanguageModel | None = None
        self._base = self._open(f"{what}, base", base, base_settings)

    def consult(self, model: LanguageModel) -> None:
        """Take in the model that is to be asked; to be called before ``fit``."""
        self._model = model
        self._consult(model)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base.

        Raises:
            ConfigError: there is no model.
        """
        self._asked()
        super().fit(catalog, ratings, seed)

    def _asked(self) -> LanguageModel:
        if self._model is None:
            raise ConfigError(f"{self._what}: got no language model for the role policy, expected one; {_REMEDY}")
        return self._model
