"""What a user comes for on one visit: to browse, for a genre, for a present, or to kill time; told in that visit's prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.language.base.questions import Part
from recsim_llm.population.persona_text import taste_words
from recsim_llm.population.personas import Population

__all__ = ["INTENT_FILES", "INTENT_SHARES", "VisitIntents"]

INTENT_FILES: Mapping[str, tuple[str, ...]] = {"intents": ("browse", "genre", "gift", "time")}
"""Templates that intents need beside those of decisions."""
INTENT_SHARES: Mapping[str, float] = {"browse": 0.5, "genre": 0.2, "gift": 0.1, "time": 0.2}
"""Share of visits by what they are for. Assumed."""


class VisitIntents:
    """Draws the intent of each visit: the same for a user and visit whatever is recommended.

    Args:
        population: the users; who comes for a genre mostly comes for one that they love or like.
        catalog: its genres, for users without a taste.
        templates: language of the prompts.
        seed: of the draws.

    Raises:
        ConfigError: the templates have no intents.
    """

    def __init__(self, population: Population, catalog: Catalog, templates: str, seed: int) -> None:
        self._population, self._genres, self._seed = population, list(catalog.genre_names), seed
        self._templates = Templates(templates, INTENT_FILES)
        self.fingerprint = self._templates.fingerprint
        """32 hexadecimal digits over the templates of intents and their versions."""
        self._told: dict[tuple[str, str], Part] = {}

    def part(self, user_index: int, visit: int) -> Part:
        """Return the part of a prompt that tells what a user came for."""
        user_id = int(self._population.user_id[user_index])
        intent = self._draw(user_id, visit)
        genre = self._genre(user_index, user_id, visit) if intent == "genre" else ""
        if intent == "genre" and not genre:
            intent = "browse"
        if (intent, genre) not in self._told:
            given: dict[str, Any] = {"genre": genre} if intent == "genre" else {}
            self._told[intent, genre] = Part("intent", self._templates.say(f"intents.{intent}", **given))
        return self._told[intent, genre]

    def _draw(self, user_id: int, visit: int) -> str:
        place = float(keyed.uniform(keyed.words(self._seed, "visit intent", user_id, visit))[0])
        for intent, share in INTENT_SHARES.items():
            if place < share:
                return intent
            place -= share
        return next(iter(INTENT_SHARES))

    def _genre(self, user_index: int, user_id: int, visit: int) -> str:
        loves, likes, _ = taste_words(self._population.persona(user_index))
        genres = [*loves, *likes] or self._genres
        word = int(keyed.words(self._seed, "visit intent genre", user_id, visit)[0])
        return genres[word % len(genres)] if genres else ""
