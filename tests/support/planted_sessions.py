"""Sessions of users whose ways are known: how deep they look, when they leave, how long they stay with what they click."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.exposures import Exposures
from recsim_llm.realism.behaviour.browsers import Browsed

SLOTS, ITEMS = 10, 40


@dataclass(frozen=True)
class PlantedUsers:
    """Look at positions with a chance that falls by a factor, click by the item, leave by the page, stay log-normal times."""

    decay: float = 0.75
    leave: tuple[float, ...] = (0.5, 0.3, 0.4, 0.45, 0.6)
    dwell: tuple[float, float] = (3.0, 1.0)

    def __call__(self, training):
        """Be their own factory: nothing is left to be fitted."""
        return self

    def browse(self, shown, seed):
        item, place = shown.item_id % ITEMS, np.maximum(shown.position, 0)
        attraction = 0.05 + 0.5 * (item * 7 % ITEMS) / ITEMS
        page = (shown.user_id, shown.session, shown.page)
        dice = [
            keyed.uniform(keyed.words(seed, f"planted {what}", *page, shown.item_id)) for what in ("click", "dwell", "turn")
        ]
        clicked = dice[0] < attraction * self.decay**place
        normal = np.sqrt(-2 * np.log(dice[1])) * np.cos(2 * np.pi * dice[2])
        dwell = np.where(clicked, np.exp(self.dwell[0] + self.dwell[1] * normal), np.nan)
        pages = shown.pages
        chance = np.array(self.leave)[np.minimum(pages.page, len(self.leave) - 1)]
        leaves = keyed.uniform(keyed.words(seed, "planted leave", pages.user_id, pages.session, pages.page)) < chance
        return Browsed(clicked, leaves, dwell)


def planted_log(users=300, sessions=3, *, seed=0, truth=PlantedUsers(), most_pages=12):
    """Return what planted users did, each in some sessions of at most ``most_pages`` pages."""
    count = users * sessions
    session, page, position = (axis.reshape(-1) for axis in np.indices((count, most_pages, SLOTS)))
    order = np.random.default_rng(seed).random((count * most_pages, ITEMS)).argsort(axis=1)[:, :SLOTS]
    nothing = np.zeros(len(session), np.bool_)
    shown = Exposures(
        name="planted",
        user_id=session % users,
        session=session,
        page=page,
        position=position,
        item_id=order.reshape(-1),
        clicked=nothing,
    )
    done = truth.browse(shown, seed + 1000)
    whole = replace(shown, clicked=done.clicked, dwell=done.dwell)
    left = done.leaves.reshape(count, most_pages)
    last = np.where(left.any(axis=1), left.argmax(axis=1), most_pages - 1)
    return whole.take(whole.page <= last[whole.session])


def PlantedFactory(training):  # noqa: N802 (stands for a class of users)
    """Return planted users, whatever the log says."""
    return PlantedUsers()
