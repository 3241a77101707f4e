"""Items that a scenario makes new: no recommender knows what was done with them, and simulated clicks can."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from finding_checks import answers
from genre_worlds import write_genre_tables
from planted_worlds import SEED

from recsim_llm.agents.choice.choice_candidate import ChoiceCandidate
from recsim_llm.agents.choice.saved_fits import fitted_for
from recsim_llm.agents.warmed import unrated_items
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.realism.cold.simulated_clicks import simulate_clicks
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.building import split_cold, stage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_genre_tables(tmp_path_factory.mktemp("planted"))


def changes(folder, **more):
    return {"data": str(folder), "users.count": 80, "max_pages": 2, "slate_size": 6, "cold_items": 0.2, "seed": 1} | more


def test_nobody_knows_what_was_done_with_new_items_and_what_is_judged_by_does(folder, tmp_path):
    scenario = load_scenario("cold-start-items", changes(folder))
    with stage(scenario, calls=tmp_path / "calls.sqlite") as built:
        known, of_cold = split_cold(scenario, built.dataset)
        training, later = built.training_part()
        new = np.unique(of_cold.item_id)
        assert len(new) == 16
        assert not np.isin(training.ratings.item_id, new).any()
        assert (built.world.catalog.popularity[built.world.catalog.index_of(new)] == 0).all()
        assert len(training.ratings) + len(later) == len(built.dataset.ratings) == len(known.ratings) + len(of_cold)
        # Who rated a new item has it before them as anybody else has.
        assert np.isin(later.item_id, new).sum() == len(of_cold)


def test_without_the_key_nothing_is_new(folder, tmp_path):
    scenario = load_scenario("cold-start-items", changes(folder, cold_items=None))
    with stage(scenario, calls=tmp_path / "calls.sqlite") as built:
        assert split_cold(scenario, built.dataset) == (built.dataset, None)
    assert "cold_items" not in scenario.model_dump()


def test_seeds_make_other_items_new(folder, tmp_path):
    drawn = []
    for seed in (1, 2):
        scenario = load_scenario("cold-start-items", changes(folder, seed=seed))
        with stage(scenario, calls=tmp_path / f"{seed}.sqlite") as built:
            drawn.append(set(split_cold(scenario, built.dataset)[1].item_id.tolist()))
    assert drawn[0] != drawn[1]


def shown_new(out):
    """Return how often each arm shows an item without ratings."""
    items = pq.read_table(out / "items.parquet").to_pydict()
    new = [item for item, count in zip(items["item_id"], items["popularity"], strict=True) if count == 0]
    shown = pq.read_table(out / "impressions").to_pydict()
    return {
        name: sum(arm == name and item in new for arm, item in zip(shown["arm"], shown["item_id"], strict=True))
        for name in set(shown["arm"])
    }


def test_simulated_clicks_bring_new_items_before_users_and_none_do_not(folder, tmp_path):
    run(load_scenario("cold-start-items", changes(folder)), tmp_path / "warm")
    found = shown_new(tmp_path / "warm")
    assert found["mf warmed"] > found["mf"] + 50
    assert found["content"] > 50
    # Switched off: as good as no simulated click leaves the two arms alike.
    arms = ["mf", {"name": "mf warmed", "recommender": "warmed", "settings": {"clicks": 0.2}}]
    off = {"recommenders": arms, "measure": None, "expect": []}
    run(load_scenario("cold-start-items", changes(folder, **off)), tmp_path / "off")
    found = shown_new(tmp_path / "off")
    assert found["mf warmed"] < found["mf"] + 50


@pytest.mark.parametrize("share", [0, 1, -0.1, "many"])
def test_a_share_that_is_none_is_refused(folder, share):
    with pytest.raises(ConfigError, match="cold_items"):
        load_scenario("cold-start-items", changes(folder, cold_items=share))


def deal_clicks(seed, out):
    """Write the clicks that warm the scenario's recommender, each user's dealt to another one, and return the folder."""
    with stage(load_scenario("cold-start-items", {"seed": seed}), calls=out / "calls.sqlite") as built:
        known, _ = built.training_part()
    training = Dataset(name="training part", catalog=known.catalog, ratings=known.ratings)
    new = unrated_items(training.catalog, training.ratings)
    clicks = simulate_clicks(ChoiceCandidate(fitted_for(training)), training, new, seed=seed)
    users = training.ratings.users
    dealt = np.random.default_rng(seed).permutation(users)[np.searchsorted(users, clicks.user_id)]
    rows = zip(dealt.tolist(), clicks.item_id.tolist(), clicks.timestamp.tolist(), strict=True)
    lines = ["user_id,item_id,timestamp", *(",".join(map(str, row)) for row in rows)]
    (out / "interactions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


@pytest.mark.slow
def test_the_same_clicks_of_other_users_do_not_reach_the_bar(tmp_path):
    dealt = {"base": "mf", "interactions": str(deal_clicks(SEED, tmp_path))}
    second = {"name": "mf warmed", "recommender": "warmed", "settings": dealt}
    found = answers("cold-start-items", tmp_path / "run", {"seed": SEED, "recommenders": ["mf", second, "random"]})
    assert found["warm-up-reaches-new-items"] == "does not hold"
    assert found["right-users"] != "holds"
