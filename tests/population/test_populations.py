import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import movielens_folder
from scipy.stats import norm, rankdata, spearmanr

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import TRAITS, Persona, Population
from recsim_llm.population.synthetic import JointDistribution, fit_joint_distribution


def make_ratings(rows):
    user, item, stars, time = zip(*rows, strict=True)
    return Ratings(
        user_id=np.array(user, np.int64),
        item_id=np.array(item, np.int64),
        rating=np.array(stars, np.float32),
        timestamp=np.array(time, np.int64),
    )


def make_catalog(genres, popularity=None):
    ids = [10 * (place + 1) for place in range(len(genres))]
    return Catalog.from_columns(item_id=ids, title=[f"T{i}" for i in ids], genres=genres, popularity=popularity)


def hand_population(**settings_):
    rows = [
        (7, 10, 4.0, 1000),
        (3, 10, 5.0, 50),
        (7, 30, 2.0, 8201),
        (7, 20, 4.0, 4600),
        (3, 40, 3.0, 50),
    ]
    catalog = make_catalog([["Action", "Comedy"], ["Action"], ["Drama"], []], [5, 1, 1, 3])
    return population_from_ratings(make_ratings(rows), catalog, **settings_)


def made_population(users=200, seed=0, widths=(("click", 24), ("rating", 40), ("cuts", 9), ("noise", 1))):
    """A population whose first trait drives diversity, one taste column and one vector column."""
    random = np.random.default_rng(seed)
    drive = random.normal(size=users)
    traits = random.uniform(0.5, 1, (users, len(TRAITS))).astype(np.float32)
    traits[:, 0] = np.round(20 + np.exp(4 + drive))
    traits[:, 2] = np.clip(np.round(7 + 1.5 * drive + random.normal(size=users)), 1, 15)
    traits[:, -1] = 1
    taste = random.normal(size=(users, 5))
    taste[:, 1] -= 2 * drive
    vectors = {name: random.normal(size=(users, width)).astype(np.float32) for name, width in widths}
    for name, vector in vectors.items():
        vector[:, 0] += 3 * drive if name == "click" else 0
        if name == "cuts":
            vector.sort(axis=1)
    source = random.integers(0, 3, users)
    return Population(
        user_id=np.arange(users),
        traits=traits,
        genre_names=tuple("ABCDE"),
        taste=taste.astype(np.float32),
        demographics={
            "age": np.array(["18-24", "25-34", ""], object)[source],
            "region": np.array(["north", "south", "west"], object)[source],
        },
        vectors=vectors,
    )


def assert_same(left, right):
    assert left.user_id.tolist() == right.user_id.tolist()
    assert np.array_equal(left.traits, right.traits)
    assert np.array_equal(left.taste, right.taste)
    assert left.vectors.keys() == right.vectors.keys()
    assert all(np.array_equal(left.vectors[name], right.vectors[name]) for name in left.vectors)
    assert {name: column.tolist() for name, column in left.demographics.items()} == {
        name: column.tolist() for name, column in right.demographics.items()
    }


# Traits by hand: users come out as 3, 7; the mean of all five ratings is 3.6.


@pytest.mark.parametrize(
    ("trait", "expected"),
    [
        ("activity", [2, 3]),
        ("conformity", [(1 + 0.6**2) / 2, (1 + 0.4**2 + 1.6**2) / 3]),
        ("diversity", [2, 3]),
        ("rating_mean", [4, 10 / 3]),
        ("rating_spread", [1, np.sqrt(24 / 27)]),
        ("mainstreamness", [(0.875 + 0.625) / 2, (0.875 + 0.25 + 0.25) / 3]),
        ("patience", [2, 1.5]),
        ("pickiness", [0, 1 / 3]),
        ("position_bias", [1, 1]),
    ],
)
def test_trait_equals_the_hand_computed_value(trait, expected):
    population = hand_population()
    assert population.user_id.tolist() == [3, 7]
    np.testing.assert_allclose(population.trait(trait), expected, rtol=1e-6)


def test_taste_is_the_smoothed_log_ratio_of_genre_shares():
    population = hand_population()
    assert population.genre_names == ("Action", "Comedy", "Drama")
    share = np.array([3, 2, 1]) / 6
    mentions = np.array([[1, 1, 0], [2, 1, 1]])
    expected = np.log((mentions + 5 * share) / (mentions.sum(axis=1, keepdims=True) + 5) / share)
    np.testing.assert_allclose(population.taste, expected, atol=1e-6)
    assert population.taste[0, 2] == pytest.approx(np.log(5 / 7))


def test_columns_are_float32():
    population = hand_population()
    assert population.traits.dtype == population.taste.dtype == np.float32


def test_diversity_counts_exactly_eighty_percent_as_covered():
    catalog = make_catalog([["Action"]] * 4 + [["Comedy"]])
    rows = [(1, 10 * place, 3.0, 0) for place in range(1, 6)]
    assert population_from_ratings(make_ratings(rows), catalog).trait("diversity").tolist() == [1]


def test_patience_is_thirty_without_timestamps():
    rows = [(1, 10, 3.0, 0), (2, 10, 3.0, 0), (2, 20, 3.0, 0)]
    population = population_from_ratings(make_ratings(rows), make_catalog([["A"], ["B"]]))
    assert population.trait("patience").tolist() == [30, 30]


def test_catalog_without_genres_gives_no_taste_and_no_diversity():
    population = population_from_ratings(make_ratings([(1, 10, 3.0, 0)]), make_catalog([[], []]))
    assert population.taste.shape == (1, 0)
    assert population.trait("diversity").tolist() == [0]


def test_genre_nobody_mentions_has_taste_zero():
    population = population_from_ratings(make_ratings([(1, 10, 3.0, 0)]), make_catalog([["A"], ["B"]]))
    assert population.taste.tolist() == [[0, 0]]


def test_one_user_with_one_rating_has_every_trait():
    population = population_from_ratings(make_ratings([(5, 20, 4.5, 99)]), make_catalog([["A"], ["A", "B"]], [1, 2]))
    expected = {
        "activity": 1,
        "diversity": 2,
        "rating_mean": 4.5,
        "mainstreamness": 0.75,
        "patience": 1,
        "position_bias": 1,
    }
    assert [float(value) for value in population.traits[0]] == [expected.get(trait.name, 0) for trait in TRAITS]


def test_demographics_become_columns_with_empty_strings_for_unknown():
    population = hand_population(demographics={"age": {7: "25-34", 99: "old"}, "gender": {}})
    assert population.demographics["age"].tolist() == ["", "25-34"]
    assert population.demographics["gender"].tolist() == ["", ""]


def test_item_unknown_to_the_catalog_is_a_data_error():
    with pytest.raises(DataError, match="item_id 30"):
        population_from_ratings(make_ratings([(1, 10, 3.0, 0), (1, 30, 3.0, 0)]), make_catalog([["A"], ["B"]]))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(1, 5).map(lambda i: 10 * i),
            st.sampled_from([1.0, 2.5, 4.0]),
            st.integers(1, 20000),
        ),
        min_size=1,
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_traits_equal_a_plain_loop_in_any_row_order(rows, random):
    catalog = make_catalog([["A", "B"], ["B"], ["C"], [], ["A"]], [4, 1, 1, 9, 0])
    population = population_from_ratings(make_ratings(rows), catalog)
    shuffled = list(rows)
    random.shuffle(shuffled)
    again = population_from_ratings(make_ratings(shuffled), catalog)
    np.testing.assert_allclose(again.traits, population.traits, atol=1e-6)
    for index, user in enumerate(sorted({row[0] for row in rows})):
        mine = [row for row in rows if row[0] == user]
        stars = [row[2] for row in mine]
        mode = min(set(stars), key=lambda level: (-stars.count(level), level))
        times, sittings = sorted(row[3] for row in mine), [1]
        for before, after in zip(times, times[1:], strict=False):
            if after - before > 3600:
                sittings.append(0)
            sittings[-1] += 1
        assert population.trait("activity")[index] == len(mine)
        assert population.trait("patience")[index] == np.median(sittings)
        assert population.trait("pickiness")[index] == np.float32(sum(star < mode for star in stars) / len(stars))
        np.testing.assert_allclose(population.trait("rating_spread")[index], np.std(stars), atol=1e-6)


# Joint distribution


def test_each_user_depends_on_seed_and_id_not_on_how_many_are_drawn():
    joint = fit_joint_distribution(made_population())
    many = joint.sample(2500, seed=7)
    assert_same(joint.sample(100, seed=7), many.take(np.arange(100)))
    assert_same(joint.sample(1030, seed=7, first_user_id=1000), many.take(np.arange(1000, 2030)))
    assert_same(joint.sample(1, seed=7, first_user_id=1024), many.take(np.array([1024])))
    assert not np.array_equal(joint.sample(100, seed=8).taste, many.taste[:100])


def test_samples_stay_within_the_observed_range_of_each_column():
    source = made_population()
    drawn = fit_joint_distribution(source).sample(3000, seed=1)
    pairs = [(source.traits, drawn.traits), (source.taste, drawn.taste)]
    pairs += [(source.vectors[name], drawn.vectors[name]) for name in source.vectors]
    for observed, sampled in pairs:
        assert sampled.dtype == np.float32
        assert (sampled >= observed.min(axis=0)).all()
        assert (sampled <= observed.max(axis=0)).all()


def test_samples_keep_the_source_distribution_of_each_column():
    source = made_population()
    drawn = fit_joint_distribution(source).sample(5000, seed=1)
    for trait in ("activity", "diversity", "rating_mean"):
        shares = np.linspace(0.1, 0.9, 9)
        spread = source.trait(trait).std()
        gap = np.quantile(drawn.trait(trait), shares) - np.quantile(source.trait(trait), shares)
        assert np.abs(gap).max() < 0.25 * spread


def test_samples_lie_evenly_between_two_observed_values():
    source = replace(made_population(users=2, widths=()), taste=np.array([[0] * 5, [1] * 5], np.float32))
    drawn = fit_joint_distribution(source).sample(4000, seed=6).taste[:, 0]
    assert [(drawn == 0).mean(), (drawn == 1).mean(), drawn.mean()] == pytest.approx([0.25, 0.25, 0.5], abs=0.03)


def test_activity_and_diversity_are_whole_and_constants_stay():
    drawn = fit_joint_distribution(made_population()).sample(500, seed=2)
    for trait in ("activity", "diversity"):
        assert np.array_equal(drawn.trait(trait), np.rint(drawn.trait(trait)))
    assert (drawn.trait("position_bias") == 1).all()


def test_cuts_ascend_along_the_row():
    drawn = fit_joint_distribution(made_population()).sample(500, seed=2)
    assert (np.diff(drawn.vectors["cuts"], axis=1) >= 0).all()


def test_rank_correlations_survive_between_traits_taste_and_vectors():
    source = made_population(users=2000, widths=(("click", 2),))
    drawn = fit_joint_distribution(source).sample(5000, seed=3)

    def correlations(population):
        columns = [population.trait("activity"), population.trait("diversity"), population.taste[:, 1]]
        return spearmanr(np.column_stack([*columns, population.vectors["click"][:, 0]])).statistic

    assert np.abs(correlations(source)[np.triu_indices(4, 1)]).min() > 0.6
    np.testing.assert_allclose(correlations(drawn), correlations(source), atol=0.06)


def test_correlations_beside_many_unrelated_columns_lose_the_shrinkage_only():
    source = made_population(users=500)
    joint = fit_joint_distribution(source)
    drawn = joint.sample(5000, seed=3)
    observed = spearmanr(source.trait("activity"), source.taste[:, 1]).statistic
    sampled = spearmanr(drawn.trait("activity"), drawn.taste[:, 1]).statistic
    assert sampled == pytest.approx((1 - joint.shrinkage) * observed, abs=0.06)


def test_five_users_with_a_hundred_columns_can_be_fitted_and_sampled():
    joint = fit_joint_distribution(made_population(users=5, widths=(("click", 60), ("cuts", 26))))
    assert joint.factor.shape == (100, 100)
    assert np.linalg.eigvalsh(joint.factor @ joint.factor.T).min() > 0
    assert np.isfinite(joint.sample(50, seed=0).vectors["click"]).all()


def test_two_users_who_agree_in_everything_still_give_a_distribution():
    joint = fit_joint_distribution(made_population(users=2))
    assert np.isfinite(joint.sample(20, seed=0).traits).all()


def test_one_user_is_repeated():
    source = made_population(users=1)
    drawn = fit_joint_distribution(source).sample(3, seed=0)
    assert np.array_equal(drawn.traits, np.repeat(source.traits, 3, axis=0))
    assert np.array_equal(drawn.vectors["click"], np.repeat(source.vectors["click"], 3, axis=0))


def test_population_without_genres_or_vectors_can_be_sampled():
    source = replace(made_population(widths=()), genre_names=(), taste=np.zeros((200, 0), np.float32))
    assert fit_joint_distribution(source).sample(3, seed=0).taste.shape == (3, 0)


def test_shrinkage_is_the_ledoit_wolf_intensity():
    source = made_population(users=40)
    joint = fit_joint_distribution(source)
    unvarying = len(TRAITS) - 1  # position_bias
    blocks = [source.traits, source.taste, *(source.vectors[name] for name in sorted(source.vectors))]
    columns = np.delete(np.concatenate(blocks, axis=1), unvarying, axis=1)
    scores = np.stack([_scores(column) for column in columns.T], axis=1)
    observed = scores.T @ scores / 40
    noise = sum(((np.outer(row, row) - observed) ** 2).sum() for row in scores) / 40**2
    intensity = noise / ((observed - np.eye(len(observed))) ** 2).sum()
    assert joint.shrinkage == pytest.approx(intensity)
    fitted = np.delete(np.delete(joint.factor @ joint.factor.T, unvarying, 0), unvarying, 1)
    np.testing.assert_allclose(fitted, (1 - intensity) * observed + intensity * np.eye(len(observed)), atol=1e-10)


def _scores(column):
    score = norm.ppf((rankdata(column.astype(np.float64)) - 0.5) / len(column))
    return (score - score.mean()) / score.std()


def test_demographics_come_together_from_one_source_user():
    source = made_population()
    drawn = fit_joint_distribution(source).sample(3000, seed=4)
    observed = set(zip(source.demographics["age"], source.demographics["region"], strict=True))
    sampled = list(zip(drawn.demographics["age"], drawn.demographics["region"], strict=True))
    assert set(sampled) == observed
    share = (source.demographics["region"] == "west").mean()
    assert (drawn.demographics["region"] == "west").mean() == pytest.approx(share, abs=0.04)


def test_saved_distribution_samples_the_same_users(tmp_path):
    joint = fit_joint_distribution(made_population())
    joint.save(tmp_path / "joint.npz")
    assert_same(JointDistribution.load(tmp_path / "joint.npz").sample(50, seed=5), joint.sample(50, seed=5))
    assert [path.name for path in tmp_path.iterdir()] == ["joint.npz"]


def test_distribution_without_demographics_can_be_saved(tmp_path):
    joint = fit_joint_distribution(replace(made_population(), demographics={}))
    joint.save(tmp_path / "joint.npz")
    assert JointDistribution.load(tmp_path / "joint.npz").demographics == {}


@pytest.mark.parametrize("content", [None, b"", b"no zip", b"PK\x03\x04broken"])
def test_damaged_or_missing_distribution_file_is_a_data_error(tmp_path, content):
    path = tmp_path / "joint.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"joint\.npz.*again"):
        JointDistribution.load(path)


@pytest.mark.parametrize(("count", "first"), [(0, 0), (1, -1)])
def test_sample_refuses_counts_and_ids_out_of_range(count, first):
    with pytest.raises(ConfigError, match="expected n >= 1"):
        fit_joint_distribution(made_population(users=3)).sample(count, seed=0, first_user_id=first)


@pytest.mark.parametrize("vector", [np.full((5, 2), np.nan, np.float32), np.zeros(5, np.float32)])
def test_fit_refuses_vectors_that_are_not_finite_tables(vector):
    with pytest.raises(DataError, match="click"):
        fit_joint_distribution(replace(made_population(users=5), vectors={"click": vector}))


# Real data


def movielens():
    folder = movielens_folder()
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as file:
        movies = [(int(ident), title, genres.split("|")) for ident, title, genres in list(csv.reader(file))[1:]]
    table = np.loadtxt(folder / "ratings.csv", delimiter=",", skiprows=1)
    ratings = make_ratings(table.tolist())
    ids = np.array([movie[0] for movie in movies])
    catalog = Catalog.from_columns(
        item_id=ids,
        title=[movie[1] for movie in movies],
        genres=[[name for name in movie[2] if name != "(no genres listed)"] for movie in movies],
        popularity=np.bincount(ratings.item_id, minlength=ids.max() + 1)[ids],
    )
    return ratings, catalog


def test_movielens_population_has_plausible_traits_and_keeps_correlations_when_sampled():
    population = population_from_ratings(*movielens())
    assert len(population) == 610
    for column, trait in enumerate(TRAITS):
        values = population.traits[:, column]
        assert np.isfinite(values).all()
        assert values.min() >= trait.low
        assert values.max() <= trait.high
    assert population.trait("activity").min() == 20
    assert population.trait("rating_mean").mean() == pytest.approx(3.657, abs=0.001)
    drawn = fit_joint_distribution(population).sample(5000, seed=1)
    varying = slice(0, len(TRAITS) - 1)
    source = spearmanr(population.traits[:, varying]).statistic
    np.testing.assert_allclose(spearmanr(drawn.traits[:, varying]).statistic, source, atol=0.12)


def test_the_strength_of_a_taste_is_its_spread_over_genres():
    taste = {"Comedy": math.log(2), "Drama": -math.log(2), "War": 0.0}
    traits = {trait.name: 1.0 for trait in TRAITS}
    assert Persona(user_id=1, **traits, taste=taste).taste_strength == pytest.approx(math.log(2) * math.sqrt(2 / 3))
    assert Persona(user_id=1, **traits, taste={}).taste_strength == 0
