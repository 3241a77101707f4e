"""Every public estimator and metric given columns that cannot be meant: one line of the package's own, never NumPy's words."""

import re
import warnings
from dataclasses import dataclass, field
from inspect import isclass, isfunction

import numpy as np
import pytest

from recsim_llm import comparison, metrics, offpolicy, statistics
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import RecSimError
from recsim_llm.population.friendships import Friendships

USERS, PAGES, SLOTS, ITEMS, GENRES = 24, 12, 2, 5, 3
DRAWN = np.random.default_rng(3)
BAD_ENTRIES = {
    "ids": (3.7, np.nan, np.inf, "ann", None, -5, 2**70, 1j),
    "times": (3.7, np.nan, np.inf, "ann", None, 2**70, 1j),
    "places": (0.5, np.nan, "ann", None, -5, ITEMS + 40),
    "numbers": (np.nan, np.inf, -np.inf, "ann", None, 1j),
    "counts": (np.nan, np.inf, -1.0, "ann", None),
    "maybe": (np.inf, "ann", None),
    "chances": (1.5, -0.25, np.inf, "ann", None),
    "flags": (2, 0.5, np.nan, "yes", None),
    "labels": (None, np.nan),
    "texts": (None, 3),
}
"""By kind of column: entries that cannot be meant."""


@dataclass
class Call:
    """A call that works, and which of its arguments are columns of which kind."""

    function: object
    columns: dict
    """Name to (kind, values)."""
    settings: dict = field(default_factory=dict)
    """Name to (value that works, values that cannot be meant)."""
    partners: bool = True
    """Columns must be of one length."""

    def run(self, **changed):
        values = {name: column for name, (_, column) in self.columns.items()}
        return self.function(**{**values, **{name: value for name, (value, _) in self.settings.items()}, **changed})


def numbers(*shape):
    return "numbers", DRAWN.normal(5.0, 1.0, shape)


def counts(*shape):
    return "counts", DRAWN.integers(1, 9, shape).astype(float)


def chances(*shape):
    return "chances", DRAWN.uniform(0.2, 0.8, shape)


SHARE = (0.9, (0, 1, 1.5, -1, np.nan, "high", None))
WHOLE = (1, (-1, 0.5, np.nan, "one", None))
SLATES = np.array([DRAWN.permutation(ITEMS)[:SLOTS] for _ in range(PAGES)])
LOG = {
    "user_id": ("ids", np.arange(PAGES) // 2 * 10),
    "item_id": ("ids", SLATES),
    "reward": numbers(PAGES, SLOTS),
    "propensity": chances(PAGES, SLOTS),
    "prefix_propensity": chances(PAGES, SLOTS),
    "slate_propensity": chances(PAGES),
}
PLAIN_LOG = {name: column for name, (_, column) in LOG.items()}
LOGGED = offpolicy.LoggedSlates.from_columns(**PLAIN_LOG)
TARGET = offpolicy.TargetView.from_columns(
    pages=PAGES,
    slots=SLOTS,
    **{name: PLAIN_LOG[name] for name in ("propensity", "prefix_propensity", "slate_propensity")},
)
VALUES = offpolicy.ModelValues(logged=LOGGED.reward, expected=LOGGED.reward, expected_next=LOGGED.reward)
ONE, OTHER = numbers(USERS), numbers(USERS)
GROUPS = np.array(list("abcd") * (USERS // 4), object)
CLIP = (None, (0, -1, np.nan, "two"))


def weighing(function, **more):
    """An estimator whose log has as many pages as the target's columns say."""

    def run(*, user_id, item_id, reward, propensity, **settings):
        logged = offpolicy.LoggedSlates.from_columns(**{**PLAIN_LOG, "user_id": user_id, "item_id": item_id, "reward": reward})
        target = offpolicy.TargetView.from_columns(
            pages=PAGES,
            slots=SLOTS,
            propensity=propensity,
            prefix_propensity=propensity,
            slate_propensity=PLAIN_LOG["slate_propensity"],
        )
        return function(logged, target, **settings)

    columns = {name: LOG[name] for name in ("user_id", "item_id", "reward", "propensity")}
    return Call(run, columns, {"confidence": SHARE, **more})


def by_values(function, **more):
    def run(*, logged, expected, **settings):
        values = offpolicy.ModelValues(logged=logged, expected=expected, expected_next=expected)
        given = (LOGGED, values) if function is offpolicy.direct_method else (LOGGED, TARGET, values)
        return function(*given, **settings)

    return Call(run, {"logged": numbers(PAGES, SLOTS), "expected": numbers(PAGES, SLOTS)}, {"confidence": SHARE, **more})


def users(function, names="one other", settings=None, **more):
    return Call(
        function,
        {name: numbers(USERS) for name in names.split()},
        {"confidence": SHARE} if settings is None else settings,
        **more,
    )


CATALOG = {
    "item_id": ("ids", np.arange(ITEMS) * 7),
    "title": ("texts", np.array(list("abcde"), object)),
    "genres": ("other", [["Drama"], ["War"], [], ["Drama", "War"], ["War"]]),
    "year": ("times", np.full(ITEMS, 1999)),
    "popularity": counts(ITEMS),
    "features": numbers(ITEMS, 2),
    "quality": chances(ITEMS),
}
RATINGS = {
    "user_id": ("ids", np.arange(6)),
    "item_id": ("ids", np.arange(6) % 3),
    "rating": ("numbers", np.full(6, 4.0, np.float32)),
    "timestamp": ("times", np.arange(6) * 100),
}
RELEVANT = {"relevant": ("flags", DRAWN.random((USERS, SLOTS)) < 0.5), "total": ("ids", np.full(USERS, 3))}
SHOWN = ("places", SLATES)
TWO_LISTS = {"lists": ("ids", DRAWN.integers(0, 9, (USERS, SLOTS))), "reference": ("ids", DRAWN.integers(0, 9, (USERS, SLOTS)))}
FRIENDS = Friendships.from_pairs(4, [0, 1, 2], [1, 2, 3])
CALLS = {
    "Catalog": Call(Catalog.from_columns, CATALOG),
    "Ratings": Call(Ratings, RATINGS),
    "LoggedSlates": Call(offpolicy.LoggedSlates.from_columns, LOG),
    "TargetView": Call(
        lambda **given: offpolicy.TargetView.from_columns(**given),
        {name: LOG[name] for name in ("propensity", "prefix_propensity", "slate_propensity")},
        {"pages": (PAGES, (0, 2.5, PAGES - 1, "many", None)), "slots": (SLOTS, (0, 2.5, SLOTS + 1, "two", None))},
    ),
    "ModelValues": Call(
        offpolicy.ModelValues,
        {name: numbers(PAGES, SLOTS) for name in ("logged", "expected", "expected_next")},
    ),
    "Contributions": Call(
        offpolicy.Contributions,
        {
            "user_id": ("ids", np.arange(USERS)),
            "numerator": ("numbers", np.ones((1, USERS))),
            "denominator": ("numbers", np.ones((1, USERS))),
        },
        partners=False,
    ),
    "standard_ips": weighing(offpolicy.standard_ips, clip=CLIP, outcome=("slots", ("clicks", None))),
    "reward_interaction_ips": weighing(offpolicy.reward_interaction_ips, clip=CLIP),
    "independent_ips": weighing(offpolicy.independent_ips, clip=CLIP),
    "pseudo_inverse": Call(
        lambda **given: offpolicy.pseudo_inverse(LOGGED, TARGET, **given),
        {"logging": numbers(PAGES)},
        {"confidence": SHARE, "outcome": ("slots", ("clicks", None))},
    ),
    "moment_weights": Call(
        offpolicy.moment_weights,
        {
            "marginals": ("chances", np.full((PAGES, 1, ITEMS), 1 / ITEMS)),
            "moments": (
                "chances",
                np.tile((np.eye(ITEMS) / ITEMS)[:, None], (PAGES, 1, 1, 1, 1)).reshape(PAGES, 1, ITEMS, 1, ITEMS),
            ),
            "item_index": ("places", SLATES[:, :1]),
        },
    ),
    "direct_method": by_values(offpolicy.direct_method),
    "slate_doubly_robust": by_values(offpolicy.slate_doubly_robust, clip=CLIP),
    "slot_doubly_robust": by_values(offpolicy.slot_doubly_robust, clip=CLIP),
    "cascade_doubly_robust": by_values(offpolicy.cascade_doubly_robust, clip=CLIP),
    "bootstrap_means": Call(
        statistics.bootstrap_means,
        {"values": numbers(2, USERS)},
        {
            "seed": (1, (-1, 0.5, "one", None)),
            "resamples": (100, (1, 200.5, "many")),
            "confidence": SHARE,
            "method": ("bca", ("t", None)),
        },
    ),
    "bootstrap_ratio_difference": Call(
        statistics.bootstrap_ratio_difference,
        {"numerators": numbers(2, USERS), "denominators": counts(2, USERS)},
        {"seed": (1, (-1, 0.5, "one", None)), "resamples": (100, (1, 200.5, "many")), "confidence": SHARE},
    ),
    "bootstrap_ratio_differences": Call(
        statistics.bootstrap_ratio_differences,
        {
            "numerators": numbers(ITEMS, USERS),
            "denominators": counts(ITEMS, USERS),
            "pairs": ("places", np.stack([np.arange(1, ITEMS), np.zeros(ITEMS - 1, int)], axis=1)),
        },
        {"seed": (1, (-1, 0.5, "one", None)), "resamples": (100, (1, 200.5, "many")), "confidence": SHARE},
        partners=False,
    ),
    "clustered_mean": Call(
        statistics.clustered_mean,
        {"values": ONE, "clusters": ("labels", GROUPS)},
        {"confidence": SHARE, "correction": ("CR2", ("CR3", None))},
    ),
    "clustered_ratio": Call(
        statistics.clustered_ratio,
        {"numerator": ONE, "denominator": counts(USERS), "clusters": ("labels", GROUPS)},
        {"confidence": SHARE},
    ),
    "weighted_contrast": Call(
        statistics.weighted_contrast,
        {"numerators": numbers(2, USERS), "denominators": counts(2, USERS), "weights": numbers(2)},
        {"confidence": SHARE},
    ),
    "jackknife_contrast": Call(
        statistics.jackknife_contrast,
        {"values": ("maybe", numbers(2, USERS)[1]), "weights": numbers(2)},
        {"confidence": SHARE, "users": (3, (-1, 0.5, "one", None))},
    ),
    "clustered_ratio_difference": Call(
        statistics.clustered_ratio_difference,
        {"numerators": numbers(2, USERS), "denominators": counts(2, USERS)},
        {"confidence": SHARE},
    ),
    "confidence_sequence": users(
        statistics.confidence_sequence,
        "differences",
        {"planned_users": (100, (1, 2.5, np.nan, "many")), "confidence": SHARE, "looks": (None, ([0.5], ["a"], [99], [[2]]))},
    ),
    "estimate_survival": Call(
        statistics.estimate_survival,
        {"time": ("ids", np.arange(USERS) % 4), "event": ("flags", np.arange(USERS) % 2 == 0)},
        {"horizon": (5, (0, 2.5, np.nan, "five", None)), "confidence": SHARE},
    ),
    "first_decision": users(
        statistics.first_decision,
        "differences",
        {
            "planned_users": (100, (1, 2.5, "many")),
            "block": (1, (0, 0.5, "one")),
            "smallest_effect": (None, (0, -1, np.nan, "small")),
        },
    ),
    "cuped_paired": Call(
        statistics.cuped_paired,
        {"differences": ONE, "before": numbers(USERS, 2)},
        {
            "expected": (np.zeros(2), (np.zeros(3), [np.nan, 0], ["a", "b"], None)),
            "folds": (2, (0, 1.5, "two")),
            "confidence": SHARE,
        },
    ),
    "cuped_independent": Call(
        lambda *, outcome, before, **more: statistics.cuped_independent(
            (outcome, before), (OTHER[1], OTHER[1][:, None]), **more
        ),
        {"outcome": ONE, "before": numbers(USERS, 1)},
        {"folds": (2, (0, 1.5, "two")), "confidence": SHARE},
    ),
    "deviation_estimate": users(statistics.deviation_estimate, "values"),
    "group_effects": Call(
        statistics.group_effects, {"one": ONE, "other": OTHER, "groups": ("labels", GROUPS)}, {"confidence": SHARE}
    ),
    "mean_effect": users(statistics.mean_effect, "values"),
    "mean_estimate": users(statistics.mean_estimate, "values", {"confidence": SHARE, "bounds": ((0.0, 9.0), ((1, 0), (1,)))}),
    "crossed_mean": Call(statistics.crossed_mean, {"values": numbers(3, USERS)}, {"confidence": SHARE}),
    "crossed_ratio": Call(
        statistics.crossed_ratio,
        {"numerator": numbers(3, USERS), "denominator": numbers(3, USERS)},
        {"confidence": SHARE},
    ),
    "ratio_estimate": users(statistics.ratio_estimate, "numerator denominator"),
    "share_estimate": Call(statistics.share_estimate, {"yes": chances(USERS)}, {"confidence": SHARE}),
    "paired_effect": users(statistics.paired_effect),
    "relative_lift": users(statistics.relative_lift, settings={"confidence": SHARE, "method": ("delta", ("gamma", None))}),
    "adjust": Call(
        lambda **given: statistics.adjust(**given),
        {},
        {"p_values": ([0.1, None], ([1.5], [-0.1], [np.nan], ["a"])), "alpha": SHARE, "method": ("holm", ("none", None))},
    ),
    "power_for": Call(
        statistics.power_for,
        {},
        {
            "effect": (0.1, (np.nan, "big", None)),
            "deviation": (1.0, (0, -1, np.nan, "wide")),
            "users": (20, (1, 2.5, "many")),
            "alpha": SHARE,
            "design": ("paired", ("crossed", None)),
        },
    ),
    "detectable_effect": Call(
        statistics.detectable_effect,
        {},
        {
            "deviation": (1.0, (0, -1, np.nan, "wide")),
            "users": (20, (1, 2.5, "many")),
            "power": SHARE,
            "alpha": (0.05, (0, 1, "a")),
        },
    ),
    "users_needed": Call(
        statistics.users_needed,
        {},
        {
            "effect": (0.5, (0, np.nan, "big")),
            "deviation": (1.0, (0, np.nan, "wide")),
            "power": SHARE,
            "alpha": (0.05, (0, 1, "a")),
        },
    ),
    "catalog_coverage": Call(metrics.catalog_coverage, {"exposures": counts(ITEMS)}),
    "cosine_diversity": Call(metrics.cosine_diversity, {"item": SHOWN, "features": numbers(ITEMS, 3)}, partners=False),
    "entropy": Call(metrics.entropy, {"weights": counts(USERS, GENRES)}),
    "exposure_by_group": Call(
        metrics.exposure_by_group,
        {
            "item": ("places", np.arange(ITEMS)),
            "group": ("ids", np.arange(ITEMS) % 2),
            "weight": counts(ITEMS),
            "exposure": counts(ITEMS),
        },
        partners=False,
    ),
    "exposure_merit_gap": Call(metrics.exposure_merit_gap, {"exposure": counts(4), "merit": counts(4)}),
    "worst_exposure_ratio": Call(
        metrics.worst_exposure_ratio, {"exposure": counts(4), "merit": counts(4)}, {"least_merit": (0.01, ("a", None, np.nan))}
    ),
    "genre_diversity": Call(
        metrics.genre_diversity, {"item": SHOWN, "genres": ("flags", np.eye(ITEMS, dtype=bool))}, partners=False
    ),
    "genre_shares": Call(metrics.genre_shares, {"genres": ("flags", np.eye(ITEMS, dtype=bool))}),
    "gini": Call(metrics.gini, {"exposures": ("ids", np.arange(1, ITEMS + 1))}, {"items": (ITEMS, (2, 5.5, "five"))}),
    "group_gap": Call(
        metrics.group_gap,
        {"values": ("maybe", DRAWN.normal(size=USERS)), "groups": ("other", GROUPS)},
        {"confidence": SHARE, "least_users": (2, (0, 0.5, "two"))},
    ),
    "hit_rate": Call(metrics.hit_rate, RELEVANT),
    "jaccard_similarity": Call(metrics.jaccard_similarity, TWO_LISTS),
    "prag_similarity": Call(metrics.prag_similarity, TWO_LISTS),
    "serp_similarity": Call(metrics.serp_similarity, TWO_LISTS),
    "ndcg": Call(metrics.ndcg, RELEVANT),
    "precision": Call(metrics.precision, RELEVANT),
    "recall": Call(metrics.recall, RELEVANT),
    "reciprocal_rank": Call(metrics.reciprocal_rank, RELEVANT),
    "long_tail": Call(metrics.long_tail, {"popularity": counts(ITEMS)}, {"head_share": (0.8, (-0.1, 1.5, np.nan, "most"))}),
    "miscalibration": Call(
        metrics.miscalibration,
        {"history": counts(USERS, GENRES), "shown": counts(USERS, GENRES)},
        {"mix": (0.01, (0, 1.5, "a"))},
    ),
    "most_popular": Call(metrics.most_popular, {"popularity": counts(ITEMS)}, {"size": (2, (-1, 0.5, "two"))}),
    "overlap_by_user": Call(metrics.overlap_by_user, {"sets": ("flags", DRAWN.random((USERS, ITEMS)) < 0.5)}),
    "popularity_lift": Call(
        metrics.popularity_lift, {"shown": ("maybe", counts(USERS)[1]), "history": ("maybe", counts(USERS)[1])}
    ),
    "position_exponent": Call(metrics.position_exponent, {"events": counts(USERS, SLOTS), "chances": counts(USERS, SLOTS)}),
    "self_information": Call(metrics.self_information, {"popularity": counts(ITEMS)}),
    "serendipitous": Call(
        metrics.serendipitous,
        {"item": SHOWN, "useful": ("flags", DRAWN.random((PAGES, SLOTS)) < 0.5), "expected": ("flags", np.arange(ITEMS) < 2)},
        partners=False,
    ),
    "terciles": Call(metrics.terciles, {"values": ONE}),
    "traceable_share": Call(
        metrics.traceable_share,
        {"friend_click_user": ("times", np.arange(3)), "click_user": ("times", np.arange(6) % 4)},
        partners=False,
    ),
    "measure_cascades": Call(
        metrics.measure_cascades,
        {
            "user_id": ("times", np.array([1, 2, 3])),
            "item_id": ("times", np.array([7, 7, 8])),
            "friend_id": ("times", np.array([0, 1, 1])),
            "step": ("times", np.array([1, 2, 2])),
        },
    ),
    "consumption_assortativity": Call(
        lambda **given: metrics.consumption_assortativity(FRIENDS, **given),
        {
            "user_index": ("places", np.array([0, 1, 2, 3])),
            "features": ("numbers", np.eye(4)),
            "day": ("ids", np.array([0, 0, 0, 0])),
        },
    ),
    "trend": Call(metrics.trend, {"values": ("maybe", DRAWN.normal(size=(USERS, 4)))}),
}
TAKE_VALUES = {
    *(
        "check_estimators",
        "fit_reward_model",
        "diagnose_overlap",
        "model_values",
        "read_log",
        "rebuild_requests",
        "summarise_checks",
    ),
    *("target_view", "decide", "judge_family", "sentence", "measure_run", "judge_pairs", "judge_run", "read_finished_tally"),
    *("find_beaten", "summarise"),
}
"""Take logs, effects, runs and policies, which were checked when they were made."""


def refused_or_done(call, **changed):
    """The error's words, None where the call was done; anything but the package's own one line fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            call.run(**changed)
        except RecSimError as error:
            words = str(error)
        else:
            return None
    assert re.fullmatch(r"[^\n]*\bgot\b[^\n]*, expected [^\n]*; [^\n]*", words), words
    return words


def with_entry(values, entry):
    array = np.array(values)
    if not isinstance(entry, float) or array.dtype.kind in "bOU":
        array = array.astype(object)
    elif array.dtype.kind in "iu":
        array = array.astype(np.float64)
    array[(-1,) * array.ndim] = entry
    return array


@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_good_columns_is_done(name):
    assert refused_or_done(CALLS[name]) is None


@pytest.mark.parametrize("name", CALLS)
def test_an_entry_that_cannot_be_meant_is_refused_in_one_line(name):
    call = CALLS[name]
    for column, (kind, values) in call.columns.items():
        for entry in BAD_ENTRIES.get(kind, ()):
            assert refused_or_done(call, **{column: with_entry(values, entry)}), f"{column}: {entry!r}"


@pytest.mark.parametrize("name", CALLS)
def test_a_column_of_another_form_is_refused_in_one_line(name):
    call = CALLS[name]
    for column, (_, values) in call.columns.items():
        assert refused_or_done(call, **{column: 3}), f"{column}: a number"
        assert refused_or_done(call, **{column: {"a": 1}}), f"{column}: a mapping"
        assert refused_or_done(call, **{column: [[1, 2], [3]]}), f"{column}: ragged"
        refused_or_done(call, **{column: np.asarray(values, object)[None]})
        refused_or_done(call, **{column: values[:0]})


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.partners and len(call.columns) > 1])
def test_a_column_shorter_than_its_partners_is_refused_in_one_line(name):
    call = CALLS[name]
    for column, (_, values) in call.columns.items():
        assert refused_or_done(call, **{column: values[:-1]}), column


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.settings])
def test_a_setting_that_cannot_work_is_refused_in_one_line(name):
    call = CALLS[name]
    for setting, (_, wrong) in call.settings.items():
        for value in wrong:
            assert refused_or_done(call, **{setting: value}), f"{setting}: {value!r}"


def test_every_public_function_is_tried():
    public = {
        name
        for room in (offpolicy, statistics, metrics, comparison)
        for name in room.__all__
        if isfunction(getattr(room, name)) and not isclass(getattr(room, name))
    }
    assert public - CALLS.keys() == TAKE_VALUES


def test_ratings_of_items_that_the_catalog_lacks_are_refused():
    columns = {name: values for name, (_, values) in CATALOG.items()}
    ratings = Ratings(**{name: values for name, (_, values) in RATINGS.items()})
    with pytest.raises(RecSimError, match=r"got item_id 1, which the catalog lacks, expected .*; "):
        Dataset(name="odd", catalog=Catalog.from_columns(**columns), ratings=ratings)


def test_what_has_whole_numbers_behind_it_is_told_how_to_get_them():
    times = np.array(["1970-01-01T00:00:07"] * 6, "datetime64[ns]")
    assert "astype('int64')" in refused_or_done(CALLS["Ratings"], timestamp=times)
    assert refused_or_done(CALLS["Ratings"], timestamp=times.astype("datetime64[s]").astype("int64")) is None
    assert "not a mask" in refused_or_done(CALLS["Ratings"], user_id=np.ones(6, np.bool_))
    texts = np.array(["ann", "bob"] * 3)
    assert "return_inverse" in refused_or_done(CALLS["Ratings"], user_id=texts)
    assert refused_or_done(CALLS["Ratings"], user_id=np.unique(texts, return_inverse=True)[1]) is None


def test_ids_that_came_as_floats_or_objects_are_those_ids():
    for ids in ([0.0, 3.0, 2.0**53], np.array([0, 3, 9007199254740992], object), np.array([0, 3, 2**53], np.uint64)):
        columns = {"item_id": [1, 2, 3], "rating": [1, 2, 3], "timestamp": [0, 0, 0]}
        assert Ratings(user_id=ids, **columns).user_id.tolist() == [0, 3, 2**53]


def test_genres_that_are_one_text_an_item_are_refused():
    assert refused_or_done(CALLS["Catalog"], genres=["Drama"] * ITEMS)
    assert refused_or_done(CALLS["Catalog"], title="abcde")
