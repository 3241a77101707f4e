"""Rewards: what a policy is paid for a page.

A reward is a callable ``(feedback, catalog) -> float64 [u]`` (``recsim_llm.core.visits.Reward``). The named ones below cover
the usual objectives; any other callable, or an object with ``__call__``, can be passed instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import probability
from recsim_llm.core.protocols import TellsEngagement, UserModel
from recsim_llm.core.visits import Reward
from recsim_llm.errors import ConfigError, ContractError, one_of
from recsim_llm.registry import blaming

__all__ = [
    "COMMON_REWARDS",
    "PURCHASES",
    "REWARDS",
    "Clicks",
    "DiverseClicks",
    "Engagement",
    "Purchases",
    "Rating",
    "Satisfaction",
    "SessionLength",
    "WatchShare",
    "resolve_reward",
]


class Clicks:
    """Number of clicks on the page."""

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: clicks."""
        if not feedback.row.size:
            return np.zeros(len(feedback.clicked))
        return np.bincount(feedback.row, minlength=len(feedback.clicked)).astype(np.float64)


class WatchShare:
    """Sum over the page of the share watched of each clicked item."""

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: items watched, counted by share."""
        return _by_user(feedback, feedback.watched)


class Engagement:
    """Sum over the page of how much each clicked item was engaged with, on the users' own scale, such as minutes."""

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: engagement, of users who tell it (``TellsEngagement``)."""
        return np.bincount(feedback.row, weights=feedback.engagement, minlength=len(feedback.clicked)).astype(np.float64)


class Rating:
    """Sum of stars above a threshold, so that a bad item costs what a good one earns."""

    def __init__(self, neutral: float = 3.0) -> None:
        self.neutral = neutral

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: stars above ``neutral``, summed over the items that were given stars."""
        return _by_user(feedback, np.nan_to_num(feedback.given - np.float32(self.neutral)))


class Satisfaction:
    """How satisfied the user is after the page, 0 to 1."""

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]."""
        return probability(feedback.mood.satisfaction).astype(np.float64)


class SessionLength:
    """One for every page after which the user stays."""

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: 0 or 1."""
        return (~feedback.left).astype(np.float64)


class DiverseClicks:
    """Clicks, plus a bonus for the number of different genres among the clicked items.

    Args:
        bonus: reward a genre that the page's clicks cover.
    """

    def __init__(self, bonus: float = 0.25) -> None:
        self.bonus = bonus

    def __call__(self, feedback: Feedback, catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: clicks + bonus * genres covered."""
        item = feedback.pages.item_index
        covered = (catalog.genres[item] & feedback.clicked[:, :, None]).any(axis=1)
        clicks = np.bincount(feedback.row, minlength=len(feedback.clicked))
        payment: DoubleArray = clicks + self.bonus * np.add.reduce(covered, axis=1, dtype=np.float64)
        return payment


class Purchases:
    """Number of items of the page that are bought; runs whose users may buy count them, since it is drawn after the page."""

    def __call__(self, feedback: Feedback, _catalog: Catalog) -> DoubleArray:
        """Return float64 [u]: nothing yet."""
        return np.zeros(len(feedback.clicked))


PURCHASES = "purchases"
"""Name of the reward that needs users who may buy."""
REWARDS: dict[str, Callable[[], Reward]] = {
    "clicks": Clicks,
    "watch": WatchShare,
    "engagement": Engagement,
    "rating": Rating,
    "satisfaction": Satisfaction,
    "session_length": SessionLength,
    "diverse_clicks": DiverseClicks,
    PURCHASES: Purchases,
}
"""Rewards by name."""

COMMON_REWARDS = tuple(name for name in REWARDS if name not in ("engagement", PURCHASES))
"""Names of those that any users can pay; engagement is paid where users tell it, purchases where they may buy."""


def resolve_reward(reward: str | Reward, *, rates: bool = True, users: UserModel | None = None, buys: bool = False) -> Reward:
    """Return the reward of a name, or the given callable with its answers checked.

    Args:
        reward: name or callable.
        rates: whether the users give stars; without any, a reward of stars would be 0 on every page.
        users: the user model; None where it is not known yet.
        buys: whether users may buy.

    Raises:
        ConfigError: the name is unknown, the object cannot be called, or it pays for stars, engagement or purchases that there
            are not.
    """
    if not buys and (reward == PURCHASES or isinstance(reward, Purchases)):
        raise ConfigError(
            "reward: got 'purchases' where nobody buys, expected another; take clicks, or in a scenario with a clock let users "
            "buy: actions: {purchase: {}}"
        )
    if not rates and (reward == "rating" or isinstance(reward, Rating)):
        raise ConfigError(
            "reward: got 'rating' for users of clicks or purchases, who give no stars, expected another; take clicks: --reward "
            "clicks, in Python reward='clicks'"
        )
    told = users is None or isinstance(users, TellsEngagement)
    if not told and (reward == "engagement" or isinstance(reward, Engagement)):
        raise ConfigError(
            "reward: got 'engagement' for users who do not tell it, expected another; take the share watched: --reward watch, "
            "in Python reward='watch'"
        )
    if isinstance(reward, str):
        if reward not in REWARDS:
            raise ConfigError(f"reward: got {reward!r}, expected a callable or {one_of(reward, REWARDS)}")
        return REWARDS[reward]()
    if not callable(reward):
        raise ConfigError(f"reward: got {reward!r}, expected a callable(feedback, catalog) or one of {', '.join(REWARDS)}")
    return _Checked(reward)


class _Checked:
    """Holds a reward from outside to its contract."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward

    def __call__(self, feedback: Feedback, catalog: Catalog) -> DoubleArray:
        users = len(feedback.clicked)
        with blaming(f"reward {self._reward!r}", "float64 [users]"):
            given = self._reward(feedback, catalog)
        try:
            paid = np.asarray(given)
        except ValueError as error:
            raise ContractError(f"reward {self._reward!r}: got {given!r}, expected numbers, one a user") from error
        if paid.dtype.kind not in "biuf":
            raise ContractError(f"reward {self._reward!r}: got {given!r}, expected numbers, one a user")
        if paid.shape != (users,):
            raise ContractError(f"reward {self._reward!r}: got shape {paid.shape}, expected ({users},), one number a user")
        if not np.isfinite(paid).all():
            raise ContractError(f"reward {self._reward!r}: got {paid[~np.isfinite(paid)][0]}, expected finite numbers")
        return paid.astype(np.float64)  # a copy: the array stays the reward's


def _by_user(feedback: Feedback, value: npt.NDArray[np.float32]) -> DoubleArray:
    # Without clicks, bincount forgets the weights and counts in integers.
    return np.bincount(feedback.row, weights=value, minlength=len(feedback.clicked)).astype(np.float64, copy=False)
