"""Conversations in shards: the same bytes as without, whoever learns from whom, whatever is lost or stopped on the way."""

import pytest
from lost_workers import kill_workers, paid
from stopped_runs import log_bytes, stop_run

from recsim_llm.conversation.acts import RECOMMEND, silent_acts
from recsim_llm.log.tables import read_table
from recsim_llm.recommenders import Popularity
from recsim_llm.scenarios import load_scenario, resume, run
from recsim_llm.shards.sharding import Sharding

INLINE = Sharding("inline", 3)
SMALL = {
    "data": "fictional-100",
    "users.count": 12,
    "conversation.mode": "chat",
    "conversation.max_turns": 5,
    "conversation.browse": 0.3,
    "max_pages": 5,
    "measure": None,
    "expect": [],
    "seed": 3,
}
TALKING = [{"name": "talking", "settings": {"base": "popularity"}}, "asking"]
MODELS = {"models.user": "scripted/genres", "models.policy": "scripted/policy", "recommenders": TALKING, "users.count": 7}


class Remembers(Popularity):
    """Goes further down its list with everything that anybody accepted; has to have heard of everybody when it began."""

    reads_text = False

    def start(self, requests):
        self._place = {user: place for place, user in enumerate(requests.user_id.tolist())}
        self._accepted = 0

    def respond(self, dialogues, k):
        acts = silent_acts(len(dialogues.turn), k)
        acts.act[:] = RECOMMEND
        acts.item_id[:] = self.recommend(dialogues.requests, k + self._accepted).item_id[:, self._accepted :]
        return acts

    def observe(self, requests, slates, clicked, rating):
        places = [self._place[user] for user in requests.user_id.tolist()]
        assert places == sorted(places)
        self._accepted += int(clicked.sum())


def conversation(**more):
    return load_scenario("conversation", SMALL | {"recommenders": ["asking", "popularity", "linucb"]} | more)


SCENARIOS = {
    "policies that learn nothing or from everyone": conversation(),
    "one that hears of everybody": conversation(recommenders=[f"{__name__}:Remembers"]),
    "questions, no goal, a share of false answers": conversation(
        **{"conversation.mode": "questions", "conversation.goal": "none", "conversation.noise": 0.2}
    ),
    "users who change their minds": conversation(**{"conversation.change_of_mind": 0.3, "conversation.goal": "attributes"}),
    "models that talk, all at once": conversation(**MODELS),
    "models that talk, each dialogue by itself": conversation(**MODELS, barrier="visit"),
    "words of a writer": conversation(
        **{"models.writer": "scripted/genres", "recommenders": ["agreeing"], "conversation.words": True}
    ),
    "an agent with tools": conversation(**{"models.policy": "scripted/agent", "recommenders": ["react"], "users.count": 4}),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def whole(request, tmp_path_factory):
    """A scenario and its run without shards."""
    scenario = SCENARIOS[request.param]
    return scenario, run(scenario, tmp_path_factory.mktemp("whole") / "run")


def test_shards_give_the_same_bytes_and_ask_as_much(whole, tmp_path):
    scenario, before = whole
    sharded = run(scenario, tmp_path / "run", sharding=INLINE)
    assert {"turns", "dialogues"} <= {name.partition("/")[0] for name in log_bytes(before)}
    assert log_bytes(sharded) == log_bytes(before)
    assert read_table(sharded, "serving")["pages"].to_pylist() == read_table(before, "serving")["pages"].to_pylist()
    if scenario.models and "writer" not in scenario.models:  # Equal words of users in two shards are written in each.
        assert paid(sharded) == paid(before)


@pytest.mark.parametrize("shards", [1, 12])
def test_any_number_of_shards_gives_the_same_bytes(shards, tmp_path):
    sharded = run(conversation(), tmp_path / "sharded", sharding=Sharding("inline", shards))
    assert log_bytes(sharded) == log_bytes(run(conversation(), tmp_path / "whole"))


@pytest.mark.parametrize(("first", "then"), [(INLINE, None), (None, INLINE)])
@pytest.mark.parametrize("name", ["policies that learn nothing or from everyone", "models that talk, each dialogue by itself"])
def test_a_stopped_run_goes_on_in_any_number_of_shards(name, first, then, tmp_path):
    scenario = SCENARIOS[name]
    stop_run(scenario, tmp_path / "stopped", 4, first)
    assert first is None or any((tmp_path / "stopped" / "turns").iterdir())
    resumed = resume(tmp_path / "stopped", sharding=then)
    whole = run(scenario, tmp_path / "whole")
    assert log_bytes(resumed) == log_bytes(whole)
    if scenario.models:
        assert paid(resumed) == paid(whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["policies that learn nothing or from everyone", "models that talk, each dialogue by itself"])
def test_a_worker_that_is_killed_is_replaced_and_no_answer_is_paid_twice(name, tmp_path, monkeypatch):
    scenario = SCENARIOS[name]
    kill_one, seen = kill_workers(monkeypatch, {2: 1, 6: 0})
    sharded = run(scenario, tmp_path / "sharded", kill_one, sharding=Sharding("processes", 2))
    assert len(seen) > 6
    whole = run(scenario, tmp_path / "whole")
    assert log_bytes(sharded) == log_bytes(whole)
    if scenario.models:
        assert paid(sharded) == paid(whole)
