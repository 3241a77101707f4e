"""Sessions of people that no fit has seen, browsed by everybody: users are dealt into folds, and each fold is held out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.realism.behaviour.browsers import Browsed, BrowserFactory, Browsers, checked_browsing
from recsim_llm.realism.behaviour.plain_browsers import PLAIN_BROWSERS
from recsim_llm.realism.line import Role

__all__ = ["ALL_CLICKED", "BehaviourTrials", "Fold", "run_behaviour_trials"]

ALL_CLICKED = "a log in which everything that was shown was clicked"
"""What no behaviour can be measured on."""

_FOLDS = 5
_MOST_USERS = 20_000


class Fold(NamedTuple):
    """What one fit saw, and what was asked of it."""

    training: str
    """Fingerprint of the training part."""
    held_out: str
    """Fingerprint of the held-out part."""
    users_in_both: int
    """Users of whom both parts have pages."""
    sessions_in_both: int
    """Sessions of which both parts have pages."""
    training_pages: int
    """Pages of the training part."""
    pages_in_both: int
    """Held-out pages that were also shown, item by item in the same order, in the training part."""
    foresight: float | None
    """Share of answers of the first seed that change when the last page of every session is taken out of the log; None where no
    session has two pages."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BehaviourTrials:
    """A log, and what everybody does with its pages."""

    real: Exposures
    """The log."""
    seeds: tuple[int, ...]
    """Of the dice."""
    roles: Mapping[str, Role]
    """Role by row name: the candidate first."""
    browsed: Mapping[str, Sequence[Browsed]]
    """By row name, one a seed: what was done with the log's pages, by browsers who were fitted on other users."""
    folds: tuple[Fold, ...]
    """How it was held out."""
    left_out: int
    """Users of the log who are not in it, for there would be too many."""

    @property
    def name(self) -> str:
        """The candidate's row."""
        return next(iter(self.roles))

    @property
    def whole_seconds(self) -> bool:
        """Whether the log knows dwell times in whole seconds only; everybody's are rounded then."""
        return _whole_seconds(self.real)


def run_behaviour_trials(
    exposures: Exposures,
    name: str,
    factory: BrowserFactory,
    *,
    seeds: Sequence[int],
    users: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> BehaviourTrials:
    """Fit browsers on four fifths of the users and put them before the pages of the last fifth, in turn.

    Args:
        exposures: the log; the factory is given training parts of it only.
        name: of the candidate's row.
        factory: fits the candidate.
        seeds: of the dice; one set of sessions each.
        users: most users; None takes all, at most 20,000.
        progress: told what is being done.

    Raises:
        ConfigError: the candidate has the name of a row beside it.
        DataError: the log has one user only, or everything shown was clicked.
        ContractError: an answer has the wrong shape.
    """
    if name in PLAIN_BROWSERS:
        raise ConfigError(f"realism: got the name {name!r}, which a baseline has, expected another name")
    if len(exposures.users) < 2:
        raise DataError(
            f"{exposures.name}: got one user, expected two or more to hold some out; where the log knows sessions alone, give "
            "each a user"
        )
    if exposures.clicked.all():
        raise DataError(f"{exposures.name}: got {ALL_CLICKED}, expected some that was passed over; take another log")
    log = _drawn(exposures, users, seeds[0])
    fold = _folds(log.users, seeds[0])
    factories = {name: factory} | {row: made for row, (_, made) in PLAIN_BROWSERS.items()}
    browsed: dict[str, list[Browsed]] = {row: [_empty(log) for _ in seeds] for row in factories}
    unable: set[tuple[str, str]] = set()
    whole, folds = _whole_seconds(log), []
    for number in range(int(fold.max()) + 1):
        progress(f"sessions held out, part {number + 1} of {int(fold.max()) + 1}")
        training, held_out = log.of_users(log.users[fold != number]), log.of_users(log.users[fold == number])
        place = _Place(np.isin(log.user_id, held_out.users), np.isin(log.pages.user_id, held_out.users))
        fitted = {row: made(training) for row, made in factories.items()}
        for row, model in fitted.items():
            for seed, found in zip(seeds, browsed[row], strict=True):
                told = checked_browsing(model, held_out, seed)
                if whole and told.dwell is not None:
                    told = told._replace(dwell=np.rint(told.dwell))
                unable |= {(row, what) for what in _fill(found, told, place)}
        folds.append(_fold(training, held_out, fitted[name], seeds[0]))
    roles: dict[str, Role] = {name: "candidate"}
    return BehaviourTrials(
        real=log,
        seeds=tuple(seeds),
        roles=roles | {row: role for row, (role, _) in PLAIN_BROWSERS.items()},
        browsed={row: [_able(one, row, unable) for one in found] for row, found in browsed.items()},
        folds=tuple(folds),
        left_out=len(exposures.users) - len(log.users),
    )


class _Place(NamedTuple):
    """Where the held-out part lies in the log."""

    rows: BoolArray
    pages: BoolArray


def _drawn(exposures: Exposures, users: int | None, seed: int) -> Exposures:
    most = min(users or _MOST_USERS, _MOST_USERS)
    if len(exposures.users) <= most:
        return exposures
    order = keyed.words(seed, "behaviour users", exposures.users).argsort(kind="stable")
    return exposures.of_users(exposures.users[order[: max(most, 2)]])


def _folds(users: IntArray, seed: int) -> IntArray:
    """Return int64 [u]: a fold each, of sizes that differ by one at most."""
    order = keyed.words(seed, "behaviour fold", users).argsort(kind="stable")
    fold = np.empty(len(users), np.int64)
    fold[order] = np.arange(len(users)) % min(_FOLDS, len(users))
    return fold


def _whole_seconds(log: Exposures) -> bool:
    known = np.empty(0) if log.dwell is None else log.dwell[~np.isnan(log.dwell)]
    return bool(known.size and (np.mod(known, 1.0) == 0.0).all())


def _empty(log: Exposures) -> Browsed:
    rows, pages = len(log), len(log.pages.first)
    return Browsed(np.zeros(rows, np.bool_), np.zeros(pages), np.full(rows, np.nan))


def _fill(found: Browsed, told: Browsed, place: _Place) -> list[str]:
    """Write a held-out part's answers into their place; return what there is no answer to."""
    found.clicked[place.rows] = told.clicked
    unable = []
    if told.leaves is None:
        unable.append("leaves")
    elif found.leaves is not None:
        found.leaves[place.pages] = told.leaves
    if told.dwell is None:
        unable.append("dwell")
    elif found.dwell is not None:
        found.dwell[place.rows] = np.where(told.clicked, told.dwell, np.nan)
    return unable


def _able(found: Browsed, row: str, unable: set[tuple[str, str]]) -> Browsed:
    return Browsed(
        found.clicked,
        None if (row, "leaves") in unable else found.leaves,
        None if (row, "dwell") in unable else found.dwell,
    )


def _fold(training: Exposures, held_out: Exposures, model: Browsers, seed: int) -> Fold:
    return Fold(
        training=training.fingerprint,
        held_out=held_out.fingerprint,
        users_in_both=len(np.intersect1d(training.users, held_out.users)),
        sessions_in_both=len(np.intersect1d(training.session, held_out.session)),
        training_pages=len(training.pages.first),
        pages_in_both=int(np.isin(_page_words(held_out), _page_words(training)).sum()),
        foresight=_foresight(held_out, model, seed),
    )


def _page_words(exposures: Exposures) -> keyed.Words:
    """Return uint64 [p]: a word for what stands on each page and in which order."""
    word = keyed.words(0, "page", exposures.position + 1, exposures.item_id)
    return np.add.reduceat(word, exposures.pages.first)


def _foresight(held_out: Exposures, model: Browsers, seed: int) -> float | None:
    """Return how many answers hang on later pages; a model that knows where sessions end, or what comes, gives itself away."""
    last = held_out.pages.last_of_session & (held_out.pages.page > 0)
    if not last.any():
        return None
    kept_rows, kept_pages = ~last[held_out.page_index], ~last
    whole = checked_browsing(model, held_out, seed)
    cut = checked_browsing(model, held_out.take(kept_rows), seed)
    changed, count = int((whole.clicked[kept_rows] != cut.clicked).sum()), int(kept_rows.sum())
    if whole.leaves is not None and cut.leaves is not None:
        changed, count = changed + int((whole.leaves[kept_pages] != cut.leaves).sum()), count + int(kept_pages.sum())
    if whole.dwell is not None and cut.dwell is not None:
        both = whole.clicked[kept_rows] & cut.clicked
        same = _same(whole.dwell[kept_rows][both], cut.dwell[both])
        changed, count = changed + int((~same).sum()), count + int(both.sum())
    return changed / count


def _same(one: DoubleArray, other: DoubleArray) -> BoolArray:
    return np.isclose(one, other, rtol=1e-9, atol=0.0, equal_nan=True)
