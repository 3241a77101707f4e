"""Reading the log of a run, arm by arm, for off-policy evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from recsim_llm.core.arrays import BoolArray
from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.log.columns import Columns, lay_out_pages
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.offpolicy.logged import HiddenTruth, LoggedSlates

__all__ = ["SlotReward", "read_log"]

SlotReward = Literal["clicked", "watched"]

_IMPRESSIONS = (
    *("user_id", "visit", "page", "position", "item_id", "propensity", "prefix_propensity"),
    *("examine_prob", "click_prob", "clicked", "watched", "rating"),
)
_PAGES = ("user_id", "visit", "page", "slate_propensity", "reward")


def read_log(run: Path, arm: str, *, reward: SlotReward = "clicked", first_pages: bool = False) -> LoggedSlates:
    """Read what one arm of a run showed, how likely it was to, and what came of it.

    Segments are read one after another, and of each only the columns needed; what is kept is about 70 bytes a slot. Pages come
    in the order of user, visit and page, whatever the segments of the log.

    Args:
        run: run folder.
        arm: name of the arm.
        reward: what a slot earns: 1 for a click (``clicked``), or the share watched (``watched``; 0 without a click, since what
            was not opened was not watched). The page's own reward is the one that the run logged.
        first_pages: keep only the first page of each user: there, every policy meets the same users in the same state.

    Raises:
        ConfigError: the run has no such arm, or the reward is unknown.
        LogError: the folder is no run, holds no page of the arm, or its tables do not fit together.
    """
    log = open_run(run)
    if arm not in log.arms:
        raise ConfigError(f"arm: got {arm!r}, expected {one_of(arm, log.arms)}")
    if reward not in ("clicked", "watched"):
        raise ConfigError(f"reward: got {reward!r}, expected clicked or watched")
    parts = [_part(segment, arm) for segment in log.split(arm)]
    if first_pages:
        parts = [{name: column[_first(part)] for name, column in part.items()} for part in parts]
    if not sum(len(part["user_id"]) for part in parts):
        raise LogError(f"{run}: got no page of arm {arm!r}, expected at least one; start or resume the run first")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    logged = _logged(joined, reward).numbered()
    return logged.take(logged.order())


def _first(part: Columns) -> BoolArray:
    return np.asarray((part["visit"] == 0) & (part["page"] == 0))


def _logged(columns: Columns, reward: SlotReward) -> LoggedSlates:
    paid = columns["clicked"].astype(np.float64) if reward == "clicked" else np.nan_to_num(columns["watched"])
    return LoggedSlates(
        user_id=columns["user_id"],
        visit=columns["visit"],
        page=columns["page"],
        place=np.full(len(columns["page"]), -1),
        item_id=columns["item_id"],
        clicked=columns["clicked"],
        rating=columns["rating"],
        reward=paid,
        page_reward=columns["reward"],
        propensity=columns["propensity"],
        prefix_propensity=columns["prefix_propensity"],
        slate_propensity=columns["slate_propensity"],
        truth=HiddenTruth(columns["examine_prob"], columns["click_prob"]),
    )


def _part(run: RunReader, arm: str) -> Columns:
    """Return the arm's pages of one segment: columns [n, slots] and [n], sorted alike."""
    flat, wide = lay_out_pages(
        run.columns("pages", _PAGES, arm=arm),
        run.columns("impressions", _IMPRESSIONS, arm=arm),
        key=("user_id", "visit", "page"),
        slate_size=run.slate_size,
        what=str(run.folder),
    )
    return flat | wide
