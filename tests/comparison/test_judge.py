"""Judging: what is claimed of every pair on every metric, and what each correction makes of it."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from made_tallies import draw_tally, make_tally

from recsim_llm.comparison import Judging, PrePeriod, judge_pairs, judge_run
from recsim_llm.comparison.outcomes import pair_arms
from recsim_llm.errors import ConfigError
from recsim_llm.metrics import RESULTS

MANIFEST = {"scenario": "made", "seed": 3, "settings": {"reward": "clicks"}}
METRICS = ("clicks_per_user", "clicks_per_page", "mean_rating", "mean_satisfaction")


def known(tally, *, everyone=False, seed=2):
    """Return a pre-period in which users clicked about as often as they do in the run."""
    random = np.random.default_rng(seed)
    users = len(tally.user_id)
    before = (tally.sums["clicks"][1] - tally.sums["clicks"][0] + random.normal(0.0, 1.0, users))[:, None]
    groups = np.array(["few", "some", "many"])[np.arange(users) % 3]
    return PrePeriod(groups=groups, covariates=("clicks",), before=before, expected=before.mean(axis=0), everyone=everyone)


@pytest.fixture(scope="module")
def tally():
    return draw_tally()


@pytest.fixture(scope="module")
def comparison(tally):
    return judge_run(tally, MANIFEST, Judging(metrics=METRICS, effect=0.5), known(tally))


def test_every_pair_is_compared_on_every_metric_and_all_count(comparison):
    pairs = [(later, first) for first, later in combinations(comparison.arms, 2)]
    found = [(row.metric, row.arm, row.against) for row in comparison.comparisons]
    assert found == [(key, *pair) for key in METRICS for pair in pairs]
    for row in comparison.comparisons:
        assert row.effect.confidence == pytest.approx(1.0 - 0.05 / len(comparison.comparisons))
        assert row.p_adjusted >= row.alone.p_value


def test_differences_are_those_of_the_sums(tally, comparison):
    for metric in comparison.metrics:
        values = {}
        for arm, sums in ((arm, tally.of(place)) for place, arm in enumerate(tally.arms)):
            below = len(tally.user_id) if metric.denominator is None else sums[metric.denominator].sum()
            values[arm] = sums[metric.numerator].sum() / below
        for row in (row for row in comparison.comparisons if row.metric == metric.key):
            assert row.effect.value == pytest.approx(values[row.arm] - values[row.against], abs=1e-12)
            assert row.lift.value == pytest.approx(values[row.arm] / values[row.against] - 1.0)
            assert comparison.values[metric.key][row.arm].value == pytest.approx(values[row.arm])


@pytest.mark.parametrize("correction", ["holm", "bh"])
def test_a_lift_never_says_other_than_the_difference(correction):
    random = np.random.default_rng(9)
    told = set()
    for _ in range(40):
        taste = random.gamma(2.0, 1.0, (1, 12))
        pages = random.integers(1, 6, (3, 12))
        clicks = random.poisson(taste * pages * np.array([1.0, 1.4, 2.5])[:, None])
        drawn = make_tally({"clicks": clicks, "pages": pages})
        judged = judge_run(
            drawn, MANIFEST, Judging(metrics=("clicks_per_user", "clicks_per_page"), correction=correction), None
        )
        for row in judged.comparisons:
            if row.lift.low is not None:
                told.add(row.effect.excludes(0.0))
                assert row.lift.excludes(0.0) == row.effect.excludes(0.0)
    assert told == {True, False}


def test_a_lift_over_what_may_be_nothing_is_called_unbounded():
    drawn = make_tally({"clicks": np.array([[0.0, 0.0, 0.0, 1.0], [1.0, 2.0, 0.0, 3.0]])})
    (row,) = judge_run(drawn, MANIFEST, Judging(metrics=("clicks_per_user",)), None).comparisons
    assert (row.lift.low, row.lift.unbounded) == (None, True)


def test_intervals_stay_within_what_pages_and_stars_allow():
    sums = {
        "clicks": [[0.0, 9.0, 1.0], [10.0, 0.0, 2.0]],
        "rated": [[1.0, 1.0, 1.0]] * 2,
        "stars": [[1.0, 5.0, 1.0], [5.0, 1.0, 4.0]],
    }
    drawn = make_tally(sums, limits={"clicks_per_user": (0.0, 10.0), "mean_rating": (1.0, 5.0)})
    judged = judge_run(drawn, MANIFEST, Judging(metrics=("clicks_per_user", "mean_rating")), None)
    for row, (low, high) in zip(judged.comparisons, drawn.limits.values(), strict=True):
        assert (row.effect.low, row.effect.high) == (low - high, high - low)
        assert row.lift.low is None or row.lift.low >= -1.0
        for estimate in judged.values[row.metric].values():
            assert low <= estimate.low < estimate.high <= high


def test_bootstrap_and_t_agree_on_means_and_ratios(comparison):
    for row in comparison.comparisons:
        assert row.bootstrap.standard_error == pytest.approx(row.alone.standard_error, rel=0.15)


def test_what_is_better_was_rejected_and_what_is_undecided_holds_zero(comparison):
    verdicts = {row.verdict for row in comparison.comparisons}
    assert {"better", "undecided"} <= verdicts
    for row in comparison.comparisons:
        if row.verdict in ("better", "worse"):
            assert row.rejected
        if row.verdict == "undecided":
            assert not row.effect.excludes(0.0)


def test_the_best_has_the_most_of_the_primary_metric(comparison):
    assert comparison.best == "better"


def test_groups_hold_everybody_and_their_means_make_the_whole(comparison):
    for groups in comparison.groups:
        assert sum(groups.sizes) == comparison.users
        mean = sum(size * effect.value for size, effect in zip(groups.sizes, groups.groups.effects, strict=True))
        assert mean / comparison.users == pytest.approx(
            comparison.one("clicks_per_user", groups.arm, groups.against).effect.value
        )


def test_what_was_known_before_takes_variance_out_of_a_sample(comparison):
    row = comparison.one("clicks_per_user", "better", "first")
    assert comparison.covariates == ("clicks",)
    assert row.adjusted_reduction.value > 0.5


def test_nothing_is_adjusted_where_everybody_was_served(tally):
    judged = judge_run(tally, MANIFEST, Judging(metrics=METRICS), known(tally, everyone=True))
    assert judged.covariates == ()
    assert all(row.adjusted is None for row in judged.comparisons)
    assert any("the users are all there are" in note for note in judged.notes)


def test_users_of_whom_nothing_is_known_are_neither_grouped_nor_adjusted_for(tally):
    judged = judge_run(tally, MANIFEST, Judging(metrics=METRICS), None)
    assert (judged.groups, judged.covariates) == ((), ())
    assert judged.notes == ("Users could not be grouped: their traits cannot be rebuilt from the run's settings.",)


def test_users_whom_not_every_arm_served_are_left_out_with_a_note(tally):
    pages = tally.sums["pages"].copy()
    pages[1, :3] = 0.0
    judged = judge_run(replace(tally, sums=tally.sums | {"pages": pages}), MANIFEST, Judging(metrics=METRICS), known(tally))
    assert judged.users == len(tally.user_id) - 3
    assert "Left out: 3 users whom not every recommender served." in judged.notes


def test_holm_and_bonferroni_give_the_same_intervals_and_holm_rejects_no_less(tally):
    pairs = pair_arms(tally, RESULTS[:1])
    holm, bonferroni = (judge_pairs(pairs, correction=name, confidence=0.95) for name in ("holm", "bonferroni"))
    for one, other in zip(holm, bonferroni, strict=True):
        assert one.effect == other.effect
        assert one.rejected or not other.rejected
        assert other.rejected == other.effect.excludes(0.0)


def test_several_pairs_widen_each_interval(tally):
    pairs = pair_arms(tally, RESULTS[:1])
    (alone,), (joint, *_) = (judge_pairs(some, correction="bonferroni", confidence=0.95) for some in (pairs[:1], pairs))
    assert joint.effect.low < alone.effect.low < alone.effect.high < joint.effect.high


def test_equal_arms_are_seldom_told_apart_though_users_differ():
    random = np.random.default_rng(12)
    trials, wrong = 1500, 0
    for _ in range(trials):
        taste = random.gamma(2.0, 1.0, 50)
        pairs = pair_arms(make_tally({"clicks": random.poisson(taste, (2, 50))}), RESULTS[:1])
        wrong += judge_pairs(pairs, correction="bonferroni", confidence=0.95)[0].effect.excludes(0.0)
    assert 0.033 < wrong / trials < 0.067


def test_the_reward_is_judged_unless_it_is_the_clicks():
    assert "reward_per_user" not in [metric.key for metric in Judging().measures("clicks")]
    assert [metric.key for metric in Judging().measures("satisfaction")][:2] == ["clicks_per_user", "reward_per_user"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metrics": ("fame",)}, "fame"),
        ({"metrics": ("mean_rating", "mean_rating")}, "once"),
        ({"effect": 0.0}, "above 0"),
        ({"confidence": 1.0}, "confidence"),
        ({"correction": "none"}, "holm"),
        ({"until_decided": True, "metrics": ("mean_rating",)}, "mean over users"),
        ({"block": 1}, "block"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        Judging(**settings)
