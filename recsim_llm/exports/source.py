"""What every exporter is given: one arm's log, and what is known about its items and users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recsim_llm.conversation.transcripts import Transcript
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import LogError
from recsim_llm.exports.arm_log import ArmLog, Portion
from recsim_llm.exports.identities import Identities

__all__ = ["ExportSource"]


_DAY, _HOUR = 86_400, 3_600


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportSource:
    """One arm of a run, ready to be exported."""

    log: ArmLog
    """What happened."""
    catalog: Catalog
    """The items."""
    identities: Identities
    """The names that users bear in the export."""
    max_pages: int
    """Page budget of a visit."""
    stars: bool = True
    """Whether users give stars; users of clicks and purchases do not."""
    demographics: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    """Field to str [u] in the order of ``identities.user_id``, empty where unknown; no fields in an anonymous export."""

    def user_order(self) -> IntArray:
        """Return int64 [u]: the users of the log by their exported ids, as positions in ``log.keys("user_id")``."""
        return np.argsort(self.identities.of(self.log.keys("user_id")[0]), kind="stable")

    def portions(self) -> Iterator[Portion]:
        """Yield the log in the order of the exported ids, visits and pages; without words where it is anonymous."""
        for portion in self.log.portions(self.user_order()):
            yield _without_words(portion) if self.identities.anonymous else portion

    def transcripts(self) -> Iterator[Transcript]:
        """Yield the conversations in the order of the exported users' ids.

        Raises:
            LogError: nobody talks in the run.
        """
        return self.log.transcripts(self.identities.of)

    def user_number(self, user_id: int) -> int:
        """Return the exported number of a user.

        Raises:
            LogError: it is no user of the population.
        """
        return int(self.identities.of(np.array([user_id]))[0])

    def user_label(self, user_id: int) -> int | str:
        """Return what stands for a user where a format takes texts: the data's own id, or the exported number.

        Raises:
            LogError: it is no user of the population.
        """
        return self.identities.labels(np.array([user_id]))[0]

    def place_of(self, item_id: int) -> int:
        """Return the catalog position of an item.

        Raises:
            LogError: it is not in the catalog.
        """
        return int(self.item_index(np.array([item_id]))[0])

    def item_index(self, item_id: IntArray) -> IntArray:
        """Return catalog positions of any shape, -1 for blank slots.

        Raises:
            LogError: an item is not in the catalog.
        """
        index = self.catalog.index_of(item_id)
        stranger = (index < 0) & (item_id >= 0)
        if stranger.any():
            raise LogError(
                f"{self.log.run}: got item_id {item_id[stranger][0]}, expected items of the catalog; give this run's world"
            )
        return index

    def item_labels(self, item_id: IntArray) -> list[int] | list[str | None]:
        """Return what stands for items [m] where a format takes texts: the data's own ids, or the numbers.

        A blank slot is -1 among numbers and None among texts.

        Raises:
            LogError: an item is not in the catalog.
        """
        if self.catalog.item_key is None:
            numbers: list[int] = item_id.tolist()
            return numbers
        keys = self.catalog.item_key
        return [str(keys[place]) if place >= 0 else None for place in self.item_index(item_id).tolist()]

    def time(self, portion: Portion) -> IntArray:
        """Return int64 [p, k]: seconds for readers that need them, since the log has days and hours at most.

        A slot takes a second. In a run with a clock a visit begins at its hour, or, where its pages do not fit into an hour, at
        its hour of longer ones; in others it takes a day, or more whole days where its pages do not fit. Order is kept.
        """
        slots = self.log.slate_size
        if self.log.timed:
            hour = _HOUR * (1 + self.max_pages * slots // _HOUR)
            return (portion.hour * hour + portion.page * slots)[:, None] + np.arange(slots)
        days = 1 + self.max_pages * slots // (_DAY // 2)
        second = portion.visit * (days * _DAY) + portion.page * slots
        return second[:, None] + np.arange(slots)


def _without_words(portion: Portion) -> Portion:
    """Return pages without what users wrote and typed, and what was written for them."""
    query = None if portion.query is None else np.full_like(portion.query, None)
    nothing = np.full_like(portion.text, None)
    return portion._replace(query=query, text=nothing, explanation=nothing, shown_title=nothing)
