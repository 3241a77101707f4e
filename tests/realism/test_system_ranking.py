"""System ranking: recommenders, their pages, the truth about them, and how rankings are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau

from recsim_llm.agents.choice.choice_candidate import CHOICE_FAMILIES, choice_candidate
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.realism import CardSettings, hold_out
from recsim_llm.realism.lines.cost import MeteredFactory
from recsim_llm.realism.lines.planted import SHARES, planted_line, planted_pages
from recsim_llm.realism.lines.system_ranking import HALVES, effect_correlation, kendall_tau, pairwise_accuracy, ranking_line
from recsim_llm.realism.policies import BAD, FAMILIES, GOOD, POLICIES, discounts, held_out_truth, policy_pages
from recsim_llm.realism.policy_trials import run_policy_trials
from recsim_llm.realism.trials import run_trials
from recsim_llm.realism.whole_card import Subject

SETTINGS = CardSettings(seeds=(1,), resamples=40, panel_items=20)


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


@pytest.fixture(scope="module")
def held(dataset):
    return hold_out(dataset, seed=1)


@pytest.fixture(scope="module")
def pages(held):
    return policy_pages(held.training, np.unique(held.user_index), seed=1)


class Knowing:
    """Likes what is held out, or what is not."""

    def __init__(self, training, held, sign=1.0):
        self.levels = training.ratings.levels
        self._score = np.full((len(training.ratings.users), len(training.catalog)), -6.0 * sign)
        self._score[held.user_index, held.item_index] = 6.0 * sign

    def taste(self, user_index, item_index):
        return self._score[user_index[:, None], item_index]

    def stars(self, user_index, item_index):
        return np.full((*item_index.shape, len(self.levels)), 1 / len(self.levels))


def studies(dataset, factory, settings=SETTINGS):
    metered = MeteredFactory(factory, 20)
    trials = run_trials(dataset, "mine", metered, settings)
    return run_policy_trials(trials, {"mine": metered.built})


@pytest.fixture(scope="module")
def right(dataset, held):
    return studies(dataset, lambda training, seed: Knowing(training, held))


@pytest.fixture(scope="module")
def wrong(dataset, held):
    return studies(dataset, lambda training, seed: Knowing(training, held, sign=-1.0))


@given(arrays(np.int64, (2, 7), elements=st.integers(0, 4)))
def test_tau_is_that_of_scipy(values):
    expected = kendalltau(*values).statistic
    found = kendall_tau(*(row[None].astype(np.float64) for row in values))[0]
    assert found == pytest.approx(expected, nan_ok=True)


def test_pairs_count_where_the_truth_differs_and_ties_count_half():
    truth = np.array([[1.0, 2.0, 2.0, 3.0]])
    assert pairwise_accuracy(truth, truth)[0] == 1
    assert pairwise_accuracy(-truth, truth)[0] == 0
    assert pairwise_accuracy(np.zeros((1, 4)), truth)[0] == 0.5
    assert np.isnan(pairwise_accuracy(truth, np.ones((1, 4)))[0])


def test_twelve_recommenders_are_left_without_the_families_of_choice_users():
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)
    assert sum(policy.family not in CHOICE_FAMILIES for policy in POLICIES) >= 12
    assert {GOOD, BAD} <= {policy.name for policy in POLICIES}
    assert set(CHOICE_FAMILIES) <= set(FAMILIES)


def test_users_who_know_the_held_out_part_rank_as_it_does_and_their_opposites_do_not(right, wrong):
    right, wrong = ranking_line(right, SETTINGS), ranking_line(wrong, SETTINGS)
    assert right.measures[0].candidate.estimate.value > 0.85
    assert wrong.measures[0].candidate.estimate.value < -0.85
    assert right.measures[0].row(HALVES).estimate.value > 0.6
    assert "by bootstrap over the 17 recommenders" in right.measures[0].candidate.note


def test_the_headline_leaves_out_the_families_that_users_were_built_from(right):
    line = ranking_line(right, SETTINGS, families=CHOICE_FAMILIES)
    names = [measure.name for measure in line.measures]
    assert names[:2] == ["Kendall tau, own family left out", "Kendall tau, all recommenders"]
    assert "by bootstrap over the 12 recommenders" in line.measures[0].candidate.note
    table = line.curves["recommenders"]
    assert [row["name"] for row in table] == [policy.name for policy in POLICIES]
    assert set(line.curves["left out"]) == set(FAMILIES)


def test_a_family_that_nobody_has_is_refused():
    with pytest.raises(ConfigError, match="family: got 'astrology'"):
        Subject(name="mine", factory=choice_candidate, families=("astrology",))


def test_pages_hold_nothing_that_was_rated_in_the_training_part_and_no_item_twice(held, pages):
    known = set(
        zip(
            held.training.ratings.user_index.tolist(),
            held.training.catalog.index_of(held.training.ratings.item_id).tolist(),
            strict=True,
        )
    )
    for user, of_user in zip(pages.user_index.tolist(), pages.item_index.tolist(), strict=True):
        for page in of_user:
            assert len(set(page)) == len(page)
            assert not known & {(user, item) for item in page}


def test_what_is_asked_once_is_found_again_on_every_page(pages):
    back = np.take_along_axis(pages.asked, pages.place.reshape(len(pages.asked), -1), axis=1)
    assert np.array_equal(back.reshape(pages.item_index.shape), pages.item_index)
    ones = pages.values(np.ones(pages.asked.shape))
    assert ones == pytest.approx(np.full(ones.shape, discounts(10).sum()))


def test_the_truth_is_one_for_a_page_of_held_out_items_alone(held, pages):
    perfect = pages.item_index.copy()
    for row, user in enumerate(pages.user_index):
        own = np.unique(held.item_index[held.user_index == user])[:10]
        perfect[row, 0, : len(own)] = own
        others = np.setdiff1d(np.arange(len(held.training.catalog)), held.item_index[held.user_index == user])
        perfect[row, 0, len(own) :] = others[: 10 - len(own)]
        perfect[row, 1] = others[:10]
    truth = held_out_truth(pages._replace(item_index=perfect), held)
    for name in ("NDCG", "recall"):
        assert truth[name][:, 0] == pytest.approx(np.ones(len(perfect)))
        assert not truth[name][:, 1].any()


def other_labels(dataset):
    """Return the data with other stars and other items in the held-out part, none of them rated before."""
    ratings, items = dataset.ratings, len(dataset.catalog)
    rows = replace(dataset, ratings=replace(ratings, rating=np.arange(len(ratings), dtype=np.float32)))
    late = hold_out(rows, seed=1).rating.astype(np.int64)
    item = dataset.catalog.index_of(ratings.item_id)
    rated = {user: set(item[ratings.user_index == user].tolist()) for user in range(len(ratings.users))}
    stars, moved = ratings.rating.copy(), item.copy()
    for row in late.tolist():
        user = int(ratings.user_index[row])
        moved[row] = next(place for place in range((7 * row) % items, 2 * items) if place % items not in rated[user]) % items
        rated[user].add(int(moved[row]))
        stars[row] = 1 if stars[row] > 1 else 5
    return replace(dataset, ratings=replace(ratings, rating=stars, item_id=dataset.catalog.item_id[moved]))


def test_other_held_out_labels_change_no_page_and_no_score_of_the_candidate(dataset):
    few = replace(dataset, ratings=dataset.ratings.take(np.arange(1000)))
    (one,), (two,) = (studies(data, choice_candidate) for data in (few, other_labels(few)))
    assert one.held.training.fingerprint == two.held.training.fingerprint
    assert not np.array_equal(one.truth["NDCG"], two.truth["NDCG"])
    assert np.array_equal(one.pages.item_index, two.pages.item_index)
    assert np.array_equal(one.chance["mine"], two.chance["mine"])
    assert np.array_equal(one.stars["mine"], two.stars["mine"])


def test_effect_sizes_correlate_whichever_way_round_pairs_are_taken():
    truth, pairs = np.array([[1.0, 2.0, 4.0, 3.0]]), np.ones(6, np.bool_)
    assert effect_correlation(5 * truth + 1, truth, pairs)[0] == pytest.approx(1)
    assert effect_correlation(-truth, truth, pairs)[0] == pytest.approx(-1)
    turned = effect_correlation(truth[:, ::-1] ** 2, truth[:, ::-1], pairs)[0]
    assert (
        turned
        == pytest.approx(effect_correlation(truth**2, truth, pairs)[0])
        == pytest.approx(np.corrcoef(truth, truth**2)[0, 1])
    )
    assert np.isnan(effect_correlation(np.ones((1, 4)), truth, pairs)[0])


def test_direction_and_size_of_decided_differences_are_those_of_who_knows_the_truth(right, wrong):
    right, wrong = ranking_line(right, SETTINGS), ranking_line(wrong, SETTINGS)
    name = next(measure.name for measure in right.measures if measure.name.startswith("correlation of effect sizes, decided"))
    assert right.measure(name).candidate.estimate.value > 0.9
    assert wrong.measure(name).candidate.estimate.value < -0.9
    assert right.measure(name.replace("correlation of effect sizes", "pairwise accuracy")).candidate.estimate.value > 0.95


def test_a_planted_worse_system_is_seen_by_who_knows_and_not_by_who_knows_nothing(right):
    seen = planted_line(right, SETTINGS)
    name = "smallest share of worse slots that is seen"
    assert seen.measure(name).candidate.estimate.value is not None
    losses = [point["rows"]["mine"]["value"] for point in seen.curves["clicks lost"]]
    assert losses == sorted(losses)
    assert 0.2 < losses[-1] < 0.6
    real = [point["rows"]["real users"]["value"] for point in seen.curves["clicks lost"]]
    assert losses == pytest.approx(real, abs=0.05)
    same = [replace(trial, chance={**trial.chance, "mine": np.full(trial.pages.asked.shape, 0.1)}) for trial in right]
    blind = planted_line(same, SETTINGS)
    assert blind.measure(name).candidate.estimate.value is None
    assert blind.measure(name).candidate.note == "none up to 40% is seen"
    assert "further from real users than popularity" in blind.measure("clicks lost with 40% of slots at random").verdict


def test_planted_pages_hold_no_item_twice_and_larger_shares_replace_more_of_the_same(held, pages):
    planted = planted_pages(pages, held.training.ratings.users, 1)
    assert np.array_equal(planted.item_index[:, 0], pages.item_index[:, pages.number(GOOD)])
    changed = planted.item_index != planted.item_index[:, :1]
    assert (changed[:, 1:] >= changed[:, :-1]).all()
    assert changed.mean(axis=(0, 2))[1:] == pytest.approx(SHARES, abs=0.08)
    ordered = np.sort(planted.item_index, axis=2)
    assert (ordered[..., 1:] != ordered[..., :-1]).all()
    back = np.take_along_axis(planted.asked, planted.place.reshape(len(planted.asked), -1), axis=1)
    assert np.array_equal(back.reshape(planted.item_index.shape), planted.item_index)
