"""Recommenders as policies of an environment: the other way round from a trained policy as a recommender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.histories import Histories
from recsim_llm.core.pages import Requests, Rows, Slates
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.protocols import CopiesRows, RanksItems
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.rollouts import Rollouts
from recsim_llm.envs.session import Session, StepOutcome
from recsim_llm.envs.unwrapping import single_session, vector_session
from recsim_llm.errors import ConfigError, ContractError, SlateError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.recommenders import Recommender, RunsElsewhere, Truth, check_slates, open_recommender
from recsim_llm.recommenders.hooks import give_hooks
from recsim_llm.registry import blaming

__all__ = ["RecommenderPolicy", "as_policy"]


def as_policy(
    recommender: str | Recommender,
    env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any],
    *,
    ratings: Ratings | None = None,
) -> RecommenderPolicy:
    """Return a recommender as a policy of an environment: call it with an observation, and step with what it returns.

    The recommender is fitted here, with what it has in a run of that world: the training part of the data, the rule on
    repetition, the hidden truth where it is an oracle. It gets requests as in a run, made of what the environment itself
    knows: who sits there, at which visit and page, and the whole history of the episode, whatever the observation shows of it;
    and is told what came of its pages. With the scenario and seed of a run, and a row for each of its users, a recommender that
    learns nothing from its pages gets the run's clicks.

    Several policies of one environment take turns as one likes: each is told of its own pages, all know of every page.

    Args:
        recommender: a name, as ``open_recommender`` takes it, or a recommender, which is fitted anew.
        env: ``RecSimLLM/Browse-v0`` or its vector form, with ``action="slate"``, also under wrappers that keep its actions.
            Where an episode is going on, ``reset`` it before the first call.
        ratings: what to learn from; None for the training part of the world's data. An environment of given objects knows it by
            ``rated``.

    Raises:
        ConfigError: there is no such recommender, the environment is another or has other actions, nobody knows any ratings, or
            the users cannot tell an oracle what it must know.
        PlugInError: the recommender's code crashed.
    """
    alone = not isinstance(env, VectorEnv)
    session = vector_session(env, "as_policy") if isinstance(env, VectorEnv) else single_session(env, "as_policy")
    if session.settings.action != "slate":
        raise ConfigError(f"as_policy: got action={session.settings.action!r}, expected an environment with action='slate'")
    name = recommender if isinstance(recommender, str) else type(recommender).__name__
    policy = RecommenderPolicy(
        open_recommender(recommender) if isinstance(recommender, str) else recommender, session, name=name, alone=alone
    )
    policy.fit(ratings)
    session.watch(policy)
    return policy


class _Asked(NamedTuple):
    """What the recommender was asked about some rows, and what it answered."""

    rows: IntArray
    requests: Requests
    slates: Slates
    item_index: IntArray


class RecommenderPolicy:
    """A recommender that acts in an environment; ``as_policy`` makes one.

    Args:
        recommender: not yet fitted.
        session: of the environment.
        name: of the recommender, for error texts.
        alone: actions are of one row, without the first axis.
    """

    def __init__(self, recommender: Recommender, session: Session, *, name: str, alone: bool) -> None:
        self.recommender = recommender
        """The recommender itself."""
        kernel = session.kernel
        self._whole = (kernel.page == 0) & (kernel.visit == 0)  # rows whose whole episode is known
        self._session, self._name, self._alone = session, name, alone
        users = session.world.population
        self._profile = make_profile(users.demographics, len(users))
        self._histories = Histories(session.rows, kernel.slate_size)
        self._over = np.zeros(session.rows, np.bool_)
        self._asked: list[_Asked] = []
        self._rows_asked = np.zeros(0, np.int64)

    def __call__(self, observation: object) -> IntArray:  # noqa: ARG002 (what a policy is called with)
        """Return what to show next: catalog positions, int64 [k], in the vector form [r, k].

        Rows whose episode is over get any page, since it is not used.

        Raises:
            ContractError: an episode goes on that began before the policy was made.
            SlateError: the recommender returned something that is no slate of this catalog.
            PlugInError: it crashed.
        """
        session = self._session
        if not self._whole.all():
            raise ContractError(
                f"as_policy: got an episode of recommender {self._name!r} that began before it was made a policy, expected "
                "reset() first, since it must know the whole history"
            )
        slots = session.kernel.slate_size
        page = np.tile(np.arange(slots), (session.rows, 1))
        self._asked = [self._ask(rows) for rows in _each_user_once(session.kernel.user_index, np.flatnonzero(~self._over))]
        for asked in self._asked:
            page[asked.rows] = asked.item_index
        return page[0] if self._alone else page

    def begin(self, rows: Rows) -> None:
        """Take in that these rows begin another episode."""
        self._histories.forget(rows)
        self._over[rows], self._whole[rows] = False, True
        self._asked = []

    def page(self, outcome: StepOutcome, idle: IntArray | None) -> None:
        """Take in what came of a page of every row but the idle ones, and let the recommender learn from its own."""
        feedback = outcome.page.feedback
        on = np.ones(self._session.rows, np.bool_)
        if idle is not None:
            on[idle] = False
        rows, shown, ratings = np.flatnonzero(on), feedback.pages.item_index, feedback.ratings()
        item_id = np.where(shown < 0, -1, self._session.world.catalog.item_id.take(shown, mode="clip"))
        self._histories.add(rows, item_id[rows], feedback.clicked[rows], ratings[rows])
        asked, self._asked = self._asked, []
        for one in asked:
            # Somebody else's page, as of a policy that explores, is not what the recommender is told of.
            own = on[one.rows] & ((shown[one.rows] == one.item_index) | (shown[one.rows] < 0)).all(axis=1)
            if own.any():
                self._tell(one, np.flatnonzero(own), feedback.clicked, ratings)
        self._over = (outcome.terminated | outcome.truncated) & on

    @one_thread
    def fit(self, ratings: Ratings | None) -> None:
        """Fit the recommender; argument as of ``as_policy``."""
        session, world = self._session, self._session.world
        if ratings is None and world.rated is not None:
            ratings = world.rated.ratings
        if ratings is None:
            raise ConfigError(
                "as_policy: got an environment of objects that knows no ratings, expected some to learn from; pass ratings="
            )
        catalog = Dataset(name="world", catalog=world.catalog, ratings=ratings).of_ratings(ratings).catalog
        users = world.population
        keys = {} if users.user_key is None else dict(zip(users.user_id.tolist(), users.user_key.tolist(), strict=True))
        with blaming(f"recommender {self._name!r}, fit", "it to learn from the ratings; see check_recommender"):
            give_hooks(
                self.recommender,
                repeats=session.settings.repeats,
                truth=self._truth,
                model=self._model,
                user_keys={user: key for user, key in keys.items() if key},
            )
            if isinstance(self.recommender, RunsElsewhere):
                self.recommender.reach()
            self.recommender.fit(catalog, ratings, session.recommender_seed)

    @one_thread
    def _ask(self, rows: IntArray) -> _Asked:
        session = self._session
        kernel, catalog, slots = session.kernel, session.world.catalog, session.kernel.slate_size
        who = kernel.user_index[rows]
        user_id, visit, page = session.world.population.user_id[who], kernel.visit[rows], kernel.page[rows]
        requests = Requests(user_id, visit, page, *self._histories.of(rows), self._profile[who])
        self._rows_asked = rows
        with blaming(f"recommender {self._name!r}, recommend", "slates; see check_recommender"):
            slates = self.recommender.recommend(requests, slots)
        count = session.settings.invalid == "count"
        check_slates(slates, catalog, len(rows), slots, name=self._name, blank_invalid=count)
        item_index = catalog.index_of(np.asarray(slates.item_id))
        if (item_index < 0).any():
            unknown = np.asarray(slates.item_id)[item_index < 0][0]
            raise SlateError(f"{self._name}: got unknown item {unknown}, expected items of the catalog: no action names others")
        return _Asked(rows, requests, slates, item_index)

    @one_thread
    def _tell(self, asked: _Asked, own: IntArray, clicked: Any, ratings: FloatArray) -> None:
        rows, requests, slates = asked.rows, asked.requests, asked.slates
        if len(own) < len(rows):
            rows, requests, slates = rows[own], take_columns(requests, own), take_columns(slates, own)
        with blaming(f"recommender {self._name!r}, observe", "it to take in the page; see check_recommender"):
            self.recommender.observe(requests, slates, clicked[rows], ratings[rows])

    def _truth(self) -> Truth:
        users = self._session.world.users
        if not isinstance(users, RanksItems):
            raise ConfigError(
                f"recommender {self._name!r}: got {type(users).__name__}, which has no appeal(rows), expected choice users; "
                "take another recommender"
            )
        rollouts = self._rollouts if isinstance(users, CopiesRows) else None
        return Truth(self._appeal, rollouts, self._session.world.population.user_id)

    def _appeal(self, user_id: IntArray) -> FloatArray:
        """Return float32 [m, n]: what users feel for every item now, or at the start where nobody asked about them."""
        users, rows = self._session.world.users, self._rows_of(user_id)
        assert isinstance(users, RanksItems)
        if (rows >= 0).all():
            return users.appeal(rows)
        return self._rollouts(user_id, np.zeros(len(user_id), np.uint64), True).appeal()

    def _rollouts(self, user_id: IntArray, seed: keyed.Words, afresh: bool) -> Rollouts:
        """Return copies of users with dice of their own; arguments as of ``Truth.rollouts``."""
        if afresh:
            ids = self._session.world.population.user_id
            order = np.argsort(ids, kind="stable")
            begin = order[np.searchsorted(ids, user_id, sorter=order)]
            # Whoever sits in row 0 makes room for those who begin.
            return self._session.rollouts(np.zeros(len(user_id), np.int64), user_id, seed, afresh=begin)
        rows = self._rows_of(user_id)
        if (rows < 0).any():
            raise ContractError(f"recommender {self._name!r}: got users nobody asked about, expected those of the requests")
        return self._session.rollouts(rows, user_id, seed, afresh=None)

    def _rows_of(self, user_id: IntArray) -> IntArray:
        """Return int64 [m]: the row of each user who is being asked about, -1 of others."""
        there = self._session.world.population.user_id[self._session.kernel.user_index[self._rows_asked]]
        if not there.size:
            return np.full(len(user_id), -1)
        order = np.argsort(there, kind="stable")
        at = order[np.minimum(np.searchsorted(there, user_id, sorter=order), len(order) - 1)]
        return np.where(there[at] == user_id, self._rows_asked[at], -1)

    def _model(self) -> Any:
        if self._session.model is None:
            raise ConfigError(
                f"recommender {self._name!r}: got an environment without a scenario, expected one that names a language model "
                "under models.policy"
            )
        return self._session.model()


def _each_user_once(user_index: IntArray, rows: IntArray) -> Iterator[IntArray]:
    """Yield the rows in as few parts as possible, in none of which a user sits twice: requests tell users by their ids."""
    while rows.size:
        _, first = np.unique(user_index[rows], return_index=True)
        first.sort()
        yield rows[first]
        rows = np.delete(rows, first)
