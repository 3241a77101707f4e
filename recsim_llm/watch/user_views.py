"""What there is to see of the users of a watched run: who they are, what they saw and what was drawn, what they remember."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np

from recsim_llm.agents.cascade import CascadeUsers
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.wrapped_users import innermost
from recsim_llm.core.protocols import UserModel
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.persona_text import render_persona
from recsim_llm.population.personas import Population
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.watch.conversation import Conversation
from recsim_llm.watch.last_pages import SeenPage
from recsim_llm.watch.watched_arm import WatchedArm

__all__ = ["UserViews"]

_MOST_LISTED = 50
_WAIT = 0.2
"""Seconds to wait for the end of a step before what users remember is not told this time."""


class UserViews:
    """Looks into the users of every arm, from any thread.

    Args:
        scenario: what is run.
        arms: by name.
        talk: what users say.
        deciding: held while a step goes on.
    """

    def __init__(self, scenario: Scenario, arms: Mapping[str, WatchedArm], talk: Conversation, deciding: Lock) -> None:
        self._arms, self._talk, self._deciding = arms, talk, deciding
        self._max_pages = scenario.max_pages
        self._recommenders = [arm.name for arm in scenario.recommenders]
        self._population = _population_of(arms)
        self._ids = [str(number) for number in self._population.user_id.tolist()]
        own = self._population.user_key
        self._keys = self._ids if own is None else [key or number for key, number in zip(own.tolist(), self._ids, strict=True)]
        self._rows = {number: row for row, number in enumerate(self._ids)}

    def listed(self, arm: str, query: str) -> dict[str, Any]:
        """Return users whose id, or the data's own id, begins with a text: at most 50, and how many there are.

        Args:
            arm: whose users.
            query: beginning of the id; empty for everyone.
        """
        watched = self._arm(arm)
        rows = [row for row, key in enumerate(self._keys) if key.startswith(query) or self._ids[row].startswith(query)]
        some = [self._counted(watched, row) for row in rows[:_MOST_LISTED]]
        return {"found": len(rows), "users": some}

    def _counted(self, watched: WatchedArm, row: int) -> dict[str, Any]:
        return {"id": self._ids[row], "key": self._keys[row], **watched.count_of(row)}

    def shown(self, arm: str, user_id: str) -> dict[str, Any]:
        """Return all that there is to see of a user.

        Args:
            arm: in which.
            user_id: outside id.

        Raises:
            ConfigError: there is no such arm or user.
        """
        watched, row = self._arm(arm), self._row(user_id)
        return self._counted(watched, row) | {
            "arm": arm,
            "persona": render_persona(self._population.persona(row)),
            "next": watched.next_visit(row),
            "pages_seen": [self._page(watched, page) for page in watched.seen(row)],
            "memory": self._memory(watched, row),
            "remembers": _speaker(watched.world.users) is not None,
            "talks": self._talk.possible,
        }

    def interview(self, arm: str, user_id: str) -> dict[str, Any]:
        """Return a user's answers to the questionnaire about the visit so far; see ``Conversation.interview``."""
        watched, row = self._arm(arm), self._row(user_id)
        pages = watched.seen(row)
        return {"answers": self._talk.interview(row, watched.count_of(row)["visit"], pages)}

    def reason(self, arm: str, user_id: str, page: int) -> dict[str, Any]:
        """Return why a user did what it did on a page of its visit; see ``Conversation.reason``."""
        watched, row = self._arm(arm), self._row(user_id)
        pages = [one for one in watched.seen(row) if one.page <= page]
        return {"text": self._talk.reason(row, watched.count_of(row)["visit"], pages)}

    def _memory(self, watched: WatchedArm, row: int) -> list[str] | None:
        """Return what a user remembers; None where it has no memory, or a step goes on that changes it."""
        speaker = _speaker(watched.world.users)
        if speaker is None or not self._deciding.acquire(timeout=_WAIT):
            return None
        try:
            return speaker.memory_of(self._keys[row])
        finally:
            self._deciding.release()

    def _page(self, watched: WatchedArm, page: SeenPage) -> dict[str, Any]:
        catalog = watched.world.catalog
        columns = {name: column.tolist() for name, column in page.columns.items()}
        slots = []
        for position, item in enumerate(page.item_index.tolist()):
            slot = {name: _plain(values[position]) for name, values in columns.items()}
            known: dict[str, Any] = {"item": None, "title": "", "genres": [], "year": None}
            if item >= 0:
                genres = np.flatnonzero(catalog.genres[item]).tolist()
                known = {
                    "item": int(catalog.item_id[item]),
                    "title": str(catalog.title[item]),
                    "genres": [catalog.genre_names[genre] for genre in genres],
                    "year": int(catalog.year[item]) if catalog.year[item] > 0 else None,
                }
            slots.append({"position": position, **known, **slot})
        moods = {name: _plain(getattr(page, name)) for name in ("satisfaction", "leave_prob", "reward")}
        recommender = self._recommenders[page.recommender]
        last = page.page + 1 >= self._max_pages
        return {"page": page.page, "recommender": recommender, "left": page.left, "last": last, "slots": slots, **moods}

    def _arm(self, name: str) -> WatchedArm:
        if name not in self._arms:
            raise ConfigError(f"arm: got {name!r}, expected {one_of(name, list(self._arms))}")
        return self._arms[name]

    def _row(self, user_id: str) -> int:
        if user_id not in self._rows:
            raise ConfigError(f"user: got {user_id!r}, expected the id of one of the {len(self._rows)} users")
        return self._rows[user_id]


def _population_of(arms: Mapping[str, WatchedArm]) -> Population:
    return next(iter(arms.values())).world.population


def _speaker(users: UserModel) -> LanguageUsers | None:
    """Return the users who remember in words, whatever is wrapped around them; None where there are none."""
    inner = innermost(users)
    if isinstance(inner, CascadeUsers):
        inner = inner.language
    return inner if isinstance(inner, LanguageUsers) else None


def _plain(value: Any) -> Any:
    """Return a number as JSON has it: none where it is not known."""
    return None if isinstance(value, float) and value != value else value
