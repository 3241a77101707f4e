"""Groups, verdicts and sentences: nothing is named or claimed that an interval does not carry."""

import numpy as np
import pytest
from click_samples import binomial_bounds

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics import Effect, bootstrap_means, decide, group_effects, mean_effect, paired_effect, sentence

RUNS = 1000
LABELS = np.repeat(["a", "b", "c", "d"], 50)
NAMES = {"one": "mf", "other": "random", "measure": "clicks a user"}


def effect(low, high, *, confidence=0.95, users=100):
    value = 0.5 * (low + high)
    wide = mean_effect(np.random.default_rng(1).normal(size=users), confidence=confidence)
    error = (high - low) / (wide.high - wide.low) * wide.standard_error
    return Effect(
        value=value,
        low=low,
        high=high,
        standard_error=error,
        degrees=users - 1.0,
        users=users,
        confidence=confidence,
        method="t",
    )


def group_runs(random, means):
    noise = random.laplace(0.0, 1.0, (RUNS, len(LABELS))) + np.repeat(means, 50)
    return [group_effects(row, np.zeros(len(row)), LABELS) for row in noise]


def test_group_intervals_hold_all_together():
    means = (0.0, 0.5, 1.0, -0.5)
    runs = group_runs(np.random.default_rng(1), means)
    missed = sum(any(e.excludes(m) for e, m in zip(run.effects, means, strict=True)) for run in runs)
    assert missed <= binomial_bounds(0.05, RUNS)[1]
    assert runs[0].effects[0].confidence == pytest.approx(1.0 - 0.05 / 4)
    assert runs[0].names == ("a", "b", "c", "d")


def test_of_groups_that_are_alike_none_is_named():
    runs = group_runs(np.random.default_rng(2), (0.0, 0.0, 0.0, 0.0))
    assert sum(run.worst is not None for run in runs) <= binomial_bounds(0.05, RUNS)[1]
    assert sum(bool(run.harmed) for run in runs) <= binomial_bounds(0.05, RUNS)[1]


def test_a_group_that_plainly_loses_is_named():
    runs = group_runs(np.random.default_rng(3), (1.0, 1.2, -2.0, 1.0))
    assert all(run.worst == "c" for run in runs)
    assert all(run.harmed == ("c",) for run in runs)


def test_the_worst_group_may_gain():
    assert group_runs(np.random.default_rng(4), (5.0, 5.0, 2.0, 5.0))[0].worst == "c"
    assert group_runs(np.random.default_rng(4), (5.0, 5.0, 2.0, 5.0))[0].harmed == ()


def test_beside_a_group_without_an_interval_none_is_worst():
    one = np.concatenate([np.random.default_rng(5).normal([0.0, 9.0], 0.1, (20, 2)).T.ravel(), [4.0]])
    labels = ["low"] * 20 + ["high"] * 20 + ["lone"]
    found = group_effects(one, np.zeros(41), labels)
    assert found.effects[found.names.index("lone")].low is None
    assert found.worst is None
    assert group_effects(one[:40], np.zeros(40), labels[:40]).worst == "low"
    assert group_effects(one[:20], np.zeros(20), labels[:20]).worst is None


def test_groups_that_do_not_fit_the_users_are_refused():
    with pytest.raises(DataError, match=r"groups: got shape \(1,\), expected \[2\]"):
        group_effects([1.0, 2.0], [1.0, 1.0], ["a"])


@pytest.mark.parametrize(
    ("low", "high", "smallest", "verdict"),
    [
        (0.1, 0.5, None, "better"),
        (-0.5, -0.1, None, "worse"),
        (-0.1, 0.5, None, "undecided"),
        (-0.1, 0.1, None, "undecided"),
        (-0.1, 0.1, 0.2, "no difference that matters"),
        (0.05, 0.1, 0.2, "no difference that matters"),
        (0.1, 0.5, 0.2, "better"),
        (-0.3, 0.5, 0.2, "undecided"),
        (0.0, 0.5, None, "undecided"),
    ],
)
def test_verdicts(low, high, smallest, verdict):
    assert decide(effect(low, high), smallest_effect=smallest) == verdict
    lower_is_better = decide(effect(-high, -low), smallest_effect=smallest, higher_is_better=False)
    assert lower_is_better == verdict


def test_equivalence_is_two_one_sided_tests():
    # Of the 95% interval -0.2 to 0.2 the 90% one, which counts, ends at 0.2 x 1.66 / 1.98 = 0.167.
    assert decide(effect(-0.2, 0.2), smallest_effect=0.17) == "no difference that matters"
    assert decide(effect(-0.2, 0.2), smallest_effect=0.165) == "undecided"


def test_equivalence_is_claimed_wrongly_in_a_twentieth_of_runs_at_the_edge():
    rows = np.random.default_rng(6).laplace(0.5, 1.0, (RUNS, 200))
    claimed = sum(decide(mean_effect(row), smallest_effect=0.5) == "no difference that matters" for row in rows)
    low, high = binomial_bounds(0.05, RUNS)
    assert low <= claimed <= high


def test_a_method_without_students_t_keeps_its_own_interval():
    values = np.random.default_rng(7).normal(0.0, 1.0, 400)
    (found,) = bootstrap_means([values - values.mean()], seed=1)
    assert decide(found, smallest_effect=1.01 * max(-found.low, found.high)) == "no difference that matters"
    assert decide(found, smallest_effect=0.99 * max(-found.low, found.high)) == "undecided"


def test_what_has_no_interval_is_undecided():
    identical = paired_effect([1.0, 2.0], [1.0, 2.0]).effect
    assert decide(identical, smallest_effect=1.0) == "undecided"
    assert sentence(identical, **NAMES) == (
        "Nothing can be said about mf and random on clicks a user: +0, 2 users, too few or too alike for an interval."
    )
    assert "it is undefined, 0 users" in sentence(mean_effect(np.empty(0)), **NAMES)


@pytest.mark.parametrize("smallest", [0.0, -1.0, np.inf, np.nan])
def test_a_smallest_effect_must_be_above_0(smallest):
    with pytest.raises(ConfigError, match="smallest effect"):
        decide(effect(-0.1, 0.1), smallest_effect=smallest)


@pytest.mark.parametrize(
    ("found", "settings", "expected"),
    [
        (effect(0.1, 0.5), {}, "mf is better than random on clicks a user: +0.3 (95% interval +0.1 to +0.5, 100 users)."),
        (effect(-0.5, -0.1), {}, "mf is worse than random on clicks a user: -0.3 (95% interval -0.5 to -0.1, 100 users)."),
        (
            effect(-0.1, 0.5),
            {},
            "Whether mf or random is better on clicks a user is undecided: +0.2 (95% interval -0.1 to +0.5, 100 users).",
        ),
        (
            effect(-0.1, 0.1),
            {"smallest_effect": 0.2},
            "mf and random differ by less than 0.2 on clicks a user, so not in a way that matters: "
            "+0 (95% interval -0.1 to +0.1, 100 users).",
        ),
        (
            effect(0.1, 0.5),
            {"smallest_effect": 0.2},
            "mf is better than random on clicks a user: +0.3 (95% interval +0.1 to +0.5, 100 users)."
            " Whether by the 0.2 that matters is undecided.",
        ),
        (
            effect(0.3, 0.5),
            {"smallest_effect": 0.2, "higher_is_better": False},
            "mf is worse than random on clicks a user: +0.4 (95% interval +0.3 to +0.5, 100 users).",
        ),
        (
            effect(0.1, 0.5, confidence=0.99),
            {"comparisons": 5},
            "mf is better than random on clicks a user: "
            "+0.3 (95% interval for 5 comparisons together +0.1 to +0.5, 100 users).",
        ),
    ],
)
def test_sentences(found, settings, expected):
    assert sentence(found, **NAMES, **settings) == expected
