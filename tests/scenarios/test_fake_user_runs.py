"""Fake users in runs: when they come, who learns from them, and that they are nobody in the log."""

import numpy as np
import pyarrow.parquet as pq

from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.clock import Moment
from recsim_llm.dynamics.fake_profiles import FIRST_FAKE
from recsim_llm.dynamics.interventions import Intervention
from recsim_llm.dynamics.timeline import Timeline
from recsim_llm.scenarios import load_scenario, run

DAILY = [
    {"name": "fitted daily", "recommender": "popularity", "retrain": "day"},
    {"name": "fitted once", "recommender": "popularity"},
]


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
