"""What estimators refuse, what they count, and laws that hold for all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slate_worlds import Policy, log_of, view_of
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.errors import ConfigError, ContractError, DataError
from recsim_llm.offpolicy import (
    Functions,
    LoggedSlates,
    ModelValues,
    TargetView,
    cascade_doubly_robust,
    direct_method,
    fit_reward_model,
    independent_ips,
    model_values,
    pseudo_inverse,
    reward_interaction_ips,
    slate_doubly_robust,
    slot_doubly_robust,
    standard_ips,
    target_view,
)
from recsim_llm.recommenders import Popularity, RandomRecommender, Softmax

SLOTS = 2
LOGGING, TARGET, UNIFORM = (Policy(odds, SLOTS) for odds in ([1, 2, 3, 1], [4, 1, 1, 2], [1, 1, 1, 1]))


def soft(temperature):
    return Softmax(Softmax.Settings(base="popularity", temperature=temperature))


def values_of(reward, guess=0.5):
    return ModelValues(
        logged=np.full(reward.shape, guess), expected=np.full(reward.shape, guess), expected_next=np.full(reward.shape, guess)
    )


ESTIMATORS = {
    "ips": lambda logged, target, **more: standard_ips(logged, target, **more),
    "rips": lambda logged, target, **more: reward_interaction_ips(logged, target, **more),
    "iips": lambda logged, target, **more: independent_ips(logged, target, **more),
    "dr": lambda logged, target, **more: slate_doubly_robust(logged, target, values_of(logged.reward), **more),
    "slot dr": lambda logged, target, **more: slot_doubly_robust(logged, target, values_of(logged.reward), **more),
    "cascade dr": lambda logged, target, **more: cascade_doubly_robust(logged, target, values_of(logged.reward), **more),
    "pi": lambda logged, target, **more: pseudo_inverse(logged, target, logging="uniform", **more),
}
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
NEEDS = {"ips": "slate_propensity", "rips": "prefix_propensity", "iips": "propensity", "pi": "propensity"} | {
    "dr": "slate_propensity",
    "slot dr": "propensity",
    "cascade dr": "prefix_propensity",
}


def example(seed=0, pages=60, target=TARGET, logging=UNIFORM):
    random = np.random.default_rng(seed)
    slates = logging.slates[random.choice(len(logging.slates), pages, p=logging.slate)]
    logged = log_of(logging, slates, random.random((pages, SLOTS)), np.arange(pages) // 3)
    return logged, view_of(target, logged.item_id)


@every_estimator
@pytest.mark.parametrize("self_normalised", [False, True])
def test_a_target_equal_to_the_logging_policy_earns_what_was_earned(name, self_normalised):
    logged, target = example(target=UNIFORM)
    estimate = ESTIMATORS[name](logged, target, self_normalised=self_normalised)
    assert estimate.value == pytest.approx(logged.reward.sum(axis=1).mean())
    assert estimate.largest_weight == pytest.approx(1)
    assert estimate.effective_pages == pytest.approx(len(logged))
    assert estimate.mean_weight.value == pytest.approx(1)
    assert estimate.notes == ()


@every_estimator
@given(seed=st.integers(0, 1000), part=st.integers(30, 60))
@settings(max_examples=10)
def test_the_order_of_pages_does_not_matter_and_each_counts_for_itself(name, seed, part):
    logged, target = example(seed)
    order = np.random.default_rng(seed).permutation(len(logged))
    whole, mixed = (ESTIMATORS[name](logged.take(rows), target.take(rows)) for rows in (np.arange(len(logged)), order))
    assert mixed.value == pytest.approx(whole.value)
    assert mixed.effect.standard_error == pytest.approx(whole.effect.standard_error)
    pieces = (
        [ESTIMATORS[name](logged.take(rows), target.take(rows)) for rows in (order[:part], order[part:])] if part < 60 else []
    )
    if pieces:
        shares = [piece.value * piece.pages for piece in pieces]
        assert sum(shares) / len(logged) == pytest.approx(whole.value)


@every_estimator
def test_an_unknown_propensity_is_refused_by_name(name):
    logged, target = example()
    column = NEEDS[name]
    values = getattr(logged, column).copy()
    values[3] = np.nan
    with pytest.raises(DataError, match=rf"got {column} of the log unknown"):
        ESTIMATORS[name](LoggedSlates(**{**vars(logged), column: values}), target)
    hidden = {"propensity": "placement"}.get(column, column)
    values = getattr(target, hidden).copy()
    values[3] = np.nan
    with pytest.raises(DataError, match=r"of the target unknown"):
        ESTIMATORS[name](logged, TargetView(**{**vars(target), hidden: values}))


def test_slate_estimators_refuse_a_log_of_marginals_alone():
    logged, target = example()
    poor = LoggedSlates.from_columns(
        user_id=logged.user_id, item_id=logged.item_id, reward=logged.reward, propensity=logged.propensity
    )
    independent_ips(poor, target)
    for estimator in (standard_ips, reward_interaction_ips):
        with pytest.raises(DataError, match="unknown in"):
            estimator(poor, target)


@pytest.mark.parametrize("name", ["ips", "rips", "iips"])
def test_a_log_without_anything_of_the_target_is_refused(name):
    logged, _ = example()
    none = TargetView.from_columns(
        pages=len(logged),
        slots=SLOTS,
        propensity=np.zeros(logged.reward.shape),
        prefix_propensity=np.zeros(logged.reward.shape),
        slate_propensity=np.zeros(len(logged)),
    )
    with pytest.raises(DataError, match="zero support"):
        ESTIMATORS[name](logged, none)


@pytest.mark.parametrize("name", ["ips", "rips", "iips"])
def test_a_log_of_a_certain_policy_cannot_carry_another(name):
    world = (make_catalog(6), make_ratings([1, 2, 2], [10, 11, 12]))
    shown = fitted(Popularity(), world).recommend(ask_for(np.arange(5)), SLOTS)
    logged = LoggedSlates.from_columns(
        user_id=np.arange(5),
        item_id=shown.item_id,
        reward=np.ones((5, SLOTS)),
        propensity=shown.propensity,
        prefix_propensity=shown.prefix_propensity,
        slate_propensity=shown.slate_propensity,
    )
    assert ESTIMATORS[name](logged, target_view(logged, fitted(Popularity(), world))).value == 2
    with pytest.raises(DataError, match="certain"):
        ESTIMATORS[name](logged, target_view(logged, fitted(RandomRecommender(), world)))


def test_zero_propensities_in_the_log_are_refused():
    logged, target = example()
    values = logged.slate_propensity.copy()
    values[0] = 0
    with pytest.raises(DataError, match="write NaN for unknown"):
        standard_ips(LoggedSlates(**{**vars(logged), "slate_propensity": values}), target)


def test_clipping_is_counted_and_told():
    logged, target = example(logging=LOGGING)
    weights = target.slate_propensity / logged.slate_propensity
    estimate = standard_ips(logged, target, clip=1.0)
    assert estimate.value == pytest.approx((np.minimum(weights, 1) * logged.reward.sum(axis=1)).mean())
    assert estimate.clipped == (weights > 1).sum() > 0
    assert estimate.largest_weight == pytest.approx(weights.max())
    assert "were cut to 1" in estimate.notes[0]
    with pytest.raises(ConfigError, match="clip"):
        standard_ips(logged, target, clip=0)


def test_weights_worth_few_pages_are_told():
    logged, target = example(pages=300, target=Policy([1, 1, 1, 500], SLOTS), logging=Policy([1, 1, 1, 0.01], SLOTS))
    notes = standard_ips(logged, target).notes
    assert any("the interval is too narrow" in note for note in notes)


def test_the_standard_error_is_that_of_the_users():
    logged, target = example(pages=300)
    weights = target.slate_propensity / logged.slate_propensity
    paid = np.bincount(logged.user_id, weights=weights * logged.reward.sum(axis=1)) / 3
    effect = standard_ips(logged, target).effect
    assert effect.users == 100
    assert effect.standard_error == pytest.approx(paid.std(ddof=1) / 10)


def test_positions_add_up_to_the_page():
    logged, target = example()
    for estimator in (standard_ips, reward_interaction_ips, independent_ips):
        estimate = estimator(logged, target, self_normalised=True)
        assert sum(one.value for one in estimate.by_position) == pytest.approx(estimate.value)


def test_the_reward_of_the_page_can_be_taken_instead_of_the_slots():
    logged, target = example()
    paid = LoggedSlates(**{**vars(logged), "page_reward": np.full(len(logged), 7.0)})
    estimate = standard_ips(paid, target, outcome="page", self_normalised=True)
    assert estimate.value == pytest.approx(7)
    assert estimate.by_position == ()


def test_the_pseudo_inverse_refuses_logs_of_another_kind():
    logged, target = example(logging=LOGGING)
    with pytest.raises(DataError, match="not those of uniform draws"):
        pseudo_inverse(logged, target, logging="uniform")
    with pytest.raises(DataError, match="differ from the slot marginals"):
        pseudo_inverse(logged, target, logging="independent")
    with pytest.raises(ConfigError, match="logging"):
        pseudo_inverse(logged, target, logging="greedy")


def test_the_cascade_refuses_without_what_comes_next():
    logged, target = example()
    values = values_of(logged.reward)
    with pytest.raises(DataError, match="expected_next"):
        cascade_doubly_robust(logged, target, ModelValues(logged=values.logged, expected=values.expected))


def test_pages_given_twice_are_refused():
    with pytest.raises(DataError, match="twice"):
        LoggedSlates.from_columns(user_id=[1, 1], page=[0, 0], item_id=[[1], [2]], reward=[[0], [0]])


def test_functions_stand_in_for_a_policy():
    logged, target = example()
    policy = Functions(
        prefix=lambda requests, item_id: TARGET.prefixes(item_id),
        placements=lambda requests, item_id: TARGET.placement(item_id),
    )
    view = target_view(logged, policy)
    assert np.allclose(view.slate_propensity, target.slate_propensity)
    assert np.allclose(view.propensity, target.propensity)
    assert np.isnan(
        target_view(logged, Functions(slate=lambda requests, item_id: np.ones(len(item_id)))).prefix_propensity
    ).all()


def crash(_requests, _item_id):
    return 1 / 0


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (crash, r"got ZeroDivisionError: division by zero .*line \d+"),
        (lambda _, item_id: "a", "got 'a'|got shape"),
        (lambda _, item_id: np.full(item_id.shape, "a"), "got 'a'"),
        (lambda _, item_id: None, "got"),
        (lambda _, item_id: np.ones(1), r"got shape \(1,\)"),
        (lambda _, item_id: np.full(item_id.shape, 2.0), r"got 2\.0 .*expected 0 to 1"),
    ],
)
def test_a_function_that_gives_no_probabilities_is_named_with_what_it_gave(answer, told):
    logged, _ = example()
    with pytest.raises(ContractError, match=f"^Functions: prefix: {told}"):
        target_view(logged, Functions(prefix=answer))


@pytest.mark.parametrize("answer", [crash, lambda _, item_id: np.full(item_id.shape, "a")])
def test_a_reward_model_that_gives_no_numbers_is_named(answer):
    logged, _ = example()
    with pytest.raises(ContractError, match=r"^reward model: got "):
        model_values(logged, fitted(Popularity(), (make_catalog(6), make_ratings([1], [10]))), answer, seed=1)


@pytest.mark.parametrize("policy", ["popularity", None, lambda _, item_id: 1])
def test_what_is_no_policy_is_refused_as_a_target(policy):
    logged, _ = example()
    with pytest.raises(ContractError, match=r"expected a fitted recommender .* or Functions"):
        target_view(logged, policy)


def test_an_estimator_names_what_stands_in_the_place_of_log_target_or_values():
    logged, target = example()
    with pytest.raises(ConfigError, match="got TargetView as the log, expected LoggedSlates; make them by read_log"):
        standard_ips(target, logged)
    with pytest.raises(ConfigError, match="got Functions as the target, expected a TargetView; make it by target_view"):
        standard_ips(logged, Functions())
    with pytest.raises(ConfigError, match="got NoneType, expected ModelValues; make them by model_values"):
        slate_doubly_robust(logged, target, None)


class Drawing(Popularity):
    """Does not say how likely its pages were."""

    def recommend(self, requests, k):
        return super().recommend(requests, k)._replace(slate_propensity=None)


def test_a_policy_that_does_not_tell_is_unknown_not_zero():
    logged, _ = example()
    policy = fitted(Drawing(), (make_catalog(6), make_ratings([1], [10])))
    view = target_view(logged, policy)
    assert np.isnan(view.slate_propensity).all()
    assert np.isnan(view.placement).all()
    with pytest.raises(ContractError, match="not certain"):
        model_values(logged, policy, lambda requests, item_id: np.zeros(item_id.shape), seed=1)


def served(policy, users=400, pages=3, slots=2, items=12, seed=0):
    """A log of a policy among users who like even items and look at the first position twice as often."""
    world = (make_catalog(items, features=np.eye(items)), make_ratings([9999], [10]))
    recommender, random = fitted(policy, world), np.random.default_rng(seed)
    shown, clicked = np.full((users, 0), -1), np.zeros((users, 0), np.bool_)
    columns = {name: [] for name in ("item_id", "reward", "propensity", "prefix_propensity", "slate_propensity")}
    for page in range(pages):
        slates = recommender.recommend(ask_for(np.arange(users), shown, clicked, page=page), slots)
        clicks = random.random((users, slots)) < like(slates.item_id)
        for name in columns:
            columns[name].append(clicks if name == "reward" else getattr(slates, name))
        shown, clicked = np.hstack([shown, slates.item_id]), np.hstack([clicked, clicks])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    user, page = np.tile(np.arange(users), pages), np.repeat(np.arange(pages), users)
    return LoggedSlates.from_columns(user_id=user, page=page, **joined), world


def like(item_id):
    return np.where(item_id % 2 == 0, 0.6, 0.1) * np.array([1.0, 0.5])


def test_requests_are_rebuilt_so_that_the_logging_policy_knows_its_own_pages():
    for policy in (RandomRecommender(), soft(0.5)):
        logged, world = served(policy)
        view = target_view(logged, fitted(policy, world))
        assert np.allclose(view.prefix_propensity, logged.prefix_propensity)
        assert np.allclose(view.slate_propensity, logged.slate_propensity)


def test_a_part_of_a_log_is_not_enough_to_ask_a_policy():
    logged, world = served(RandomRecommender())
    with pytest.raises(DataError, match="earlier pages"):
        target_view(logged.take(logged.page > 0), fitted(RandomRecommender(), world))
    first = logged.take(logged.page == 0)
    assert len(target_view(first, fitted(RandomRecommender(), world)).slate_propensity) == 400


def test_the_fitted_reward_model_finds_what_users_like():
    logged, world = served(RandomRecommender())
    model = fit_reward_model(logged, world[0], seed=1)
    values = model_values(logged, fitted(RandomRecommender(), world), model, seed=1)
    assert np.abs(values.logged - like(logged.item_id)).mean() < 0.06
    assert direct_method(logged, values).value == pytest.approx(logged.reward.sum(axis=1).mean(), abs=0.05)


def test_no_user_is_predicted_by_their_own_clicks():
    logged, world = served(RandomRecommender(), users=100)
    model = fit_reward_model(logged, world[0], seed=1)
    changed = logged.reward.copy()
    changed[logged.user_id == 5] = 1 - changed[logged.user_id == 5]
    other = fit_reward_model(LoggedSlates(**{**vars(logged), "reward": changed}), world[0], seed=1)
    items = np.tile(world[0].item_id, (1, SLOTS, 1))
    assert np.allclose(model(ask_for([5]), items), other(ask_for([5]), items))
    same = [np.allclose(model(ask_for([user]), items), other(ask_for([user]), items)) for user in range(20)]
    assert not all(same)


def test_a_reward_model_of_other_rewards_is_refused():
    logged, world = served(RandomRecommender(), users=60)
    with pytest.raises(DataError, match="outside 0 to 1"):
        fit_reward_model(LoggedSlates(**{**vars(logged), "reward": logged.reward * 5}), world[0], seed=1)


@pytest.mark.parametrize("policy", [RandomRecommender(), soft(0.2), Popularity()])
def test_expectations_of_a_model_are_those_of_the_target(policy):
    logged, world = served(RandomRecommender(), users=50)
    target = fitted(policy, world)
    values = model_values(logged, target, lambda requests, item_id: (item_id == 20) * 1.0, seed=3, draws=400)
    if isinstance(policy, Popularity):
        assert values.expected_next is None
        return
    placed = target.placements(ask_for(logged.user_id[:1]), np.array([[20, 21]]))[0, 0]
    first = logged.page == 0
    assert np.allclose(values.expected[first].mean(axis=0), placed, atol=0.02)
    assert np.allclose(values.expected_next[first, 0], placed[0])
