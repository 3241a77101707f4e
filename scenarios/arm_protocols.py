"""What the visits of an arm stand on: who keeps them, and who else has to hear of them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords, Slates
from recsim_llm.core.profiles import Profile
from recsim_llm.log.schema import Part
from recsim_llm.log.writer import ToolCalls

__all__ = ["DialogueLog", "Others", "Served", "VisitLog"]

Told = TypeVar("Told")


class Served(NamedTuple):
    """How far an arm is."""

    when: int
    """Round of visits or step of the clock, from 0."""
    page: int
    """Pages of it that were shown."""
    users: int
    """Users still browsing."""
    share: float
    """Share of the arm's page budget that has been offered, 0 to 1."""


class VisitLog(Protocol):
    """What keeps the pages and visits of an arm, such as ``recsim_llm.log.writer.RunLog``."""

    def page(
        self,
        feedback: Feedback,
        *,
        slates: Slates | None,
        reward: DoubleArray,
        invalid: IntArray,
        out_of_pages: BoolArray,
        friend_id: IntArray | None = None,
        words: PageWords | None = None,
    ) -> None:
        """Take in one page of a batch of users; ``friend_id`` by slot, where users have friends, ``words`` where there are."""

    def visits(
        self,
        *,
        user_id: IntArray,
        visit: IntArray,
        pages: IntArray,
        clicks: IntArray,
        reward: DoubleArray,
        satisfaction: FloatArray,
        left: BoolArray,
        return_prob: FloatArray,
        returned: BoolArray,
        last: BoolArray,
        **when: npt.NDArray[Any],
    ) -> None:
        """Take in visits that are over; ``when`` they took place, where there is a clock, in columns of the log."""

    def events(self, **columns: Any) -> None:
        """Take in what happened besides; columns as of ``recsim_llm.log.schema.EVENTS``."""

    def turn(self) -> None:
        """Note that a page of everyone is whole."""

    def keep_unfinished(self) -> None:
        """Keep what there is of visits that are broken off."""


class DialogueLog(Protocol):
    """What keeps the dialogues of an arm, such as ``recsim_llm.log.talk_writer.TalkLog``."""

    def follow(self, tools: ToolCalls) -> None:
        """Log what an agent does for each of its turns."""

    def acts(self, part: Part) -> None:
        """Take in acts of either side."""

    def page(self, part: Part) -> None:
        """Take in a turn of policies as a page."""

    def over(self, dialogues: Part) -> None:
        """Take in dialogues that are over."""

    def keep_unfinished(self) -> None:
        """Keep what there is of dialogues that are broken off."""


class Others(Protocol[Told]):
    """The users of other shards, of whom the recommender, the world, or both, may have to hear.

    ``Told`` is what is told of a page: an ``AnsweredOffer``, or in conversations a ``ToldTurn``.
    """

    mine: IntArray
    """int64 [m]: rows of the users who are served here, neighbours of each other."""
    profile: Profile
    """What everyone may see of each user of the world."""

    def gather(self, answered: Told | None) -> Told | None:
        """Tell all others of a page, and return what everyone was shown, in ascending order of rows.

        Everyone who serves users calls this as often as the others.

        Args:
            answered: the page; None where nobody was shown one here.

        Returns:
            None where nobody was shown one anywhere.
        """
