"""Users of one shop come to another: what is known of them, what is shown to them, and what it is worth."""

import numpy as np
import pytest

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.core import keyed
from recsim_llm.core.pages import Requests
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import open_recommender
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.building import split_cold, stage

USERS, ITEMS, GENRES = 160, 240, ("Art", "Brawl", "Comedy", "Drama")
SEEDS = (51, 52)
"""Neither chose a parameter of the scenario, nor are they those that its findings name."""


def write_shops(folder, *, linked):
    """Write 160 users of four tastes and things of two shops; unlinked, tastes in one are others than in the other."""
    folder.mkdir()
    genre, second = np.arange(ITEMS) % 4, np.arange(ITEMS) // 4 % 2 == 1
    mine = np.arange(USERS) % 4
    other = mine if linked else keyed.words(1, "other taste", np.arange(USERS)).argsort() % 4
    wanted = np.where(second, other[:, None], mine[:, None]) == genre
    draw = keyed.uniform(keyed.words(3, "planted", np.arange(USERS)[:, None], np.arange(ITEMS)))
    user, item = np.nonzero(draw < np.where(wanted, 0.25, 0.02))
    stars = np.where(wanted[user, item], 4.5, 2.5)
    lines = [f"{who},{what},{star},{time}" for time, (who, what, star) in enumerate(zip(user, item, stars, strict=True))]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *lines]) + "\n", encoding="utf-8")
    # Genres are told of the first shop alone, so that nothing but users links the two.
    things = [f"{what},thing {what},{GENRES[genre[what]]},{'Second' if second[what] else 'First'}" for what in range(ITEMS)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres,provider", *things]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return write_shops(tmp_path_factory.mktemp("linked") / "shops", linked=True)


def changes(folder, **more):
    shelf = {"items": {"provider": "Second"}}
    arms = [
        {"name": name, "recommender": "shelf", "settings": shelf | {"learn": learn}}
        for name, learn in (("one shop", "shelf"), ("both shops", "all"))
    ]
    small = {"users.count": USERS, "slate_size": 4, "max_pages": 2, "seed": 1}
    return {"data": str(folder), "new_to": {"provider": "Second"}, "recommenders": arms} | small | more


def test_nobody_knows_what_newcomers_took_in_the_new_shop_and_everybody_the_rest(shops, tmp_path):
    scenario = load_scenario("cross-domain", changes(shops))
    with stage(scenario, calls=tmp_path / "calls.sqlite") as built:
        known, hidden = split_cold(scenario, built.dataset)
        come = built.world.population.user_id
        second = built.dataset.catalog.item_id[built.dataset.catalog.provider == "Second"]
        assert 0.3 * USERS < len(come) < 0.7 * USERS
        assert np.isin(hidden.user_id, come).all()
        assert np.isin(hidden.item_id, second).all()
        of_them, there = np.isin(known.ratings.user_id, come), np.isin(known.ratings.item_id, second)
        assert not (of_them & there).any()
        assert (of_them & ~there).any()
        assert (~of_them & there).any()
        assert len(known.ratings) + len(hidden) == len(built.dataset.ratings)
    everyone = load_scenario("cross-domain", changes(shops, **{"users.part": "all", "train": None}))
    assert set(split_cold(everyone, open_dataset(str(shops)))[1].item_id.tolist()) == set(second.tolist())
    with pytest.raises(ConfigError, match="new_to: got so much of shops that no rating is left"):
        split_cold(load_scenario("cross-domain", changes(shops, new_to={}, **{"users.part": "all"})), open_dataset(str(shops)))


def test_a_shelf_shows_its_own_items_alone_and_learns_what_it_may(shops):
    data = open_dataset(str(shops))
    second = data.catalog.item_id[data.catalog.provider == "Second"]
    first, none = np.zeros(USERS, np.int64), np.empty((USERS, 0))
    history = none.astype(np.int64), none.astype(np.bool_), none.astype(np.float32)
    asked = Requests(np.arange(USERS), first, first, *history)
    pages = {}
    for learn in ("shelf", "all"):
        settings = {"items": {"provider": "Second"}, "base": "item-knn", "learn": learn}
        shelf = open_recommender("shelf", settings)
        shelf.fit(data.catalog, data.ratings, 3)
        pages[learn] = shelf.recommend(asked, 5).item_id
        assert np.isin(pages[learn], second).all()
    assert (pages["shelf"] != pages["all"]).any()
    shelf.restock(data.catalog)
    assert np.isin(shelf.recommend(asked, 5).item_id, second).all()
    with pytest.raises(ConfigError, match="expected 1 to 120, the number of items on sale"):
        shelf.recommend(asked, 121)
    nobody = open_recommender("shelf", {"items": {"provider": "Second"}, "learn": "shelf"})
    with pytest.raises(ConfigError, match="got no rating of the items that are shown"):
        nobody.fit(data.catalog, data.ratings.take(~np.isin(data.ratings.item_id, second)), 3)


def test_taste_carries_over_where_it_is_shared_and_not_where_it_is_not(shops, tmp_path):
    """Both worlds with the same seeds: who knows the other shop leads in the one, and does not in the other."""
    unlinked = write_shops(tmp_path / "unlinked", linked=False)
    lively = {"users.parameters": {"click_bias": 3.0, "boredom": 0.0, "drift": 0.0}, "visits": 1}
    for seed in SEEDS:
        leads = {}
        for name, folder in (("shared", shops), ("unrelated", unlinked)):
            found = measure_findings(
                run(load_scenario("cross-domain", changes(folder, seed=seed, **lively)), tmp_path / f"{name}{seed}")
            )
            (finding,) = found.findings
            leads[name] = finding.contrast.estimate, finding.answer
        assert leads["shared"][0].low > 0.02
        assert leads["shared"][1] == "does not hold"
        assert leads["unrelated"][0].low < 0
