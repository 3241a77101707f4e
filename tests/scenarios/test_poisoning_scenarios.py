"""Shipped scenarios of fake users: what they expect holds on seeds that chose nothing, and not where nobody attacks."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from finding_checks import answers, check_expectation

from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.clock import Moment
from recsim_llm.dynamics.fake_profiles import FIRST_FAKE
from recsim_llm.dynamics.interventions import Intervention
from recsim_llm.dynamics.timeline import Timeline
from recsim_llm.scenarios import load_scenario, run

SEEDS = (23,)
"""It chose no parameter of a scenario, and is none of those that findings name."""
SMALL = {"poisoning": {"users.count": 100}, "market-manipulation": {"users.count": 50, "clock.days": 9}}
ATTACK = {"kind": "bandwagon", "items": {"items": [7]}, "share": 0.05, "filler": 12}
KNN = {"recommender": "item-knn"}
SCREENED = {"name": "screened", "recommender": "screened", "settings": {"base": "item-knn"}}
ATTACKED, BOTH = {"name": "attacked"} | KNN | {"attack": ATTACK}, {"name": "attacked, screened"}
DAILY = [
    {"name": "fitted daily", "recommender": "popularity", "retrain": "day"},
    {"name": "fitted once", "recommender": "popularity"},
]
OPPOSITES = {
    "nobody attacks": (
        "poisoning",
        {"recommenders": ["item-knn", {"name": "attacked"} | KNN, BOTH | KNN, SCREENED]},
        {"attack-lifts"},
    ),
    "nobody screens": (
        "poisoning",
        {"recommenders": ["item-knn", ATTACKED, BOTH | KNN | {"attack": ATTACK}, SCREENED]},
        {"screening-takes-it-away"},
    ),
    "random pages stand for screened ones": (
        "poisoning",
        {"recommenders": ["item-knn", ATTACKED, BOTH | KNN, {"name": "screened", "recommender": "random"}]},
        {"screening-costs-nothing"},
    ),
    "no clicks are bought": ("market-manipulation", {"interventions": []}, {"bought-clicks-pay"}),
    "no day is screened": (
        "market-manipulation",
        {"recommenders": [*DAILY, {"name": "screened daily", "recommender": "popularity", "retrain": "day"}]},
        {"screening-stops-it"},
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_no_seed_of_these_tests_may_judge_by_itself_and_each_finding_has_an_opposite(name):
    check_expectation(name, SEEDS, OPPOSITES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SMALL)
def test_what_is_expected_holds_on_seeds_that_chose_nothing(name, seed, tmp_path):
    found = answers(name, tmp_path / "run", SMALL[name] | {"seed": seed})
    assert set(found.values()) == {"holds"}, found


@pytest.mark.slow
@pytest.mark.parametrize("opposite", OPPOSITES)
def test_where_the_effect_is_switched_off_the_finding_fails(opposite, tmp_path):
    name, off, refuted = OPPOSITES[opposite]
    found = answers(name, tmp_path / "run", SMALL[name] | {"seed": SEEDS[0]} | off)
    assert {finding: found[finding] for finding in refuted} == dict.fromkeys(refuted, "does not hold")


def test_fake_users_come_evenly_until_the_end_or_all_at_once(world):
    item_id = world.catalog.item_id
    genuine = Ratings(user_id=np.arange(40), item_id=np.resize(item_id, 40), rating=np.full(40, 4.0), timestamp=np.arange(40))
    change = {"attack": {"kind": "plain", "items": {"items": [int(item_id[3])]}, "share": 0.2}}
    plans = [
        Intervention(name="bought", at=1.0, until=3.0, change=change),
        Intervention(name="at once", at=2.0, change=change),
    ]
    timeline = Timeline(plans, world.catalog, world.population, 5)
    come = [timeline.fakes(Moment(day, 0, day * 24, day * 24 + 24), genuine) for day in range(5)]
    assert [[len(fakes) for fakes in day] for day in come] == [[], [4], [4, 8], [], []]
    users = [user for day in come for fakes in day for user in fakes.users.tolist()]
    assert len(set(users)) == 16
    assert min(users) > FIRST_FAKE


def test_nobody_but_the_users_is_in_the_log_and_only_who_learns_is_moved(tmp_path):
    """The pushed films are shown while accounts click them, by the recommender that is fitted daily alone."""
    pushed = {"kind": "plain", "items": {"items": [7, 8]}, "share": 0.2}
    small = {
        "users.count": 20,
        "clock.days": 5,
        "recommenders": [*DAILY, {"name": "attacked", "recommender": "popularity", "attack": pushed}],
        "interventions": [{"name": "bought", "at": 2, "until": 3, "change": {"attack": pushed}}],
        "measure": None,
        "expect": [],
        "seed": 905,
    }
    folder = run(load_scenario("market-manipulation", small), tmp_path / "run")
    rows = pq.read_table(folder / "impressions", columns=["arm", "user_id", "visit", "item_id"]).to_pandas()
    users = pq.read_table(folder / "users.parquet", columns=["user_id"])["user_id"].to_pylist()
    assert set(rows.user_id) <= set(users)
    assert max(users) < FIRST_FAKE
    shown = rows.item_id.isin([7, 8]).groupby(rows.arm.astype(str)).any()
    assert shown.to_dict() == {"attacked": True, "fitted daily": True, "fitted once": False}
    events = pq.read_table(folder / "events").to_pandas()
    assert events[events.subject == "bought"].event.tolist()[:2] == ["begins", "ends"]
