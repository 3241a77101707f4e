"""What happens by plan: when, to whom, how much, and what is refused."""

import numpy as np
import pytest
from living import EVERYTHING, tiny_catalog, tiny_population

from recsim_llm.core import keyed
from recsim_llm.dynamics.clock import Moment
from recsim_llm.dynamics.influence import Influence
from recsim_llm.dynamics.interventions import Intervention, tastes_elsewhere
from recsim_llm.dynamics.selection import ItemSelection, UserSelection
from recsim_llm.dynamics.timeline import Timeline
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.clock_settings import ClockSettings

WORD = keyed.words(3, "test", 0)


def day(number):
    return Moment(number, 0, number * 24, number * 24 + 24)


def plan(change, at=2, **more):
    return Intervention.read({"name": "it", "at": at, "change": change} | more, "test")


def timeline(*plans):
    return Timeline(plans, tiny_catalog(), tiny_population(), 5)


def influence_of(made, number):
    influence = Influence(tiny_catalog(), made.causes)
    influence.allocate(6)
    made.prepare(influence, ClockSettings(days=9).clock(tiny_population().user_id, 5))
    events = made.act(day(number), influence)
    return influence, events


@pytest.mark.parametrize(("said", "days"), [("day 10", 10.0), ("day 10 hour 18", 10.75), ("day 0, hour 6", 0.25), (3, 3.0)])
def test_times_are_written_as_days_and_hours(said, days):
    assert plan({"arrive": {}}, at=said).at == days


@pytest.mark.parametrize("said", ["tomorrow", "day -1", "day 3 hour 24", -2, True])
def test_times_that_are_none_are_refused(said):
    with pytest.raises(ConfigError, match="at"):
        plan({"arrive": {}}, at=said)


def test_a_change_must_be_one_change():
    for change in ({}, {"arrive": {}, "impatience": {"size": 1.0}}):
        with pytest.raises(ConfigError, match="exactly one"):
            timeline(plan(change))


@pytest.mark.parametrize(
    ("change", "more", "said"),
    [
        ({"release": {"items": {"share": 0.5}}}, {"until": 5}, "no end"),
        ({"impatience": {"size": 1.0}}, {"until": 1}, "after 2"),
        ({"retire": {"items": {}}}, {"who": {"share": 0.5}}, "leave who out"),
        ({"drift": {"size": 1.0, "genres": ["Z"]}}, {}, "expected one of A, B, C"),
        ({"trend": {"items": {"genre": "a"}, "size": 1.0}}, {}, "did you mean 'A'|expected one of A, B, C"),
        ({"trend": {"items": {"items": [11, 999]}, "size": 1.0}}, {}, "999"),
        ({"trend": {"items": {"provider": "x"}, "size": 1.0}}, {}, "studio 0"),
        ({"impatience": {"size": 1.0}}, {"who": {"trait": "patience"}}, "above or below"),
        ({"impatience": {"size": 1.0}}, {"who": {"above": 0.5}}, "trait or likes"),
        ({"impatience": {"size": 1.0}}, {"who": {"demographics": {"age": "older"}}}, "nobody"),
        ({"impatience": {"size": 1.0}}, {"who": {"demographics": {"city": "x"}}}, "age"),
    ],
)
def test_what_cannot_happen_is_refused_in_one_line(change, more, said):
    with pytest.raises(ConfigError, match=said) as caught:
        timeline(plan(change, **more))
    assert "\n" not in str(caught.value)
    assert "'it'" in str(caught.value)


def test_two_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="twice"):
        timeline(plan({"arrive": {}}), plan({"impatience": {"size": 1.0}}))


def test_a_drift_grows_to_its_size_and_stays():
    made = timeline(plan({"drift": {"size": 2.0, "days": 4, "genres": ["B"]}}, who={"demographics": {"age": "old"}}))
    by_day = [influence_of(made, number)[0].weight[:, 2].tolist() for number in (1, 2, 4, 9)]
    assert by_day[0] == [0.0] * 6
    assert by_day[1] == pytest.approx([0, 2 * 11.5 / 24 / 4] * 3)
    assert by_day[3] == [0.0, 2.0] * 3


def test_a_season_comes_and_goes():
    made = timeline(plan({"season": {"genres": ["A"], "size": 1.0, "period": 4}}, at=0.5 - 1 / 48))
    weights = [influence_of(made, number)[0].weight[0, 1] for number in range(5)]
    assert weights == pytest.approx([1, 0, -1, 0, 1], abs=1e-6)


def test_a_trend_fades_and_ends():
    made = timeline(plan({"trend": {"items": {"genre": "C"}, "size": 2.0, "fades": True}}, at=2, until=6))
    sizes = [influence_of(made, number)[0].clicks(np.array([0]), np.arange(6)[None])[0] for number in (1, 2, 5, 6)]
    assert np.array_equal(sizes[1] > 0, tiny_catalog().genres[:, 2])
    assert sizes[1].max() > sizes[2].max() > 0
    assert not sizes[0].any()
    assert not sizes[3].any()


def test_a_lower_price_raises_clicks_by_its_elasticity():
    made = timeline(plan({"price": {"items": {"items": [11]}, "change": -0.5, "elasticity": 2.0}}))
    assert influence_of(made, 3)[0].clicks(np.array([0]), np.array([[0, 1]]))[0] == pytest.approx([2 * np.log(2), 0])


def test_what_begins_and_ends_is_told_once():
    made = timeline(plan({"impatience": {"size": 1.0}}, until=4, who={"users": [100, 103]}))
    influence, told = influence_of(made, 0)
    for number in range(1, 6):
        told += made.act(day(number), influence)
    assert [(one.event, one.subject, one.value) for one in told] == [("begins", "it", 2.0), ("ends", "it", 2.0)]


def test_items_come_and_go():
    made = timeline(
        plan({"release": {"items": {"items": [11, 12]}}}, at=3, name="new"),
        plan({"retire": {"items": {"items": [16]}}}, name="old"),
    )
    assert [made.on_sale(day(number)).astype(int).tolist() for number in (0, 2, 3)] == [
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 0],
    ]
    assert made.unreleased().tolist() == [True, True, False, False, False, False]


def test_late_users_come_first_on_their_day_at_the_earliest():
    made = timeline(plan({"arrive": {}}, at=5, who={"users": [102]}))
    clock = ClockSettings(days=9, arrive_days=1).clock(tiny_population().user_id, 5)
    made.prepare(Influence(tiny_catalog()), clock)
    assert (clock.due // 24).tolist() == [0, 0, 5, 0, 0, 0]


def test_moved_tastes_are_others_and_bounded():
    population = tiny_population()
    chosen = np.array([True, True, False] * 2)
    gain = tastes_elsewhere(population, chosen, WORD)
    assert not gain[~chosen].any()
    assert np.abs(gain).max() <= 1.0
    moved = gain[chosen].any(axis=1)
    assert moved.any()
    assert (gain[chosen][moved].max(axis=1) == 1.0).all()


def test_selections_take_what_fits_every_condition():
    population, catalog = tiny_population(), tiny_catalog()
    assert UserSelection(trait="patience", above=0.5).mask(population, WORD).tolist() == [False] * 3 + [True] * 3
    both = UserSelection(likes="A", above=0.4, users=[100, 101, 104])
    assert population.user_id[both.mask(population, WORD)].tolist() == [100, 104]
    assert catalog.item_id[ItemSelection(rare=0.34).mask(catalog, WORD)].tolist() == [15, 16]
    assert catalog.item_id[ItemSelection(popular=0.5, genre="A").mask(catalog, WORD)].tolist() == [11, 13]
    assert catalog.item_id[ItemSelection(provider="studio 1").mask(catalog, WORD)].tolist() == [12, 14, 16]


def test_everything_of_a_living_scenario_can_be_read():
    for settings in EVERYTHING:
        Intervention.read(settings, "test").check()
