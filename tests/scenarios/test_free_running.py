"""Users that run free between barriers: the order in which they are answered changes nothing."""

import itertools
from typing import ClassVar

import numpy as np
import pyarrow.dataset as arrow

from recsim_llm.agents.worlds import choice_world
from recsim_llm.recommenders import LinUCB
from recsim_llm.scenarios import load_scenario, run

SMALL = {"users.count": 30, "max_pages": 5, "slate_size": 4, "visits": 2, "seed": 3, "barrier": "visit"}
SMALL["users.parameters"] = {"click_bias": 1.0}


class Straggling:
    """Choice users whose pages become ready in an order that has nothing to do with that of asking."""

    def __init__(self, users, order):
        self._users, self._order, self._open = users, order, []

    def __getattr__(self, name):
        return getattr(self._users, name)

    def start(self, pages):
        self._open.extend(pages.rows.tolist())

    def collect(self):
        self._order.shuffle(self._open)
        some = self._order.integers(1, len(self._open) + 1)
        ready, self._open = self._open[:some], self._open[some:]
        return np.sort(ready)


def straggling(seed):
    def build(*arguments, **settings):
        world = choice_world(*arguments, **settings)
        return world._replace(users=Straggling(world.users, np.random.default_rng(seed)))

    return build


early, late = straggling(1), straggling(2)


class Recording(LinUCB):
    """Learns, and keeps what it was told."""

    told: ClassVar[list[tuple]] = []

    def observe(self, requests, slates, clicked, rating):
        self.told.append((requests, slates, clicked, rating))
        super().observe(requests, slates, clicked, rating)


def log_of(folder, model, **changes):
    arms = ["random", f"{__name__}:Recording", "mf", {"name": "retrained", "recommender": "popularity", "retrain": "visit"}]
    done = run(load_scenario("demo", SMALL | {"users.model": model, "recommenders": arms} | changes), folder)
    return {kind: arrow.dataset(done / kind).to_table() for kind in ("impressions", "pages", "visits")}


def test_the_order_of_answers_does_not_change_the_log(tmp_path):
    Recording.told = []
    first = log_of(tmp_path / "early", f"{__name__}:early")
    told_first, Recording.told = Recording.told, []
    assert log_of(tmp_path / "late", f"{__name__}:late") == first
    assert len(told_first) == len(Recording.told)
    for one, other in zip(told_first, Recording.told, strict=True):
        for left, right in zip(itertools.chain(*one[:2], one[2:]), itertools.chain(*other[:2], other[2:]), strict=True):
            np.testing.assert_array_equal(left, right)


def test_users_who_answer_at_once_give_the_same_log(tmp_path):
    assert log_of(tmp_path / "late", f"{__name__}:late") == log_of(tmp_path / "plain", "choice")


def test_a_recommender_that_does_not_learn_gives_the_log_of_a_page_barrier(tmp_path):
    arms = {"recommenders": ["popularity"]}
    free = log_of(tmp_path / "free", f"{__name__}:early", **arms)
    assert free == log_of(tmp_path / "together", "choice", barrier="page", **arms)
