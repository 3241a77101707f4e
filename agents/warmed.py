"""A recommender that is trained on simulated clicks beside the real ratings, so that it knows items that nobody has rated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.agents.choice.choice_candidate import ChoiceCandidate
from recsim_llm.agents.choice.saved_fits import fitted_for
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.core.spreadsheet_text import defused
from recsim_llm.data.tables import load_tables
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.realism.cold.simulated_clicks import INTERACTIONS, Asked, simulate_clicks
from recsim_llm.recommenders import TakesRules
from recsim_llm.recommenders.scoring import HistoryRecommender, take
from recsim_llm.recommenders.wrapping import Candidates, Wrapper

__all__ = ["Warmed", "unrated_items"]


class Warmed(Wrapper):
    """Trains another recommender on simulated clicks beside the real ratings, so that it knows items that nobody has rated.

    The clicks come from a folder that ``recsim-llm warm`` wrote, or, without one, from choice users who are fitted to the
    training ratings and asked about all items without one; where every item has ratings, nothing is simulated. A click counts
    like a rating. What a user clicked in the simulation was never shown to the user: it may be recommended, and the rule on
    repetition heeds what was rated and shown alone. Slates are certain, unless the base draws; then propensities are unknown
    (NaN).

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth; or there are no such interactions.
        DataError: the interactions are of other users or items.
    """

    class Settings(FrozenSettings):
        """Settings of ``Warmed``."""

        base: str = "mf"
        """Name of the recommender that is trained, or ``module:class``."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""
        interactions: str | None = None
        """Folder written by ``recsim-llm warm``, from the current folder; None asks choice users."""
        clicks: float | None = Field(default=None, gt=0)
        """Simulated clicks an item in the mean, where choice users are asked; None: as many as rated items have ratings."""

    def __init__(self, settings: Settings | None = None, *, simulated: Ratings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("warmed, base", self.settings.base, self.settings.base_settings)
        self._keys: Mapping[int, str] = {}
        self._simulated = simulated
        self._table = None if self.settings.interactions is None else _read(Path(self.settings.interactions))

    def play_by(self, repeats: Repeats) -> None:
        """Take in the scenario's rule on repetition; to be called before ``fit``."""
        super().play_by(repeats)
        # What was clicked in the simulation alone must not be barred, so that what is barred is left to this recommender.
        if isinstance(self._base, TakesRules):
            self._base.play_by("allow")

    def name_users(self, user_keys: Mapping[int, str]) -> None:
        """Take in the data's own ids by ``Requests.user_id``; empty where these are the data's own.

        Args:
            user_keys: of all users of the data.
        """
        self._keys = user_keys
        self._name_users(user_keys)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base to the training ratings and the simulated clicks.

        Args:
            catalog: the items.
            ratings: the training ratings.
            seed: of the base, and of the simulated users' dice.
        """
        self.play_by(self._repeats)
        # The real ratings alone say what users have seen.
        HistoryRecommender.fit(self, catalog, ratings, seed)
        clicks = self._clicks(catalog, ratings, seed)
        self._base.fit(catalog, ratings if clicks is None else ratings.followed_by(clicks), seed)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the base's ``k`` best items of each user that the user has not seen, as far as there are any.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        parts, order = [], []
        for rows, count in self._counts(requests, k):
            candidates = self._retrieve(self._base, take(requests, rows), count)
            place = np.argsort(candidates.seen, axis=1, kind="stable")[:, :k]
            item = np.take_along_axis(candidates.item_index, place, axis=1)
            parts.append(Candidates(item, np.zeros(item.shape, np.bool_), candidates.certain))
            order.append(rows)
        back = np.argsort(np.concatenate(order), kind="stable")
        every = Candidates(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        return self._slates(take_columns(every, back), np.broadcast_to(np.arange(k), (len(back), k)))

    def _counts(self, requests: Requests, k: int) -> Iterator[tuple[IntArray, int]]:
        """Yield rows and how many items to ask the base for, so many that ``k`` unseen ones are among them.

        A power of two, which hangs on nothing but the user: a base may draw another page where more are asked for.
        """
        rated = np.diff(self._known.matrix.indptr)[self._known.user_rows(requests.user_id)]
        least = k + rated + (requests.history_item >= 0).sum(axis=1)
        wanted = 2 ** np.ceil(np.log2(least)).astype(np.int64)
        for count in np.unique(wanted).tolist():
            yield np.flatnonzero(wanted == count), count

    def _clicks(self, catalog: Catalog, ratings: Ratings, seed: int) -> Ratings | None:
        if self._simulated is not None:
            return self._simulated
        if self._table is not None:
            return self._own(self._table, catalog, ratings)
        cold = unrated_items(catalog, ratings)
        if not cold.size:
            return None
        training = Dataset(name="training part", catalog=catalog, ratings=ratings)
        users = ChoiceCandidate(fitted_for(training))
        return simulate_clicks(users, training, cold, seed=seed, asked=Asked(clicks=self.settings.clicks))

    def _own(self, table: Dataset, catalog: Catalog, ratings: Ratings) -> Ratings:
        """Return the rows of a table by this run's numbers; rows of other users or items are left out."""
        # As they are, and as tables have them that spreadsheets open.
        users = _by_name((self._keys.get(user, str(user)), user) for user in ratings.users.tolist())
        own = catalog.item_id.tolist() if catalog.item_key is None else catalog.item_key
        items = _by_name((str(key), item) for key, item in zip(own, catalog.item_id.tolist(), strict=True))
        user = np.array([users.get(table.user_keys.get(one, str(one)), -1) for one in table.ratings.user_id.tolist()], np.int64)
        names = table.catalog.item_id if table.catalog.item_key is None else table.catalog.item_key
        place = table.catalog.index_of(table.ratings.item_id)
        item = np.array([items.get(str(names[one]), -1) for one in place.tolist()], np.int64)
        keep = (user >= 0) & (item >= 0)
        if not keep.any():
            raise DataError(
                f"warmed: got interactions in {self.settings.interactions!r} of no user and item of the data, expected its own "
                "ids; simulate them with `recsim-llm warm` on the same data"
            )
        return Ratings(
            user_id=user[keep],
            item_id=item[keep],
            rating=np.full(int(keep.sum()), ratings.rating.mean(dtype=np.float64), np.float32),
            timestamp=np.full(int(keep.sum()), ratings.timestamp.max() + 1),
        )


def unrated_items(catalog: Catalog, ratings: Ratings) -> IntArray:
    """Return int64 [c]: positions of the items on sale that nobody has rated, ascending."""
    rated = np.zeros(len(catalog), np.bool_)
    index = catalog.index_of(ratings.item_id)
    rated[index[index >= 0]] = True
    return np.flatnonzero(~rated & catalog.on_sale)


def _by_name(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    named = dict(pairs)
    return {defused(name): number for name, number in named.items()} | named


def _read(folder: Path) -> Dataset:
    path = folder / INTERACTIONS
    if not path.is_file():
        raise ConfigError(
            f"warmed, interactions: got {str(folder)!r} without {INTERACTIONS}, expected a folder that "
            "`recsim-llm warm` wrote; paths begin in the current folder"
        )
    return load_tables(path, feedback="implicit")
