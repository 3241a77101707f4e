"""Pipelines of the library LensKit as recommenders."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field, ValidationError
from threadpoolctl import threadpool_limits

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings, config_error
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.recommenders.optional_packages import import_for
from recsim_llm.recommenders.scoring import ScoringRecommender, unknown_last
from recsim_llm.registry import blaming, import_attribute

__all__ = ["LensKit", "LensKitRecommender"]


class LensKitRecommender(ScoringRecommender):
    """Recommends by a pipeline of the library LensKit (Ekstrand 2020, "LensKit for Python").

    The pipeline's node ``scorer`` scores all items, for one user after the other; its own choice and ranking of items are not
    used, for who may get which item is a rule of the run. It is told what the user consumed, in the training part or by a click
    in the run, with the stars given; a click without stars counts as the mean of the training part. Items that it does not
    score follow by popularity.

    Every ``fit`` trains a copy of the pipeline, with the seed of ``fit`` and linear algebra on one thread.

    Args:
        pipeline: ``lenskit.pipeline.Pipeline`` with a node ``scorer`` and the inputs ``query`` and ``items``, as
            ``lenskit.pipeline.topn_pipeline`` makes one; trained or not.

    Raises:
        ConfigError: LensKit is not installed, or it is no such pipeline.
    """

    def __init__(self, pipeline: Any) -> None:
        who = type(self).__name__
        kind = import_for(who, "lenskit.pipeline").Pipeline
        if not isinstance(pipeline, kind):
            raise ConfigError(
                f"{who}: got {type(pipeline).__name__}, expected a pipeline of LensKit; give topn_pipeline(scorer)"
            )
        nodes = [node.name for node in pipeline.nodes()]
        lacking = {"scorer", "query", "items"} - set(nodes)
        if lacking:
            raise ConfigError(
                f"{who}: got a pipeline with nodes {', '.join(nodes)}, expected also {', '.join(sorted(lacking))}; give "
                "topn_pipeline(scorer)"
            )
        self._given = pipeline

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Train a copy of the pipeline on the training ratings.

        Args:
            catalog: the items.
            ratings: the training ratings.
            seed: of all that is random in the pipeline's components.
        """
        self._stars = _latest_stars(catalog, ratings)
        self._mean = float(ratings.rating.mean())
        super().fit(catalog, ratings, seed)

    def _learn(self) -> None:
        lenskit_data, training = import_for("LensKit", "lenskit.data"), import_for("LensKit", "lenskit.training")
        self._order = self._known.popularity_order
        self._pipeline = None
        if not self._known.matrix.nnz:
            return  # Nothing to train on: popularity decides, which is the catalog's order then.
        row, item = self._stars.nonzero()
        columns = {"user_id": self._known.users[row], "item_id": self._known.catalog.item_id[item], "rating": self._stars.data}
        frame = import_for("LensKit", "pandas").DataFrame(columns)
        dataset = lenskit_data.from_interactions_df(frame, items=self._known.catalog.item_id)
        self._pipeline = self._given.clone()
        with threadpool_limits(limits=1), blaming("LensKit pipeline, train", "one that trains on users, items and stars"):
            self._pipeline.train(dataset, training.TrainingOptions(rng=self._seed))

    def _score(self, requests: Requests) -> FloatArray:
        catalog = self._known.catalog
        scores = np.full((len(requests.user_id), len(catalog)), np.nan, np.float32)
        if self._pipeline is None:
            return unknown_last(scores, self._order)
        data = import_for("LensKit", "lenskit.data")
        profiles, stars = self._known.profiles(requests), self._given_stars(requests)
        everything = data.ItemList(item_ids=catalog.item_id)
        with threadpool_limits(limits=1), blaming("LensKit pipeline, scorer", "an item list with scores"):
            for row, user in enumerate(requests.user_id.tolist()):
                consumed = profiles.indices[profiles.indptr[row] : profiles.indptr[row + 1]]
                history = data.ItemList(item_ids=catalog.item_id[consumed], rating=stars[row, consumed])
                query = data.RecQuery(user_id=user, history_items=history)
                found = self._pipeline.run("scorer", query=query, items=everything)
                scores[row, catalog.index_of(found.ids())] = found.scores("numpy")
        return unknown_last(scores, self._order)

    def _given_stars(self, requests: Requests) -> FloatArray:
        """Return float32 [u, n]: the latest stars by user and item, the mean of the training part where there are none."""
        own = self._stars[self._known.user_rows(requests.user_id)]
        stars = np.full(own.shape, self._mean, np.float32)
        stars[np.repeat(np.arange(own.shape[0]), np.diff(own.indptr)), own.indices] = own.data
        index = self._known.catalog.index_of(requests.history_item)
        row, slot = np.nonzero((index >= 0) & np.isfinite(requests.history_rating))
        stars[row, index[row, slot]] = requests.history_rating[row, slot]
        return stars


class LensKit(LensKitRecommender):
    """Recommends by a scorer of the library LensKit; unless told otherwise, what it expects the most stars for.

    The default, a factorisation of ratings with user and item biases (Koren, Bell & Volinsky 2009), is the classic of the years
    when recommending meant predicting stars.
    """

    class Settings(FrozenSettings):
        """Settings of ``LensKit``."""

        scorer: str = Field(default="lenskit.als:BiasedMFScorer", min_length=1)
        """``module:Class`` of a scorer component, ``lenskit.knn:SLIMScorer`` for instance."""
        config: dict[str, Any] = Field(default_factory=dict)
        """The scorer's configuration by its own names, as LensKit documents them; empty for its defaults."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        pipelines = import_for("LensKit", "lenskit.pipeline")
        scorer: Any = import_attribute(self.settings.scorer, "LensKit scorer")
        if not isinstance(scorer, type) or not issubclass(scorer, pipelines.Component):
            raise ConfigError(
                f"LensKit: scorer: got {self.settings.scorer!r}, expected the class of a component of LensKit; give "
                "lenskit.als:BiasedMFScorer"
            )
        super().__init__(pipelines.topn_pipeline(scorer(_checked(scorer, self.settings))))


def _checked(scorer: Any, settings: LensKit.Settings) -> Any:
    """Return the configuration of a component, checked by its own type and against misspelt keys, which that type ignores."""
    kind = scorer.config_class()
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else list(getattr(kind, "model_fields", ()))
    for key in settings.config:
        if key not in known:
            expected = one_of(key, known) if known else f"none, since {settings.scorer} has nothing to set"
            raise ConfigError(f"LensKit: config: got unknown key {key!r}, expected {expected}")
    try:
        return kind(**settings.config) if kind is not None else None
    except ValidationError as error:
        raise config_error(error, kind, "LensKit: config") from error


def _latest_stars(catalog: Catalog, ratings: Ratings) -> sp.csr_array:
    """Return float32 sparse [users + 1, n]: the latest stars of each user and item; the last row is empty."""
    item = catalog.index_of(ratings.item_id)
    newest_first = np.lexsort((np.arange(len(item)), ratings.timestamp))[::-1]
    newest_first = newest_first[item[newest_first] >= 0]
    pairs = ratings.user_index[newest_first] * len(catalog) + item[newest_first]
    latest = newest_first[np.unique(pairs, return_index=True)[1]]
    shape = len(ratings.users) + 1, len(catalog)
    return sp.csr_array((ratings.rating[latest], (ratings.user_index[latest], item[latest])), shape=shape)
