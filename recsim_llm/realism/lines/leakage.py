"""Line 13, leakage audit: can the answer leak, and was what the card asks about in the fit?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.realism.behaviour.behaviour_trials import BehaviourTrials, Fold
from recsim_llm.realism.behaviour.browsers import Browsed, what_people_did
from recsim_llm.realism.behaviour.session_tables import session_features
from recsim_llm.realism.line import Line, Measure, Row, not_assessed
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums
from recsim_llm.statistics.intervals import Estimate

__all__ = ["LEAK", "leakage_line", "no_leakage_audit"]

LEAK = 0.55
"""Area under the curve from which on metadata or permuted labels count as a leak, as in SimEval-IR."""

_NAME, _QUESTION = "leakage audit", "Can the answer leak, and was what the card asks about in the fit?"
_PROTOCOL = (
    "A logistic regression tells real sessions from simulated ones with the same pages, on features in three sets, each "
    "user scored by a fit on other users (five parts); area under its curve, .5 is chance. Metadata: what no behaviour "
    "should be read from, here how many dwell times are unknown or whole seconds. Structure: what follows what, how many "
    "clicks and where. Permuted: structure, with the labels of each pair of sessions drawn by a coin. Metadata or permuted "
    "labels at {leak} or more are a leak (SimEval-IR's limit); structure above chance is no leak but unlikeness. Later "
    "pages: answers of the first seed that change when the last page of each session is taken out of the log; a user model "
    "that knows where sessions end gives itself away. In the fit: users, sessions and pages (the same items in the same "
    "order) that are in a held-out part and in the training part that its fit was given; fingerprints of both are in the "
    "JSON."
)
_PARTS, _BINS = 5, 200
_STRUCTURE, _PERMUTED = "structure", "permuted labels"

Features = Callable[[Exposures, Browsed], DoubleArray]


def no_leakage_audit() -> Line:
    """Return the line where no sessions were simulated."""
    return not_assessed(
        13,
        _NAME,
        _QUESTION,
        "sessions are audited, and the data has none; what held-out ratings could reach is kept away by construction: a user "
        "model is built from the training part alone",
    )


def leakage_line(trials: BehaviourTrials, *, seed: int, resamples: int = 1000) -> Line:
    """Return the line; telling sessions apart by metadata is the headline.

    Args:
        trials: what everybody does with held-out sessions.
        seed: of the bootstrap, the parts of the users and the permuted labels.
        resamples: draws of the bootstrap.
    """
    resampler = Resampler(np.ones(len(trials.real.users), np.bool_), seed, resamples)
    kinds: dict[str, Features] = {
        "metadata": _metadata,
        _PERMUTED: session_features,
        _STRUCTURE: session_features,
    }
    areas = [_areas(trials, resampler, name, kind, seed=seed) for name, kind in kinds.items()]
    return Line(
        number=13,
        name=_NAME,
        question=_QUESTION,
        measures=(*areas, *_counted(trials)),
        protocol=_PROTOCOL.format(leak=f"{LEAK:.2f}".lstrip("0")),
        curves={"folds": [fold._asdict() for fold in trials.folds]},
    )


def _areas(trials: BehaviourTrials, resampler: Resampler, name: str, features: Features, *, seed: int) -> Measure:
    log, people = trials.real, what_people_did(trials.real)
    user = np.searchsorted(log.users, log.pages.user_id[log.pages.last_of_session])
    part = np.random.default_rng(seed).permutation(len(log.users)) % min(_PARTS, len(log.users))
    series = {}
    for row, done in trials.browsed.items():
        statistics = []
        for number, one in enumerate(done):
            shared = _same_ability(people, one)
            pair = features(log, shared), features(log, one)
            statistics.append(_area(pair, user, part, np.random.default_rng([seed, number]) if name == _PERMUTED else None))
        series[row] = Series(trials.roles[row], statistics)
    measure = resampler.measure(f"AUC of telling real from simulated, {name}", "share", "lower", series)
    return measure if name == _STRUCTURE else _judged(measure)


def _same_ability(people: Browsed, simulated: Browsed) -> Browsed:
    """Return what people did, without what the row never answers: that it is missing is no secret."""
    return people._replace(dwell=None) if simulated.dwell is None else people


def _metadata(log: Exposures, done: Browsed) -> DoubleArray:
    """Return float64 [s, 2]: of a session's clicks the share without a dwell time, and with one in whole seconds."""
    last = log.pages.last_of_session
    session: IntArray = (np.cumsum(last) - last)[log.page_index]
    count = int(last.sum())
    if done.dwell is None:
        return np.zeros((count, 2))
    clicks = np.bincount(session[done.clicked], minlength=count)
    columns = []
    for flag in (np.isnan(done.dwell), np.mod(done.dwell, 1.0) == 0.0):
        total = np.bincount(session[done.clicked & flag], minlength=count)
        usual = total.sum() / max(clicks.sum(), 1)
        # How often something is clicked is behaviour: a session without clicks looks like the usual one.
        columns.append(np.where(clicks > 0, total / np.maximum(clicks, 1), usual))
    return np.column_stack(columns)


def _area(
    pair: tuple[DoubleArray, DoubleArray], user: IntArray, part: IntArray, coins: np.random.Generator | None
) -> Statistic:
    features = np.vstack(pair)
    simulated = np.repeat([False, True], len(user))
    if coins is not None:
        swap = coins.random(len(user)) < 0.5
        simulated ^= np.tile(swap, 2)
    owner = np.tile(user, 2)
    score = np.zeros(len(features))
    for number in range(int(part.max()) + 1):
        there = part[owner] == number
        score[there] = _fit(features[~there], simulated[~there])(features[there])
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, _BINS)))
    place, users = np.searchsorted(edges, score), len(part)
    width = len(edges) + 1
    table = np.hstack([_counts(owner[side], place[side], users, width) for side in (~simulated, simulated)])

    def area(sums: DoubleArray) -> DoubleArray:
        real, other = sums[:, :width], sums[:, width:]
        below = np.cumsum(real, axis=1) - 0.5 * real
        value: DoubleArray = (other * below).sum(axis=1) / (real.sum(axis=1) * other.sum(axis=1))
        return value

    return of_sums(table, area)


def _counts(user: IntArray, place: IntArray, users: int, width: int) -> DoubleArray:
    return np.bincount(user * width + place, minlength=users * width).reshape(users, width).astype(np.float64)


def _fit(features: DoubleArray, labels: BoolArray) -> Callable[[DoubleArray], DoubleArray]:
    """Fit a logistic regression with a unit ridge on standardised features by Newton's method; return its score."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 1e-9, spread, np.inf)
    design = np.column_stack([(features - centre) / scale, np.ones(len(features))])
    ridge = np.diag([*np.ones(features.shape[1]), 1e-6])
    weight = np.zeros(design.shape[1])
    for _ in range(30):
        chance = expit(design @ weight)
        curvature = design.T @ (design * (chance * (1.0 - chance))[:, None]) + ridge
        step = np.linalg.solve(curvature, design.T @ (labels - chance) - ridge @ weight)
        weight += step
        if np.abs(step).max() < 1e-8:
            break
    return lambda others: ((others - centre) / scale) @ weight[:-1]


def _judged(measure: Measure) -> Measure:
    """Say of each row whether it leaks."""
    rows = [
        Row(
            name=row.name,
            role=row.role,
            estimate=row.estimate,
            seeds=row.seeds,
            difference=row.difference,
            note="a leak" if (row.estimate.value or 0.0) >= LEAK else "no leak",
        )
        for row in measure.rows
    ]
    return Measure(name=measure.name, unit=measure.unit, better=measure.better, rows=tuple(rows))


def _counted(trials: BehaviourTrials) -> list[Measure]:
    log, folds = trials.real, trials.folds
    known = [fold.foresight for fold in folds if fold.foresight is not None]
    shares = {
        "answers that hang on later pages": float(np.mean(known)) if known else None,
        "held-out users in the fit": _share(folds, "users_in_both", len(log.users)),
        "held-out sessions in the fit": _share(folds, "sessions_in_both", int(log.pages.last_of_session.sum())),
        "held-out pages that the fit was shown, by others": _share(folds, "pages_in_both", len(log.pages.first)),
    }
    notes = {"answers that hang on later pages": "" if known else "no session has two pages"}
    return [
        Measure(
            name=name,
            unit="share",
            better="lower",
            rows=(
                Row(
                    name=trials.name,
                    role="candidate",
                    estimate=Estimate(value=value, users=len(log.users)),
                    seeds=1,
                    note=notes.get(name, ""),
                ),
            ),
        )
        for name, value in shares.items()
    ]


def _share(folds: Sequence[Fold], name: str, whole: int) -> float:
    return float(sum(getattr(fold, name) for fold in folds)) / whole
