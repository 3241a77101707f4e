"""Lines of the realism card: words only where the data carry them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recsim_llm.errors import ConfigError
from recsim_llm.realism import Line, Measure, Resampler, Row, Series, not_assessed
from recsim_llm.realism.resampling import mean_statistic, ratio_statistic
from recsim_llm.statistics import Estimate

USERS = 80


def estimate(value, low=None, high=None):
    return Estimate(value=value, low=low, high=high, users=USERS)


def measure(difference, better="higher", role="trivial", value=0.7):
    mine = Row(name="mine", role="candidate", estimate=estimate(value), seeds=5)
    other = Row(name="popularity", role=role, estimate=estimate(0.6), seeds=5, difference=difference)
    return Measure(name="accuracy", unit="share", better=better, rows=(mine, other))


@pytest.mark.parametrize(
    ("difference", "better", "role", "words"),
    [
        (estimate(0.1, 0.05, 0.15), "higher", "trivial", ("above popularity (better)",)),
        (estimate(0.1, 0.05, 0.15), "lower", "trivial", ("above popularity (worse)",)),
        (estimate(-0.1, -0.15, -0.05), "higher", "trivial", ("below popularity (worse)",)),
        (estimate(-0.1, -0.15, -0.05), "lower", "trivial", ("below popularity (better)",)),
        (estimate(0.1, -0.01, 0.21), "higher", "trivial", ("not distinguishable from popularity",)),
        (estimate(-0.1, -0.2, -0.05), "real", "trivial", ("nearer to real users than popularity",)),
        (estimate(0.1, 0.05, 0.2), "real", "trivial", ("further from real users than popularity",)),
        (estimate(0.1, 0.05, 0.2), "real", "real", ("above popularity",)),
        (estimate(0.1, 0.05, 0.2), "none", "trivial", ()),
        (estimate(0.1), "higher", "trivial", ()),
    ],
)
def test_a_verdict_is_given_only_where_the_interval_clears_the_row(difference, better, role, words):
    assert measure(difference, better, role).verdict == words


@pytest.mark.parametrize(
    ("users", "words"), [(9, "too few users to tell (9; take 10 or more)"), (10, "above popularity (better)")]
)
def test_no_verdict_is_given_on_fewer_than_ten_users(users, words):
    assert measure(Estimate(value=0.1, low=0.05, high=0.15, users=users)).verdict == (words,)


def test_an_undefined_candidate_gets_no_verdict():
    assert measure(estimate(0.1, 0.05, 0.2), value=None).verdict == ()


def test_a_line_without_measures_says_why():
    line = not_assessed(5, "behaviour", "Do visits go as people's visits go?", "no exposures")
    assert line.verdict == ("not assessed: no exposures",)
    assert line.to_json()["not_assessed"] == "no exposures"


def test_a_line_needs_measures_or_a_reason():
    with pytest.raises(ConfigError, match="expected measures, or a reason"):
        Line(number=1, name="taste", question="?")


def test_json_is_strict_and_has_every_figure():
    line = Line(number=1, name="taste", question="?", measures=(measure(estimate(0.1, 0.05, 0.15)),))
    told = json.loads(json.dumps(line.to_json(), allow_nan=False))
    assert told["verdict"] == ["above popularity (better)"]
    assert told["measures"][0]["rows"][1]["difference"] == {"value": 0.1, "low": 0.05, "high": 0.15, "users": USERS}
    assert told["measures"][0]["rows"][0]["difference"] is None


def test_two_rows_of_one_name_are_refused():
    row = Row(name="mine", role="candidate", estimate=estimate(1.0), seeds=1)
    with pytest.raises(ConfigError, match="different names"):
        Measure(name="accuracy", unit="share", better="higher", rows=(row, row))


def resampler(users=USERS, resamples=400):
    return Resampler(np.ones(users, np.bool_), 3, resamples)


def test_differences_are_paired_by_user():
    """Users who differ much from each other, and a predictor that is better by the same small step for each of them."""
    base = np.random.default_rng(1).normal(size=USERS) * 5
    series = {
        "mine": Series("candidate", [mean_statistic(base + 0.1 + np.random.default_rng(2).normal(size=USERS) * 0.01)]),
        "other": Series("cheap", [mean_statistic(base)]),
    }
    found = resampler().measure("gain", "stars", "higher", series)
    assert found.verdict == ("above other (better)",)
    mine, other = found.candidate.estimate, found.row("other").estimate
    assert mine.low < other.value < mine.high


def test_the_interval_is_about_that_of_the_mean():
    values = np.random.default_rng(5).normal(size=400)
    found = Resampler(np.ones(400, np.bool_), 3, 4000).estimate(
        mean_statistic(values)(Resampler(np.ones(400, np.bool_), 3, 4000).weights)
    )
    error = values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_users_who_are_not_counted_weigh_nothing():
    counted = np.arange(10) < 5
    values = np.where(counted, 1.0, 1000.0)
    found = Resampler(counted, 3, 50)
    assert found.estimate(mean_statistic(values)(found.weights)) == Estimate(value=1.0, users=5)


def test_seeds_are_averaged_and_counted():
    values = [np.full(USERS, 1.0), np.full(USERS, 3.0)]
    found = resampler().measure("x", "u", "none", {"mine": Series("candidate", [mean_statistic(column) for column in values])})
    assert (found.candidate.estimate.value, found.candidate.seeds) == (2.0, 2)


def test_an_undefined_ratio_is_none_not_zero():
    nothing = np.zeros(USERS)
    found = resampler().measure("x", "u", "higher", {"mine": Series("candidate", [ratio_statistic(nothing, nothing)])})
    assert found.candidate.estimate.value is None
    assert found.candidate.note == "undefined on these predictions"


def test_nearness_to_real_users_is_judged_by_distance():
    noise = np.random.default_rng(4).normal(size=USERS) * 0.01
    series = {
        "mine": Series("candidate", [mean_statistic(1.2 + noise)]),
        "low": Series("trivial", [mean_statistic(0.2 + noise)]),
        "real users": Series("real", [mean_statistic(1.0 + noise)]),
    }
    found = resampler().measure(
        "spread", "stars", "real", {**series, "mine": Series("candidate", [mean_statistic(1.2 - noise)])}
    )
    assert found.verdict == ("nearer to real users than low", "above real users")


def test_the_interval_holds_the_value_even_of_a_biased_statistic():
    """The distance of a mean from 0 is biased: a draw is further away than the data, whose mean is exactly 0."""
    values = np.random.default_rng(6).normal(size=USERS)
    found = resampler()
    centred = mean_statistic(values - values.mean())
    interval = found.estimate(np.abs(centred(found.weights)) + 0.0)
    assert interval.low <= interval.value <= interval.high
