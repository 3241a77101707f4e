"""How much taste users have: do they tell what a person later liked from what stands beside it, and from what it is no better?

A user model at chance here gives every recommender the same clicks but for luck, so that a comparison on it says nothing.
Whoever chooses anything by this measure (templates, a way of asking, a calibration) must do so on other users than those whose
figures are shown: ``apart`` keeps them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.numerics.threads import one_thread
from recsim_llm.realism.baselines import TASTE_ROWS, Scorer
from recsim_llm.realism.candidates import Factory, checked_stars, checked_taste
from recsim_llm.realism.held_out import HeldOut, hold_out
from recsim_llm.realism.line import Measure, Role, too_few_users
from recsim_llm.realism.lines.cost import MeteredFactory
from recsim_llm.realism.opinion_pairs import Opinions, draw_opinions, opinion_areas
from recsim_llm.realism.page_scores import accuracies, areas
from recsim_llm.realism.resampling import Resampler, Series, Statistic, ratio_statistic
from recsim_llm.realism.taste_pages import KINDS, Kind, TastePages, taste_pages

__all__ = ["Taste", "TasteCost", "measure_taste"]

_CHANCE = 0.5
_FEWEST_ITEMS = 4
_ENOUGH_USERS = 20
_METERED = ("calls", "hits", "prompt_tokens", "cached_tokens", "completion_tokens")
_OPINION = "AUC, liked against disliked"


@dataclass(frozen=True, kw_only=True)
class TasteCost:
    """What it took to ask one user model; nothing but seconds where no language model is called."""

    pages: int
    """Pages asked about."""
    seconds: float
    """Wall-clock seconds, its fit included."""
    calls: int = 0
    """Replies of a language model."""
    hits: int = 0
    """Calls that the record of earlier ones answered."""
    prompt_tokens: int = 0
    """Tokens read."""
    cached_tokens: int = 0
    """Of those, tokens from the provider's prefix cache."""
    completion_tokens: int = 0
    """Tokens written."""


@dataclass(frozen=True, kw_only=True)
class Taste:
    """What was found."""

    name: str
    """The user model that was asked about."""
    data: str
    """The data set."""
    fingerprint: str
    """Of all its ratings and items."""
    seed: int
    """Of users, items and their order."""
    users: int
    """Users of the pages; the pairs of liked and disliked items have fewer, see their rows."""
    users_asked: tuple[int, ...]
    """Outside ids of everybody who was asked about, ascending: whatever is chosen by these figures is chosen on them."""
    page_items: int
    """Items a page, half of them liked later."""
    measures: tuple[Measure, ...]
    """AUC and accuracy by kind of negatives, then AUC of liked against disliked items; each beside baselines."""
    costs: Mapping[str, TasteCost]
    """By user model."""

    @property
    def discrimination(self) -> Measure:
        """AUC among items that are equally popular, where there are such pages, else of the first kind."""
        return next((m for m in self.measures if m.name == f"AUC, {KINDS['nearest']}"), self.measures[0])

    @property
    def tells_apart(self) -> bool | None:
        """Whether ``discrimination`` lies above chance, and above what popularity alone would do, by their intervals.

        None: there are too few users to tell.
        """
        if too_few_users(self.users):
            return None
        popularity = self.discrimination.row("popularity").difference
        beyond = popularity is not None and popularity.low is not None and popularity.low > 0
        return self._above_chance and beyond

    @property
    def _above_chance(self) -> bool:
        low = self.discrimination.candidate.estimate.low
        return low is not None and low > _CHANCE

    @property
    def sentence(self) -> str:
        """What it means, in one plain sentence."""
        found = self.discrimination.candidate.estimate
        figures = f"AUC {found.text(2)} among {self.discrimination.name.removeprefix('AUC, ')}, {self.users} users"
        if too_few := too_few_users(self.users):
            return f"whether these users tell recommenders apart: {too_few}; {figures}"
        if self.tells_apart:
            return f"these users tell recommenders apart: they pick what a person liked better than chance ({figures})"
        why = "they pick what a person liked no better than popularity does" if self._above_chance else "they pick at chance"
        return f"these users do not tell recommenders apart: {why} ({figures})"

    def to_json(self) -> dict[str, Any]:
        """Return plain values; keys are stable."""
        return {
            "name": self.name,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "users": self.users,
            "users_asked": list(self.users_asked),
            "page_items": self.page_items,
            "tells_apart": self.tells_apart,
            "sentence": self.sentence,
            "measures": [measure.to_json() for measure in self.measures],
            "costs": {name: dict(vars(cost)) for name, cost in self.costs.items()},
        }


@one_thread
def measure_taste(
    dataset: Dataset,
    candidates: Mapping[str, Factory],
    *,
    seed: int,
    users: int | None = None,
    page_items: int = 20,
    kinds: Sequence[Kind] = ("nearest", "uniform"),
    apart: Sequence[int] = (),
    spent: Callable[[], Mapping[str, Any]] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Taste:
    """Measure how well user models pick what a person later liked, on ratings that nothing was fitted on.

    The last fifth of each user's ratings is held out. A user's page holds items of it rated 4 stars or more (all, where nobody
    gives stars) and as many that the user never rated, in an order that says nothing; no prompt holds a label. AUC is a user's
    share of pairs in the right order, averaged over users; accuracy is that of a threshold learned on other users, as on line
    1 of the realism card. Liked against disliked (below 3 stars) is asked of the users who have two of each held out, by click
    and by expected stars. Intervals are 95%, by bootstrap over users.

    Args:
        dataset: all ratings.
        candidates: user models by name, the one that is asked about first, for instance
            ``{"language": language_factory(model), "choice users": choice_candidate}``.
        seed: of fits, items and their order, users and the bootstrap.
        users: most users; None takes all who have enough.
        page_items: items a page, even; less where fewer than 20 users have half as many liked items held out.
        kinds: of negatives; each is one more page a user.
        apart: outside ids of users that something was chosen or fitted on; they are left out.
        spent: returns what language models have used so far, by the names of ``Meter``.
        progress: told what is being done.

    Raises:
        ConfigError: a number is out of range, or there is no candidate or kind.
        DataError: no user has enough held-out items.
        ContractError: a candidate's answers have the wrong shape or are no distribution.
    """
    _check(candidates, users, page_items, kinds)
    trial = _draw(dataset, kinds, page_items=page_items, seed=seed, users=users, apart=apart)
    roles: dict[str, Role] = {name: "candidate" if place == 0 else "reference" for place, name in enumerate(candidates)}
    answers, costs = {}, {}
    for name, factory in candidates.items():
        progress(f"asking {name}")
        answers[name], costs[name] = _ask(trial, factory, spent)
    for name, row in TASTE_ROWS.items():
        roles[name], answers[name] = row.role, _score(trial, row.fit(trial.held.training, seed))
    first = trial.pages[kinds[0]]
    return Taste(
        name=next(iter(candidates)),
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        seed=seed,
        users=len(first.user_index),
        users_asked=tuple(trial.held.training.ratings.users[_asked(trial)].tolist()),
        page_items=first.page_items,
        measures=tuple(_measures(trial, answers, roles)),
        costs=costs,
    )


class _Trial(NamedTuple):
    held: HeldOut
    pages: Mapping[Kind, TastePages]
    opinions: Opinions
    seed: int


class _Scores(NamedTuple):
    """One predictor's answers."""

    taste: Mapping[Kind, DoubleArray]
    """float64 [m, n] by kind."""
    opinion: DoubleArray
    """float64 [m, n]: of liked and disliked items, as for a click."""
    stars: DoubleArray | None
    """float64 [m, n]: expected stars of them; None for baselines."""


def _check(candidates: Mapping[str, Factory], users: int | None, page_items: int, kinds: Sequence[Kind]) -> None:
    if not candidates or (taken := sorted(set(candidates) & set(TASTE_ROWS))):
        got = f"candidate {taken[0]!r}, which is a baseline's name" if candidates else "no candidate"
        raise ConfigError(f"taste: got {got}, expected user models by names of their own")
    if not kinds or (unknown := sorted(set(kinds) - set(KINDS))):
        raise ConfigError(f"taste, kinds: got {unknown[0] if kinds else 'none'}, expected some of {', '.join(KINDS)}")
    check_whole_number("taste, page_items", page_items, least=_FEWEST_ITEMS)
    if page_items % 2:
        raise ConfigError(f"taste, page_items: got {page_items}, expected an even number: half of a page is liked")
    if users is not None:
        check_whole_number("taste, users", users, least=1)


def _draw(
    dataset: Dataset, kinds: Sequence[Kind], *, page_items: int, seed: int, users: int | None, apart: Sequence[int]
) -> _Trial:
    held = hold_out(dataset, seed=seed)
    liked = ~(held.rating < LIKE_THRESHOLD) if dataset.feedback == "explicit" else np.ones(len(held.rating), np.bool_)
    kept = ~np.isin(held.training.ratings.users[held.user_index], np.asarray(apart, np.int64))
    pages = _pages(held, liked & kept, kinds, page_items=page_items, seed=seed, users=users)
    opinions = draw_opinions(held, liked & kept, kept, pages[kinds[0]].page_items // 2, seed=seed, users=users)
    return _Trial(held, pages, opinions, seed)


def _pages(
    held: HeldOut, positive: BoolArray, kinds: Sequence[Kind], *, page_items: int, seed: int, users: int | None
) -> dict[Kind, TastePages]:
    """Draw pages of the wanted size, or of a half or quarter of it where too few users have enough items."""
    sizes = sorted({page_items, *(max(page_items // part // 2 * 2, _FEWEST_ITEMS) for part in (2, 4))}, reverse=True)
    for size in sizes:
        pages = {
            kind: taste_pages(held, kind, page_items=size, most_users=users, seed=seed, ratios=(1,), positive=positive)
            for kind in kinds
        }
        found = len(pages[kinds[0]].user_index)
        if found >= min(_ENOUGH_USERS, users or _ENOUGH_USERS) or (size == sizes[-1] and found):
            return pages
    raise DataError(
        f"taste: got no user among {held.users} with {sizes[-1] // 2} liked items in the last fifth and as many unrated ones, "
        f"expected one or more; use data with {5 * sizes[-1]} ratings a user, or more items"
    )


def _ask(trial: _Trial, factory: Factory, spent: Callable[[], Mapping[str, Any]] | None) -> tuple[_Scores, TasteCost]:
    before = {} if spent is None else dict(spent())
    metered = MeteredFactory(factory, next(iter(trial.pages.values())).page_items)
    model = metered(trial.held.training, trial.seed)
    scores = _score(trial, lambda user, item: checked_taste(model, user, item))
    if len(trial.opinions.user_index):
        chance = checked_stars(model, trial.opinions.user_index, trial.opinions.item_index)
        scores = scores._replace(stars=chance @ model.levels.astype(np.float64))
    used = {} if spent is None else {name: int(spent()[name]) - int(before[name]) for name in _METERED}
    usage = metered.usage
    return scores, TasteCost(pages=usage.pages, seconds=usage.seconds + usage.fit_seconds, **used)


def _score(trial: _Trial, scorer: Scorer) -> _Scores:
    taste = {kind: scorer(page.user_index, page.item_index) for kind, page in trial.pages.items()}
    opinion = (
        scorer(trial.opinions.user_index, trial.opinions.item_index) if len(trial.opinions.user_index) else np.zeros((0, 0))
    )
    return _Scores(taste, opinion, None)


def _asked(trial: _Trial) -> IntArray:
    """Return int64 [a]: positions of everybody who is asked about, ascending."""
    return np.unique(np.concatenate([trial.opinions.user_index, *(page.user_index for page in trial.pages.values())]))


def _measures(trial: _Trial, answers: Mapping[str, _Scores], roles: Mapping[str, Role]) -> list[Measure]:
    taken = np.zeros(trial.held.users, np.bool_)
    taken[next(iter(trial.pages.values())).user_index] = True
    resampler = Resampler(taken, trial.seed)
    measures = []
    for kind, page in trial.pages.items():
        area = {row: _on_users(trial, page.user_index, areas(page, said.taste[kind], 1)) for row, said in answers.items()}
        measures.append(resampler.measure(f"AUC, {KINDS[kind]}", "share", "higher", _series(area, roles)))
    for kind, page in trial.pages.items():
        own = trial.held.training.ratings.users
        right = {
            row: _on_users(trial, page.user_index, accuracies(page, said.taste[kind], own, trial.seed))
            for row, said in answers.items()
        }
        measures.append(resampler.measure(f"accuracy, {KINDS[kind]}", "share", "higher", _series(right, roles)))
    return measures + _opinion_measures(trial, answers, roles)


def _opinion_measures(trial: _Trial, answers: Mapping[str, _Scores], roles: Mapping[str, Role]) -> list[Measure]:
    opinions = trial.opinions
    if not len(opinions.user_index):
        return []
    taken = np.zeros(trial.held.users, np.bool_)
    taken[opinions.user_index] = True
    resampler = Resampler(taken, trial.seed)
    clicks = {
        row: _on_users(trial, opinions.user_index, opinion_areas(opinions, said.opinion)) for row, said in answers.items()
    }
    stars = {
        row: _on_users(trial, opinions.user_index, opinion_areas(opinions, said.opinion if said.stars is None else said.stars))
        for row, said in answers.items()
    }
    return [
        resampler.measure(_OPINION, "share", "higher", _series(clicks, roles)),
        resampler.measure(f"{_OPINION}, by expected stars", "share", "higher", _series(stars, roles)),
    ]


def _on_users(trial: _Trial, user_index: IntArray, value: DoubleArray) -> Statistic:
    total, present = np.zeros(trial.held.users), np.zeros(trial.held.users)
    total[user_index], present[user_index] = value, 1.0
    return ratio_statistic(total, present)


def _series(statistics: Mapping[str, Statistic], roles: Mapping[str, Role]) -> dict[str, Series]:
    return {row: Series(roles[row], [statistic]) for row, statistic in statistics.items()}
