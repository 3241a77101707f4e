"""What a conversational recommender is, and how any recommender becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol, runtime_checkable

import numpy as np

from recsim_llm.conversation.acts import RECOMMEND, Dialogues, PolicyActs, silent_acts
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ContractError
from recsim_llm.recommenders.base import Recommender
from recsim_llm.recommenders.hooks import ReadsText

__all__ = ["ActsBegun", "Conversational", "Recommending", "RespondsLater", "conversational"]


@runtime_checkable
class Conversational(Protocol):
    """A recommender that talks: beside ``fit``, ``recommend`` and ``observe`` it takes turns in dialogues.

    ``recommend`` is what it does where nobody can talk, in runs page by page. In a conversation ``observe`` is called after
    every turn that showed items, with what was accepted as clicked.
    """

    reads_text: bool
    """Whether it reads ``Requests.text``; words are made for it only then."""

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Learn from what a recommender may know; see ``Recommender``."""

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return a page for each request; see ``Recommender``."""
        ...

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Take in what came of items that were shown; see ``Recommender``."""

    def start(self, requests: Requests) -> None:
        """Note that dialogues begin with these users."""

    def respond(self, dialogues: Dialogues, k: int) -> PolicyActs:
        """Return the next act in each dialogue; what is drawn must be keyed by user, visit and turn.

        Args:
            dialogues: what was said so far.
            k: most items of an act.
        """
        ...


class ActsBegun(Protocol):
    """Acts that a policy works on, a dialogue each."""

    @property
    def replies(self) -> Sequence[Future[Any]]:
        """What each act waits for, [d]."""
        ...

    def acts(self, at: IntArray) -> PolicyActs:
        """Return the acts of dialogues at the places int64 [t], whose replies are there.

        Raises:
            RecSimError: the model failed.
        """
        ...


@runtime_checkable
class RespondsLater(Protocol):
    """A recommender that talks whose acts take their time, so that each dialogue goes on as soon as its own act is there.

    An act hangs on its own dialogue alone, and is the one that ``respond`` would have returned.
    """

    def begin_turns(self, dialogues: Dialogues, k: int) -> ActsBegun:
        """Begin to work on the next act in each dialogue and return without waiting; arguments as of ``respond``."""
        ...


class Recommending:
    """A recommender that cannot talk, as one that can: it recommends in every turn, and is never silent.

    It is told in words what the user said last where it reads words.

    Args:
        recommender: any; what it takes before ``fit`` must be given to it, not to this.
    """

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self.reads_text = isinstance(recommender, ReadsText) and recommender.reads_text

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Let it learn."""
        self._recommender.fit(catalog, ratings, seed)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Ask it for pages."""
        return self._recommender.recommend(requests, k)

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell it what came of items that were shown."""
        self._recommender.observe(requests, slates, clicked, rating)

    def start(self, requests: Requests) -> None:
        """Do nothing."""

    def respond(self, dialogues: Dialogues, k: int) -> PolicyActs:
        """Recommend what it would put on a page."""
        item_id = np.asarray(self._recommender.recommend(dialogues.requests, k).item_id)
        acts = silent_acts(len(dialogues.turn), k)
        return acts._replace(act=np.full_like(acts.act, RECOMMEND), item_id=item_id)


def conversational(recommender: Any) -> Conversational:
    """Return a recommender as one that talks: itself where it can, else one that recommends in every turn.

    Raises:
        ContractError: it takes turns, but lacks something else that one that talks has.
    """
    lacking = [name for name in ("reads_text", "start") if not hasattr(recommender, name)]
    if hasattr(recommender, "respond") and lacking:
        raise ContractError(
            f"{type(recommender).__name__}: got respond without {' and '.join(lacking)}, expected all of a recommender that "
            "talks; see recsim_llm.conversation.conversational.Conversational"
        )
    return recommender if isinstance(recommender, Conversational) else Recommending(recommender)
