"""Obedience of conversations beyond chance: 0 of who is deaf, 1 of who heeds everything, from the log alone."""

import json

import numpy as np
import pytest

from recsim_llm.cli.main import main
from recsim_llm.conversation.chance_obedience import ChanceReader, _beyond, _criticised
from recsim_llm.conversation.dialogue_measures import measure_conversation
from recsim_llm.log import open_run
from recsim_llm.recommenders import Popularity
from recsim_llm.scenarios import load_scenario, run

CHAT = {"conversation.mode": "chat", "users.count": 200, "seed": 41, "measure": None, "expect": []}


class Halfway(Popularity):
    """Heeds the last critique of every second user, and shows what is popular to the others."""

    reads_text = False

    def start(self, requests):
        """Do nothing."""

    def respond(self, dialogues, k):
        from recsim_llm.conversation.agreeing import Agreeing

        if not hasattr(self, "_agrees"):
            self._agrees = Agreeing()
            self._agrees.fit(self._known.catalog, self._known.ratings, self._seed)
        acts = self._agrees.respond(dialogues, k)
        deaf = dialogues.requests.user_id % 2 == 0
        item_id = acts.item_id.copy()
        item_id[deaf] = self.recommend(dialogues.requests, k).item_id[deaf]
        return acts._replace(item_id=item_id)


@pytest.fixture(scope="module")
def talked(tmp_path_factory):
    arms = ["popularity", "mf", {"name": "agrees", "recommender": "agreeing"}]
    return run(load_scenario("conversation", CHAT | {"recommenders": arms}), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def arms(talked):
    return {arm.arm: arm for arm in measure_conversation(open_run(talked))}


@pytest.mark.parametrize("deaf", ["popularity", "mf"])
def test_a_deaf_policy_heeds_as_much_as_chance_does(deaf, arms):
    found = arms[deaf].beyond_chance
    assert arms[deaf].obeyed["all"].value > 0.4
    assert found.critiques["all"] > 150
    for kind in ("less", "more", "all"):
        assert found.obedience[kind].low < 0 < found.obedience[kind].high
    assert found.obedience["all"].high < 0.3


def test_a_policy_that_heeds_everything_has_all(arms):
    found = arms["agrees"].beyond_chance
    assert [found.obedience[kind].value for kind in ("less", "more", "all")] == [1.0, 1.0, 1.0]
    assert found.heeded["all"].value == 1.0
    assert 0.4 < found.by_chance["all"].value < 0.7


def test_nothing_is_said_of_what_cannot_be_compared(arms):
    assert set(arms["popularity"].obeyed) - set(arms["popularity"].beyond_chance.obedience) == {"not_this"}


def test_what_was_said_weighs_what_else_could_have_been(talked):
    reader = ChanceReader(open_run(talked), open_run(talked).manifest["settings"]["conversation"])
    pages = [page for turns, goal in reader._dialogues("popularity") for page in _criticised(turns, goal)]
    kind = np.array([page.kind for page in pages])
    said, failed, others, expected = reader._judge(pages, kind)
    np.testing.assert_allclose(said, others)
    assert set(np.round(failed - said * (failed > 0), 12)) == {0.0}
    assert ((expected >= 0) & (expected <= others + 1e-12)).all()
    assert np.count_nonzero(said < 1) > 0.9 * len(said)


def test_who_listens_to_half_of_the_users_is_told_from_both(tmp_path):
    halfway = load_scenario("conversation", CHAT | {"recommenders": [f"{__name__}:Halfway"], "users.count": 400})
    (arm,) = measure_conversation(open_run(run(halfway, tmp_path / "run")))
    found = arm.beyond_chance.obedience["all"]
    assert 0.2 < found.low < found.high < 0.8


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, held = np.random.default_rng(3), 0
    for _ in range(300):
        made = rng.poisson(2.0, 150)
        failed, expected = rng.binomial(made, 0.3) * 0.6, rng.binomial(made, 0.6) * 0.6
        *_, found = _beyond(np.stack([made * 0.6, failed, made * 0.6, expected]))
        held += found.low <= 0.5 <= found.high
    assert 0.91 < held / 300 < 0.99


def test_the_deaf_who_lean_have_none(tmp_path):
    """Over fresh seeds with few users each, of a recommender that leans towards some genres and learns during the run."""
    found = []
    for seed in range(501, 507):
        changes = {"recommenders": ["linucb"], "users.count": 40, "seed": seed, "measure": None, "expect": []}
        (arm,) = measure_conversation(open_run(run(load_scenario("language-arena", changes), tmp_path / str(seed))))
        found.append(arm.beyond_chance.obedience["all"])
    assert sum(one.low <= 0 <= one.high for one in found) >= 5
    assert abs(np.mean([one.value for one in found])) < 0.2


def test_turns_before_a_change_of_mind_do_not_count(tmp_path):
    steady, changing = (
        measure_conversation(
            open_run(run(load_scenario("conversation", CHAT | {"recommenders": ["popularity"]} | more), tmp_path / name))
        )[0]
        for name, more in (("steady", {}), ("changing", {"conversation.change_of_mind": 0.3}))
    )
    assert 0 < changing.beyond_chance.critiques["all"] < steady.beyond_chance.critiques["all"]
    assert changing.beyond_chance.obedience["all"].low < 0 < changing.beyond_chance.obedience["all"].high


@pytest.mark.parametrize("changes", [{"conversation.goal": "none"}, {"conversation.mode": "questions"}])
def test_without_goals_or_critiques_nothing_is_made_up(changes, tmp_path):
    settings = CHAT | {"users.count": 20, "recommenders": ["popularity"]} | changes
    (arm,) = measure_conversation(open_run(run(load_scenario("conversation", settings), tmp_path / "run")))
    if "conversation.goal" in changes:
        assert arm.beyond_chance is None
    else:
        assert arm.beyond_chance.critiques == dict.fromkeys(("less", "more", "all"), 0)
        assert arm.beyond_chance.obedience["all"].value is None


def test_the_command_and_the_report_tell_it(talked, capsys):
    assert main(["report", str(talked)]) == 0
    said = capsys.readouterr().out
    assert "critiques heeded by popularity: 0." in said
    assert "obedience beyond chance 1.00, 0 if deaf" in said
    page = (talked / "report.html").read_text()
    assert "Less or more, of what was asked for" in page
    assert "Less or more, of what could have been asked for instead" in page
    assert "Obedience beyond chance: less or more" in page
    told = json.loads((talked / "metrics.json").read_text())["conversation"]["arms"]
    assert told[2]["beyond_chance"]["obedience"]["all"]["value"] == 1.0
