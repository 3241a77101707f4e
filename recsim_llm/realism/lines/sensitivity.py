"""Line 8, sensitivity: does it answer to what should matter, and not to what should not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.candidates import Candidate, checked_taste
from recsim_llm.realism.line import Line, Measure, Role, not_assessed
from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.realism.page_scores import areas
from recsim_llm.realism.policies import BAD, GOOD
from recsim_llm.realism.policy_trials import PolicyTrial, by_user
from recsim_llm.realism.resampling import Resampler, Series, Statistic, mean_statistic, of_sums
from recsim_llm.realism.taste_pages import KINDS, Kind, TastePages
from recsim_llm.realism.trials import CardSettings, Trial, counted_users

__all__ = ["NO_CHANGE", "anonymised", "sensitivity_line", "shuffled", "swapped", "without_descriptions"]


NO_CHANGE = "no change"
"""Row that stands for an intervention without any effect."""

_NAME, _QUESTION = "sensitivity", "Does it answer to what should matter to it, and not to what should not?"
_PROTOCOL = (
    "Paired by user. Personas: AUC at 1:1 on the taste test's pages ({kind}), less the AUC when another user judges each "
    "user's items; the baselines are put to the same test, and a predictor that knows no user loses nothing. What is left "
    "with another's persona is what is common to all users, 0.5 being chance. Order: mean absolute change of click chances "
    "when each page is shuffled; examination by position acts before these chances and is not in them. Titles: AUC at 1:1 "
    "with real titles less the AUC with titles like 'Item 17', descriptions left out of both; {titles} Policies: of expected "
    "clicks on one page by {good} (named before anything was measured) and one random page, later slots discounted, the share "
    "that falls to the former; real users' are their held-out items on these pages; and the difference in mean expected stars."
)


def sensitivity_line(
    trials: Sequence[PolicyTrial],
    models: Mapping[str, Mapping[int, Candidate]],
    settings: CardSettings,
    *,
    named: Mapping[int, Candidate] | None = None,
    anonymous: Mapping[int, Candidate] | None = None,
) -> Line:
    """Return the line; what is lost by swapping personas is the headline.

    Args:
        trials: what everybody says of the recommenders' pages.
        models: user models by row name and seed, the candidate first.
        settings: of the card.
        named: the candidate by seed, told titles but no descriptions; None where it is the candidate itself.
        anonymous: the same, told no real titles; None where the candidate reads none.
    """
    kind: Kind = "matched" if "matched" in settings.kinds else "uniform"
    if len(trials[0].trial.pages[kind].user_index) < 2:
        return not_assessed(8, _NAME, _QUESTION, settings.too_few("fewer than two users have"))
    plain = [trial.trial for trial in trials]
    resampler = Resampler(
        counted_users(plain, [trial.pages[kind].user_index for trial in plain]), settings.bootstrap_seed, settings.resamples
    )
    row = next(iter(trials[0].roles))
    bare = models[row] if named is None else named
    measures = [
        *_swaps(trials, models, kind, resampler),
        _order(plain, row, models[row], kind, resampler=resampler),
        _titles(plain, row, bare, anonymous, kind=kind, resampler=resampler),
        *_policies(trials, settings),
    ]
    titles = "the drop is the share that it knew of famous titles." if anonymous is not None else "it reads no titles."
    protocol = _PROTOCOL.format(kind=KINDS[kind], titles=titles, good=GOOD)
    return Line(number=8, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=protocol)


def swapped(user_id: IntArray, seed: int) -> IntArray:
    """Return int64 [m]: for each user the position of another one, everybody's once; with one user it is that user's own."""
    order = keyed.words(seed, "swapped persona", user_id).argsort(kind="stable")
    other = np.empty(len(user_id), np.int64)
    other[order] = np.roll(order, 1)
    return other


def shuffled(items: IntArray, word: npt.NDArray[np.uint64], page_size: int) -> IntArray:
    """Return int64 [m, n]: columns in another order within pages of about equal length, at most ``page_size``.

    Args:
        items: int64 [m, n].
        word: uint64 [m]: to draw by.
        page_size: most items a page, as ``UserModelCandidate`` cuts pages.
    """
    count = items.shape[1]
    width = -(-count // max(1, -(-count // page_size)))
    dice = keyed.absorb(word[:, None], np.arange(count)[None, :])
    page = np.arange(count) // width
    return np.lexsort((dice, np.broadcast_to(page, items.shape)), axis=1)


def anonymised(training: Dataset) -> Dataset:
    """Return the data with titles that tell nothing, and without descriptions or captions."""
    catalog = training.catalog
    titles = np.array([f"Item {place + 1}" for place in range(len(catalog))], object)
    return replace(training, catalog=replace(catalog, title=titles, description=None, caption=None))


def without_descriptions(training: Dataset) -> Dataset:
    """Return the data without descriptions and captions."""
    return replace(training, catalog=replace(training.catalog, description=None, caption=None))


def _swaps(
    trials: Sequence[PolicyTrial], models: Mapping[str, Mapping[int, Candidate]], kind: Kind, resampler: Resampler
) -> list[Measure]:
    lost: dict[str, list[Statistic]] = {}
    left: dict[str, list[Statistic]] = {}
    for trial in trials:
        page = trial.trial.pages[kind]
        other = page.user_index[swapped(trial.held.training.ratings.users[page.user_index], trial.trial.seed)]
        for row in trial.roles:
            own = areas(page, trial.trial.scores[kind][row], 1)
            if row in models:
                score = checked_taste(models[row][trial.trial.seed], other, page.item_index)
            else:
                score = trial.scorers[row](other, page.item_index)
            others = areas(page, score, 1)
            lost.setdefault(row, []).append(_mean(trial.trial, page, own - others))
            left.setdefault(row, []).append(_mean(trial.trial, page, others))
    roles = trials[0].roles
    name = f"1:1, {KINDS[kind]}"
    return [
        resampler.measure(f"AUC lost with another's persona, {name}", "share", "higher", _series(roles, lost)),
        resampler.measure(f"AUC left with another's persona, {name}", "share", "none", _series(roles, left)),
    ]


def _order(trials: Sequence[Trial], row: str, models: Mapping[int, Candidate], kind: Kind, *, resampler: Resampler) -> Measure:
    changes = []
    for trial in trials:
        page, model = trial.pages[kind], models[trial.seed]
        word = keyed.words(trial.seed, "shuffled page", trial.held.training.ratings.users[page.user_index])
        order = shuffled(page.item_index, word, trial.pages[kind].page_items)
        score = np.empty(page.item_index.shape)
        moved = checked_taste(model, page.user_index, np.take_along_axis(page.item_index, order, axis=1))
        np.put_along_axis(score, order, moved, axis=1)
        changes.append(_mean(trial, page, np.abs(expit(score) - expit(trial.scores[kind][row])).mean(axis=1)))
    note = "" if any(change(resampler.weights[:1])[0] for change in changes) else "exactly none"
    return _against_none(
        "change of click chances by the order of the page", "chance", row, resampler, statistics=changes, note=note
    )


def _titles(
    trials: Sequence[Trial],
    row: str,
    named: Mapping[int, Candidate],
    anonymous: Mapping[int, Candidate] | None,
    *,
    kind: Kind,
    resampler: Resampler,
) -> Measure:
    name = f"AUC lost with anonymous titles, 1:1, {KINDS[kind]}"
    drops = []
    for trial in trials:
        page = trial.pages[kind]
        drop = np.zeros(len(page.user_index))
        if anonymous is not None:
            scores = [checked_taste(by_seed[trial.seed], page.user_index, page.item_index) for by_seed in (named, anonymous)]
            drop = areas(page, scores[0], 1) - areas(page, scores[1], 1)
        drops.append(_mean(trial, page, drop))
    note = "" if anonymous is not None else "not applicable: it reads no titles, so nothing is lost by construction"
    return _against_none(name, "share", row, resampler, statistics=drops, note=note)


def _against_none(
    name: str, unit: str, row: str, resampler: Resampler, *, statistics: Sequence[Statistic], note: str
) -> Measure:
    nothing = Series("reference", [lambda weights: np.zeros(len(weights))] * len(statistics), "by definition")
    return resampler.measure(name, unit, "lower", {row: Series("candidate", statistics, note), NO_CHANGE: nothing})


def _policies(trials: Sequence[PolicyTrial], settings: CardSettings) -> list[Measure]:
    users = counted_users([trial.trial for trial in trials], [trial.pages.user_index for trial in trials])
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    shares: dict[str, list[Statistic]] = {}
    stars: dict[str, list[Statistic]] = {}
    for trial in trials:
        both = [trial.pages.number(GOOD), trial.pages.number(BAD)]
        for row in (*trial.roles, REAL):
            value = trial.truth["NDCG"] if row == REAL else trial.clicks(row)
            table = np.nan_to_num(trial.by_user(value[:, both]))
            shares.setdefault(row, []).append(of_sums(table, lambda total: total[:, 0] / total.sum(axis=1)))
        for row, expected in trial.stars.items():
            page = [np.take_along_axis(expected, trial.pages.place[:, number], axis=1) for number in both]
            stars.setdefault(row, []).append(trial.mean(page[0].mean(axis=1) - page[1].mean(axis=1)))
    roles, words = trials[0].roles, f"{GOOD} and {BAD}"
    halves = Series("trivial", [lambda weights: np.full(len(weights), 0.5)] * len(trials), "by definition")
    nothing = Series("trivial", [lambda weights: np.zeros(len(weights))] * len(trials), "by definition")
    everyone = _series({**roles, REAL: "real"}, shares) | {NO_CHANGE: halves}
    clicks = resampler.measure(f"share of clicks, {words}", "share", "real", everyone)
    if trials[0].trial.starless:
        return [clicks]
    expected_stars = _series(roles, stars) | {NO_CHANGE: nothing}
    return [clicks, resampler.measure(f"stars of a page, {GOOD} less {BAD}", "stars", "higher", expected_stars)]


def _series(roles: Mapping[str, Role], statistics: Mapping[str, Sequence[Statistic]]) -> dict[str, Series]:
    return {row: Series(roles[row], values) for row, values in statistics.items()}


def _mean(trial: Trial, page: TastePages, values: DoubleArray) -> Statistic:
    return mean_statistic(by_user(values, page.user_index, trial.held.users))
