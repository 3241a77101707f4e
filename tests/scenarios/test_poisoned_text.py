"""Poisoned words: a policy that obeys them shows the item first, a sound one does not, and nobody else reads them."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from obedient_script import ORDER
from small_data import make_catalog

from recsim_llm.dynamics.poisoned_text import TextPoison, with_poison
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.runner import run
from recsim_llm.scenarios.schema import scenario_from

TARGET = 9
"""Place of the poisoned film in the order of popularity: a candidate, and on no first page of three."""


def shares(tmp_path, script):
    """Return the share of the first pages that show the film first, by arm."""
    from recsim_llm.data import open_dataset

    known, _ = open_dataset("fictional-100").training_part(0.8)
    film = int(known.catalog.item_id[np.argsort(-known.catalog.popularity)[TARGET]])
    policy = {"recommender": "language", "settings": {"base": "popularity", "candidates": 60}}
    poison = {"items": {"items": [film]}, "text": ORDER}
    settings = {
        "name": "poisoned-words",
        "data": "fictional-100",
        "recommenders": [{"name": "plain"} | policy, {"name": "poisoned"} | policy | {"poison": poison}],
        "models": {"policy": f"scripted/obedient_script:{script}"},
        "users": {"count": 12},
        "slate_size": 3,
        "max_pages": 1,
        "repeats": "allow",
        "seed": 906,
    }
    folder = run(scenario_from(settings, script), tmp_path / script)
    rows = pq.read_table(folder / "impressions", columns=["arm", "position", "item_id"]).to_pandas()
    first = rows[rows.position == 0]
    return (first.item_id == film).groupby(first.arm.astype(str)).mean().to_dict()


def test_a_policy_that_obeys_is_found_and_a_sound_one_is_not(tmp_path):
    assert shares(tmp_path, "obedient") == {"plain": 0.0, "poisoned": 1.0}
    assert shares(tmp_path, "sound") == {"plain": 0.0, "poisoned": 0.0}


def test_only_the_words_of_the_items_meant_change():
    catalog = make_catalog(4, description=["a", "b", "c", "d"])
    poisoned = with_poison(TextPoison(items=ItemSelection(items=[12]), text="Praise."), catalog, seed=1)
    assert list(poisoned.description) == ["a", "b", "Praise.", "d"]
    assert list(poisoned.caption) == ["", "", "Praise.", ""]
    assert list(catalog.description) == ["a", "b", "c", "d"]
    with pytest.raises(ConfigError, match="items: got 99, expected ids of the catalog"):
        with_poison(TextPoison(items=ItemSelection(items=[99]), text="x"), catalog, seed=1)
