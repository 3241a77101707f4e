"""Talking to users of a watched run, who answer by a language model of their own account: the run does not notice.

The models are opened apart from those of the run, with a calls file, a cache and limits of their own: what is asked here costs
none of the run's budget, uses up no script, and is in none of its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from recsim_llm.agents.language.persona_writing import written_by_index
from recsim_llm.agents.language.voice import Moment, ShownItem, ShownPage, Voice
from recsim_llm.core.protocols import HasProvenance
from recsim_llm.errors import ConfigError
from recsim_llm.language.providers import Roles
from recsim_llm.population.world import World
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.watch.last_pages import SeenPage

__all__ = ["Conversation"]


class Conversation:
    """Interviews users, and asks for their reasons.

    Args:
        scenario: whose model of the role ``writer``, or else ``user``, speaks.
        world: its items and users.
    """

    def __init__(self, scenario: Scenario, world: World) -> None:
        self._scenario, self._world = scenario, world
        self._asking, self._roles = Lock(), Roles(scenario.models, limits=scenario.limits)
        self._voice: Voice | None = None
        self.possible = bool({"writer", "user"} & set(scenario.models))
        """Whether anybody can speak: the scenario names a language model."""

    def interview(self, user: int, visit: int, pages: Sequence[SeenPage]) -> list[dict[str, Any]]:
        """Return a user's answers to the questionnaire about a visit so far: statement, probabilities of 1 to 5, mean.

        Args:
            user: user index.
            visit: number of the visit.
            pages: of it.

        Raises:
            ConfigError: the user has seen nothing yet, or there is no language model.
            RecSimError: the model could not be asked.
        """
        with self._asking:
            voice = self._open()
            (answers,) = voice.interviews([_moment(user, visit, pages, self._scenario.max_pages)])
            if answers is None:
                return []
            said = zip(voice.statements, answers, strict=True)
            return [
                {"statement": text, "probabilities": list(answer.probabilities), "mean": answer.mean}
                for (_, text), answer in said
            ]

    def reason(self, user: int, visit: int, pages: Sequence[SeenPage]) -> str | None:
        """Return why a user ended the visit after the last of these pages, or took from it what was taken.

        Args:
            user: user index.
            visit: number of the visit.
            pages: of it, up to the one that is asked about.

        Returns:
            The text; None where the model gave none that can be read.

        Raises:
            ConfigError: the page was passed over and did not end the visit, or there is no language model.
            RecSimError: the model could not be asked.
        """
        with self._asking:
            (text,) = self._open().reasons([_moment(user, visit, pages, self._scenario.max_pages)])
            return text

    def close(self) -> None:
        """Close the models."""
        self._roles.close()

    def _open(self) -> Voice:
        if not self.possible:
            raise ConfigError(
                "talking to users: got no language model, expected one; watch with --set models.writer=provider/name"
            )
        if self._voice is None:
            users = self._world.users
            known = dict(users.provenance) if isinstance(users, HasProvenance) else {}
            own = known.get("language", known).get("parameters", {})
            written = written_by_index(own.get("personas", {}), self._world.population)
            words, model = str(own.get("templates", "en")), self._roles.role("writer")
            self._voice = Voice(model, self._world.catalog, self._world.population, words, written=written)
        return self._voice


def _moment(user: int, visit: int, pages: Sequence[SeenPage], max_pages: int) -> Moment:
    if not pages:
        raise ConfigError(
            "talking to users: got a user who has seen no page yet, expected one who has; play on, or ask another"
        )
    goes_on = not pages[-1].left and pages[-1].page + 1 < max_pages
    return Moment(user, visit, tuple(_shown(page) for page in pages), goes_on=goes_on)


def _shown(page: SeenPage) -> ShownPage:
    columns = page.columns
    items = [
        ShownItem(item, bool(clicked), _known(rating), _known(watched) if clicked else None)
        for item, clicked, rating, watched in zip(
            page.item_index.tolist(), columns["clicked"], columns["rating"].tolist(), columns["watched"].tolist(), strict=True
        )
        if item >= 0
    ]
    return ShownPage(page.page, tuple(items), page.left)


def _known(value: float) -> float | None:
    return None if value != value else value
