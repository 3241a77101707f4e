"""What is added to a timeline while time goes by holds like what was planned, until it is ended."""

import numpy as np
import pytest
from watched_runs import CLOCK, small

from recsim_llm.dynamics.influence import Influence
from recsim_llm.dynamics.interventions import Intervention
from recsim_llm.dynamics.timeline import Timeline
from recsim_llm.errors import ConfigError
from recsim_llm.language.providers import Roles
from recsim_llm.scenarios.building import build_scenario_world, load_dataset


@pytest.fixture(scope="module")
def world():
    scenario = small(**CLOCK, recommenders=["random"])
    return build_scenario_world(scenario, load_dataset(scenario), Roles({}))


@pytest.fixture
def timeline(world):
    return Timeline((), world.catalog, world.population, 3)


@pytest.fixture
def influence(world):
    made = Influence(world.catalog, ("before",))
    made.allocate(len(world.population))
    return made


def moments():
    return small(**CLOCK).clock.clock(np.arange(3), 3).moments()


def plan(name, change, at=1.0):
    return Intervention.read({"name": name, "at": at, "change": change}, "test")


def test_a_trend_that_is_added_holds_until_it_is_ended(timeline, influence):
    pages = np.array([[0, 5], [7, 3]])
    timeline.act(moments()[0], influence)
    timeline.add(plan("by hand", {"trend": {"items": {"items": None}, "size": 1.5}}), influence)
    added = []
    for number, moment in enumerate(moments()):
        if number == 3:
            timeline.end("by hand", 3.0)
        told = timeline.act(moment, influence)
        added.append((influence.clicks(np.array([0, 1]), pages)[0, 0], [(one.event, one.subject) for one in told]))
    assert added == [
        (0.0, []),
        (1.5, [("begins", "by hand")]),
        (1.5, []),
        (0.0, [("ends", "by hand")]),
        (0.0, []),
    ]


def test_columns_that_are_there_stay_what_they_were(influence):
    influence.load[:, influence.column("before")], influence.weight[:, influence.column("before")] = 1.0, 0.5
    before = influence.clicks(np.array([0]), np.array([[0, 1]]))
    influence.add_cause("by hand")
    assert influence.column("before") + 1 == influence.column("by hand") == influence.load.shape[1] - 1
    np.testing.assert_array_equal(influence.clicks(np.array([0]), np.array([[0, 1]])), before)
    influence.allocate(7)
    assert influence.weight.shape == (7, influence.load.shape[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"release": {"items": {}}}, "got release during the run, expected it from the start"),
        ({"arrive": {}}, "got arrive during the run, expected it from the start"),
        ({"trend": {"items": {"genre": "Dramma"}, "size": 1.0}}, "expected"),
    ],
)
def test_what_cannot_begin_in_the_middle_is_refused_and_not_added(timeline, influence, change, said):
    with pytest.raises(ConfigError, match=said):
        timeline.add(plan("by hand", change), influence)
    assert timeline.causes == ()


def test_names_differ(timeline, influence):
    timeline.add(plan("by hand", {"impatience": {"size": 1.0}}), influence)
    with pytest.raises(ConfigError, match="got the name 'by hand' twice"):
        timeline.add(plan("by hand", {"impatience": {"size": 2.0}}), influence)
