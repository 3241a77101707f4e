"""The differences that a run's summary puts beside its arms."""

import json

import pytest
from written_runs import HAND, write_run

from recsim_llm.comparison import summarise
from recsim_llm.statistics import paired_effect

# Student's t at 97.5% on 1 degree of freedom, from printed tables.
T1 = 12.7062


@pytest.fixture
def hand(tmp_path):
    return summarise(write_run(tmp_path / "run", HAND, arms=["a", "b"]))


def test_arms_are_compared_user_by_user(hand):
    (row,) = hand.against_first
    # Clicks of users 7 and 9: a 2, 1; b 4, 1. Differences 2, 0: mean 1, standard error 1.
    assert (row.arm, row.against, row.users) == ("b", "a", 2)
    assert row.clicks.mean.value == 1.0
    assert row.reward.mean.high == pytest.approx(2 + 2 * T1, rel=1e-4)
    # Three pages of two slots: nobody can click more than six times more often.
    assert row.clicks.mean.high == 6.0
    assert row.clicks.ratio.value == pytest.approx(5 / 3)
    assert row.clicks.variance_ratio == pytest.approx((0.5 + 4.5) / 2)
    assert row.reward.mean.value == 2.0
    assert (hand.best, hand.against_best[0].arm, hand.against_best[0].clicks.mean.value) == ("b", "a", -1.0)


def test_only_users_whom_both_arms_served_are_paired(tmp_path):
    log = [*HAND, ("a", 11, 0, 0, [(1, 5.0), (2, 5.0)])]
    summary = summarise(write_run(tmp_path, log, arms=["a", "b"]))
    assert (summary.against_first[0].users, summary.against_first[0].clicks.mean.value) == (2, 1.0)
    assert summary.notes[-1] == "b: the log holds 2 of the 3 users planned."


def test_regret_is_measured_against_the_oracle_which_is_never_the_best(tmp_path):
    oracle = [("oracle", user, 0, 0, [(1, 5.0), (2, 5.0)]) for user in (7, 9)]
    oracle += [("oracle", 7, 0, 1, [(1, 5.0), (2, 5.0)]), ("oracle", 9, 0, 1, [(1, 5.0), (2, None)])]
    summary = summarise(write_run(tmp_path, HAND + oracle, arms=["oracle", "a", "b"]))
    assert summary.best == "b"
    assert [(row.arm, row.against, row.clicks.mean.value) for row in summary.regret] == [
        ("oracle", "a", 2.0),
        ("oracle", "b", 1.0),
    ]


@pytest.mark.parametrize(
    ("settings", "arms", "said"),
    [
        ({"presentation": {}}, ["oracle", "b"], ["Words on pages move clicks"]),
        ({"conversation": {"goal": "item"}}, ["oracle", "b"], ["The oracle knows what users like and asks nobody"]),
        ({"conversation": {"goal": "none"}}, ["oracle", "b"], []),
        ({"presentation": {}}, ["a", "b"], []),
        ({"presentation": None, "conversation": None}, ["oracle", "b"], []),
    ],
)
def test_where_others_may_do_what_the_oracle_does_not_it_is_said_to_be_no_ceiling(tmp_path, settings, arms, said):
    log = [("oracle" if page[0] == "a" and arms[0] == "oracle" else page[0], *page[1:]) for page in HAND]
    run = write_run(tmp_path, log, arms=arms)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"settings": settings}))
    notes = [note for note in summarise(run).notes if "without beating the game" in note]
    assert [note.startswith(one) for note, one in zip(notes, said, strict=True)] == [True] * len(said)


def test_without_an_oracle_there_is_no_regret(hand):
    assert hand.regret == ()


def test_equal_arms_are_identical_and_carry_no_interval(tmp_path):
    twin = [("twin", *page[1:]) for page in HAND if page[0] == "a"]
    summary = summarise(write_run(tmp_path, HAND[:3] + twin, arms=["a", "twin"]))
    difference = summary.against_first[0].clicks
    assert difference.identical
    assert (difference.mean.value, difference.mean.low, difference.variance_ratio, difference.ratio.value) == (0, None, None, 1)


def test_json_has_stable_keys_and_no_nan(hand):
    record = json.loads(json.dumps(hand.to_json(), allow_nan=False))
    top = [
        "schema",
        "scenario",
        "seed",
        "users",
        "discount",
        "confidence",
        "best",
        "arms",
        "against_first",
        "against_best",
        "regret",
        "notes",
        "warnings",
        "rated",
    ]
    assert list(record) == top
    assert set(record["arms"][0]["metrics"]["click_share"]) == {"value", "low", "high", "users"}
    keys = {"mean", "ratio", "variance_ratio", "pairing", "identical", "lost", "gained"}
    assert set(record["against_first"][0]["clicks"]) == keys


def test_a_difference_seen_from_the_other_side_is_none_of_minus_zero(tmp_path):
    log = [(arm, user, 0, 0, [(1, 5.0), (2, None)]) for arm in ("a", "b", "oracle") for user in (7, 9)]
    summary = summarise(write_run(tmp_path, log, arms=["oracle", "a", "b"]))
    assert "-0.0" not in json.dumps(summary.to_json())


def test_pairing_pays_when_users_differ_more_than_arms(tmp_path):
    log = [
        (arm, user, 0, page, [(1, 5.0)])
        for arm, more in (("a", 0), ("b", 1))
        for user in range(6)
        for page in range(2 * user + 1 + more * (1 + user % 2))
    ]
    (row,) = summarise(write_run(tmp_path, log, arms=["a", "b"], slate_size=1, max_pages=20)).against_first
    assert row.clicks.variance_ratio > 50
    assert row.clicks.mean.excludes(0.0)


def test_intervals_hold_together_over_all_pairs_of_arms(tmp_path):
    """Every difference is certain or nearly so, and still each interval is widened for three pairs."""
    clicks = {"a": (1, 2, 1, 2), "b": (2, 3, 2, 4), "c": (3, 5, 3, 5)}
    log = [(a, u, 0, page, [(1, 5.0)]) for a, counts in clicks.items() for u, n in enumerate(counts) for page in range(n)]
    summary = summarise(write_run(tmp_path, log, arms=["a", "b", "c"], slate_size=1, max_pages=9))
    for row in (*summary.against_first, *summary.against_best):
        expected = paired_effect(clicks[row.arm], clicks[row.against], confidence=1.0 - 0.05 / 3).effect
        assert (row.clicks.mean.low, row.clicks.mean.high) == pytest.approx((expected.low, expected.high))


def test_an_arm_that_served_fewer_users_takes_none_from_the_other_pairs(tmp_path):
    log = [*HAND, ("c", 7, 0, 0, [(1, 5.0), (2, 5.0)])]
    summary = summarise(write_run(tmp_path, log, arms=["a", "b", "c"]))
    assert [(row.arm, row.users) for row in summary.against_first] == [("b", 2), ("c", 1)]
