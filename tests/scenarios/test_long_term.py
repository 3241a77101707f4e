"""The shipped world in which the greedy policy loses."""

from __future__ import annotations

import pytest

from recsim_llm.comparison import summarise
from recsim_llm.scenarios import load_scenario, run


@pytest.mark.slow
def test_looking_ahead_pays_in_the_long_term(tmp_path):
    folder = run(load_scenario("long-term", {"users.count": 150, "seed": 21}), tmp_path / "run")
    greedy, planner = summarise(folder).arms
    assert planner.metrics["discounted_return"].value > 1.1 * greedy.metrics["discounted_return"].value
    assert planner.reward_by_page[0].value < greedy.reward_by_page[0].value
    assert planner.metrics["mean_satisfaction"].low > greedy.metrics["mean_satisfaction"].high
