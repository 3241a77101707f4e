"""A small model of what a slot earns, from what a recommender can see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.core.pages import Requests
from recsim_llm.errors import ContractError, DataError
from recsim_llm.offpolicy.doubly_robust import ModelValues
from recsim_llm.offpolicy.logged import LoggedSlates, rebuild_requests
from recsim_llm.offpolicy.targets import answered, as_target
from recsim_llm.recommenders.propensities import GivesNextItems, SamplesSlates

__all__ = ["LogisticReward", "RewardModel", "fit_reward_model", "model_values"]


_PURPOSE = "reward model fold"
_FEW = 64
_SHOWN_BEFORE = 10.0


class RewardModel(Protocol):
    """Predicts what a slot earns; any function of this form will do."""

    def __call__(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return float64 [u, k, m]: expected reward of each of ``m`` candidate items, int64 [u, k, m], at each position."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LogisticReward:
    """A logistic regression by fold of users; each user is predicted by the fold that was fitted without them.

    ``logit q = a_position + b . item + c * (item . liked) + d . user``, with the item's catalog features, standardised;
    ``liked`` the mean of those of what the user clicked in the run so far (0 before the first click); and of the user the page
    number and the smoothed share of clicks so far, on the log scale.
    """

    catalog: Catalog
    """The items."""
    features: DoubleArray
    """float64 [n, f]: standardised features of the items."""
    position: DoubleArray
    """float64 [folds, k]: ``a``."""
    weight: DoubleArray
    """float64 [folds, f + 3]: ``b``, ``c`` and ``d``."""
    seed: int
    """From which users' folds follow."""

    def __call__(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return what is expected of each candidate, as ``RewardModel``.

        Raises:
            DataError: an item is unknown, or pages are longer than those that the model was fitted on.
        """
        if item_id.shape[1] > self.position.shape[1]:
            raise DataError(
                f"reward model: got {item_id.shape[1]} slots, expected at most {self.position.shape[1]}; fit it again"
            )
        fold = _folds(requests.user_id, len(self.position), self.seed)
        user, liked = _user_features(requests, self.catalog, self.features)
        size = self.features.shape[1]
        weight = self.weight[fold]
        item = np.einsum("uf,nf->un", weight[:, :size] + weight[:, size, None] * liked, self.features)
        item += np.einsum("ud,ud->u", user, weight[:, size + 1 :])[:, None]
        index = _index_of(self.catalog, item_id)
        chosen = np.take_along_axis(item, index.reshape(len(index), -1), axis=1).reshape(index.shape)
        return _logistic(chosen + self.position[fold, : item_id.shape[1], None])


def fit_reward_model(
    logged: LoggedSlates, catalog: Catalog, *, seed: int, folds: int = 5, penalty: float = 1.0
) -> LogisticReward:
    """Fit a logistic regression to the rewards of the slots, cross-fitted by user.

    Without cross-fitting a model explains the very clicks that it should predict, and the doubly robust estimators become
    biased (Chernozhukov et al. 2018, *Econometrics Journal* 21). Rewards between 0 and 1 that are no clicks are fitted by the
    same quasi-likelihood (Papke & Wooldridge 1996, *Journal of Applied Econometrics* 11). A ridge penalty lies on all but the
    intercepts.

    Args:
        logged: whole log, as ``rebuild_requests`` needs it.
        catalog: the items, with the features that the model may see.
        seed: which users share a fold.
        folds: parts of the users, at least 2.
        penalty: weight of the squared coefficients over 2, in units of one slot.

    Raises:
        ConfigError: a setting is out of range.
        DataError: a reward is outside 0 to 1, an item is unknown, or a fold holds no user.
    """
    check_whole_number("folds", folds, least=2)
    check_whole_number("seed", seed, least=0)
    check_number("penalty", penalty, above=0.0)
    if ((logged.reward < 0.0) | (logged.reward > 1.0)).any():
        raise DataError(
            f"reward model: got rewards outside 0 to 1, up to {logged.reward.max():g}, expected clicks or "
            "shares; divide them by their largest, or pass a function of your own as the model"
        )
    features = _standardised(catalog.features.astype(np.float64))
    design = np.empty((*logged.item_id.shape, features.shape[1] + 3))
    for rows, requests in rebuild_requests(logged):
        user, liked = _user_features(requests, catalog, features)
        item = features[_index_of(catalog, logged.item_id[rows])]
        likeness = np.einsum("ukf,uf->uk", item, liked)[:, :, None]
        own = np.repeat(user[:, None], logged.slots, axis=1)
        design[rows] = np.concatenate([item, likeness, own], axis=2)
    fold = _folds(logged.user_id, folds, seed)
    if len(np.unique(fold)) < folds:
        raise DataError(
            f"reward model: got {len(np.unique(logged.user_id))} users, too few for {folds} folds, expected some in each; log "
            "more users, or use fewer folds (folds=2)"
        )
    fits = [_fit(design[fold != held], logged.reward[fold != held], penalty) for held in range(folds)]
    return LogisticReward(
        catalog=catalog,
        features=features,
        position=np.stack([intercept for intercept, _ in fits]),
        weight=np.stack([weight for _, weight in fits]),
        seed=seed,
    )


def model_values(
    logged: LoggedSlates, policy: object, model: RewardModel, *, seed: int, draws: int = 8, next_items: bool = True
) -> ModelValues:
    """Ask a reward model about the logged slates, and about what the target would have shown instead.

    What is expected of the target is the mean over ``draws`` of its slates (the slate itself where it is certain): an unbiased
    stand-in for the expectation, whose noise is in the interval, since it differs from page to page.

    Args:
        logged: whole log, as ``rebuild_requests`` needs it.
        policy: the target, fitted; certain, or with the method ``sample`` of ``SamplesSlates``.
        model: the reward model.
        seed: of the draws; they have nothing to do with those of the log.
        draws: slates drawn a page, 1 or more.
        next_items: False leaves ``expected_next`` out, which takes the longest.

    Raises:
        ConfigError: ``draws`` is below 1.
        ContractError: the policy is neither certain nor can be sampled from, or the model answers in another shape.
        DataError: earlier pages of a user are missing.
    """
    check_whole_number("draws", draws, least=1)
    check_whole_number("seed", seed, least=0)
    target = as_target(policy)
    if not isinstance(target, SamplesSlates):
        raise ContractError(
            f"{type(policy).__name__}: got no method sample, expected it for what a reward model expects of the target; see "
            "recsim_llm.recommenders.SamplesSlates"
        )
    shape = logged.reward.shape
    values, expected = np.empty(shape), np.empty(shape)
    for rows, requests in rebuild_requests(logged):
        slates = np.moveaxis(target.sample(requests, logged.slots, draws, seed), 0, 2)
        together = np.concatenate([logged.item_id[rows][:, :, None], slates], axis=2)
        answer = _ask(model, requests, together)
        values[rows], expected[rows] = answer[:, :, 0], answer[:, :, 1:].mean(axis=2)
    after = _expected_next(logged, target, model) if next_items and isinstance(target, GivesNextItems) else None
    return ModelValues(logged=values, expected=expected, expected_next=after)


def _expected_next(logged: LoggedSlates, target: GivesNextItems, model: RewardModel) -> DoubleArray:
    expected = np.empty(logged.reward.shape)
    for rows, requests in rebuild_requests(logged, chunk=_FEW):
        following = target.next_items(requests, logged.item_id[rows])
        shape = following.probability.shape
        answer = _ask(model, requests, np.broadcast_to(following.item_id, shape))
        expected[rows] = np.einsum("ukn,ukn->uk", following.probability, answer)
    return expected


def _ask(model: RewardModel, requests: Requests, item_id: IntArray) -> DoubleArray:
    return answered("reward model", model, (requests, item_id), item_id.shape)


def _fit(design: DoubleArray, reward: DoubleArray, penalty: float) -> tuple[DoubleArray, DoubleArray]:
    """Return the intercepts by position [k] and the weights [f + 3]."""
    from scipy.optimize import minimize

    slots = reward.shape[1]

    def loss(values: DoubleArray) -> tuple[float, DoubleArray]:
        logit = values[:slots] + design @ values[slots:]
        error = _logistic(logit) - reward
        size = float(
            np.logaddexp(0.0, logit).sum() - (reward * logit).sum() + 0.5 * penalty * (values[slots:] @ values[slots:])
        )
        slope = np.concatenate([error.sum(axis=0), np.einsum("nk,nkf->f", error, design) + penalty * values[slots:]])
        return size / reward.size, slope / reward.size

    share = np.clip(reward.mean(axis=0), 1e-6, 1.0 - 1e-6)
    start = np.concatenate([np.log(share / (1.0 - share)), np.zeros(design.shape[2])])
    # Bounds keep the intercept of a position where nothing, or everything, earned from running away.
    bounds = [(-15.0, 15.0)] * slots + [(None, None)] * design.shape[2]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
    return found[:slots], found[slots:]


def _user_features(requests: Requests, catalog: Catalog, features: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the page number and click share [u, 2], and the mean features of what was clicked [u, f]."""
    shown, clicks = (requests.history_item >= 0).sum(axis=1), requests.history_clicked.sum(axis=1)
    share = (clicks + 1.0) / (shown + _SHOWN_BEFORE)
    row, slot = np.nonzero(requests.history_clicked)
    liked = np.zeros((len(shown), features.shape[1]))
    np.add.at(liked, row, features[_index_of(catalog, requests.history_item[row, slot])])
    liked /= np.maximum(clicks, 1)[:, None]
    return np.stack([np.log1p(requests.page), np.log(share)], axis=1), liked


def _folds(user_id: IntArray, folds: int, seed: int) -> IntArray:
    return (keyed.words(seed, _PURPOSE, user_id) % np.uint64(folds)).astype(np.int64)


def _index_of(catalog: Catalog, item_id: IntArray) -> IntArray:
    index = catalog.index_of(item_id)
    if (index < 0).any():
        unknown = np.asarray(item_id)[index < 0].flat[0]
        raise DataError(f"reward model: got item {unknown}, expected items of the catalog; leave out pages with blank slots")
    return index


def _standardised(features: DoubleArray) -> DoubleArray:
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _logistic(logit: DoubleArray) -> DoubleArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)))
