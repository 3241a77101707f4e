"""Writing the log of a conversation: each turn of the policy is a page, so that whatever reads runs reads it too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.log.schema import Part, impressions_table, pages_table, tool_calls_table, visits_table
from recsim_llm.log.segments import SegmentWriter
from recsim_llm.log.talk_schema import dialogues_table, turns_table
from recsim_llm.log.writer import ToolCalls

__all__ = ["TalkLog", "joined_parts"]


class TalkLog:
    """Collects what one arm's dialogues produce and hands it over as one segment, in the order of turns and users.

    Args:
        segments: of the run folder.
        arm: name of the arm.
        place: position of the arm in the scenario.
        slots: most items of an act, the slots of a page.
    """

    def __init__(self, segments: SegmentWriter, arm: str, place: int, *, slots: int) -> None:
        self._segments, self.arm, self._place, self._slots = segments, arm, place, slots
        self._pages: list[Part] = []
        self._turns: list[Part] = []
        self._dialogues: list[Part] = []
        self._tools: ToolCalls | None = None

    def follow(self, tools: ToolCalls) -> None:
        """Log what an agent does for each of its turns; argument as of ``RunLog.follow``."""
        self._tools = tools

    def acts(self, part: Part) -> None:
        """Take in acts of either side: columns of ``TURNS``, with ``order``, int64 [n, 2], by which the rows are sorted."""
        self._turns.append(part)

    def page(self, part: Part) -> None:
        """Take in a turn of policies as a page: columns [m] of ``PAGES``, with ``order``, and of its slots, each [m, k].

        These are ``item_id`` int64, -1 where there is none, ``click_prob`` float64 and ``clicked`` bool.
        """
        self._pages.append(part)

    def over(self, dialogues: Part) -> None:
        """Take in dialogues that are over: columns of ``DIALOGUES``, and ``order``, ``clicks``, ``satisfaction``, ``left``."""
        self._dialogues.append(dialogues)

    def turn(self) -> None:
        """Do nothing: an arm is one segment."""

    def close(self) -> None:
        """Write everything and mark the arm as finished."""
        self._write(last=True)

    def keep_unfinished(self) -> None:
        """Write what is there of an arm that is broken off, to be read until the run goes on, which writes it anew."""
        if self._pages:
            self._write(last=False, partial=True)

    def _write(self, *, last: bool, partial: bool = False) -> None:
        pages, dialogues = joined_parts(self._pages), joined_parts(self._dialogues)
        tables = {
            "impressions": impressions_table(self.arm, _impressions(pages, self._slots)),
            "pages": pages_table(self.arm, _flat(pages)),
            "visits": visits_table(self.arm, [_visits(dialogues)] if dialogues else []),
            "turns": turns_table(self.arm, joined_parts(self._turns)),
            "dialogues": dialogues_table(self.arm, dialogues),
        }
        if self._tools is not None:
            asked = [dict(self._tools(pages["user_id"], pages["visit"], pages["page"]))] if pages else []
            tables["tool_calls"] = tool_calls_table(self.arm, asked)
        self._segments.add(self.arm, self._place, 0, tables=tables, last=last, partial=partial)


def joined_parts(parts: list[Part]) -> Part:
    """Return the rows of all parts, sorted by their ``order``, int64 [n, 2]."""
    if not parts:
        return {}
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort(whole.pop("order").T[::-1])
    return {name: column[order] for name, column in whole.items()}


def _flat(pages: Part) -> Part:
    return {name: column for name, column in pages.items() if column.ndim == 1}


def _impressions(pages: Part, slots: int) -> Part:
    if not pages:
        return {}
    item: IntArray = pages["item_id"]
    shown: BoolArray = item >= 0
    rows = len(item)
    unknown: DoubleArray = np.full(item.size, np.nan)
    repeated: dict[str, npt.NDArray[Any]] = {name: np.repeat(pages[name], slots) for name in ("user_id", "visit", "page")}
    return repeated | {
        "position": np.tile(np.arange(slots, dtype=np.int16), rows),
        "item_id": item.reshape(-1),
        "propensity": unknown,
        "prefix_propensity": unknown,
        "examine_prob": shown.reshape(-1).astype(np.float32),
        "click_prob": np.where(shown, pages["click_prob"], 0.0).reshape(-1),
        "examined": shown.reshape(-1),
        "clicked": pages["clicked"].reshape(-1),
        "watched": unknown,
        "rating": unknown.astype(np.float32),
        "dwell": unknown,
    }


def _visits(dialogues: Part) -> Part:
    rows = len(dialogues["user_id"])
    return {
        "user_id": dialogues["user_id"],
        "visit": dialogues["visit"],
        "pages": dialogues["turns"],
        "clicks": dialogues["clicks"],
        "reward": dialogues["clicks"].astype(np.float64),
        "satisfaction": dialogues["satisfaction"],
        "left": dialogues["left"],
        "return_prob": np.full(rows, np.nan, np.float32),
        "returned": np.zeros(rows, np.bool_),
        "return_unknown": np.ones(rows, np.bool_),
    }
