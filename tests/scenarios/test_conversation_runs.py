"""Conversations the whole way: a scenario, its run, its log, kills, the report, and comparisons."""

import json

import numpy as np
import pyarrow.dataset as arrow
import pytest

from recsim_llm.cli.main import main
from recsim_llm.comparison import summarise
from recsim_llm.conversation.acts import END, silent_acts
from recsim_llm.conversation.dialogue_measures import measure_conversation
from recsim_llm.errors import ConfigError, ContractError, PlugInError, SlateError
from recsim_llm.log import open_run
from recsim_llm.log.folders import TALK
from recsim_llm.recommenders import Popularity
from recsim_llm.scenarios import load_scenario, resume, run
from recsim_llm.scenarios.acting_session import open_arm

SMALL = {"users.count": 30, "data": "fictional-100", "conversation.max_turns": 5, "max_pages": 5, "conversation.mode": "chat"}
ARMS = {"recommenders": ["asking", "popularity"], "measure": None, "expect": []}


def scenario(**changes):
    return load_scenario("conversation", SMALL | ARMS | changes)


def log_bytes(folder):
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names}


def table(folder, name):
    return arrow.dataset(folder / name).to_table().to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(scenario(), tmp_path_factory.mktemp("runs") / "whole")


def test_nobody_clicks_more_than_once_in_a_dialogue_nor_does_an_interval(finished):
    for arm in summarise(finished).arms:
        for key in ("clicks_per_user", "reward_per_user", "clicks_per_page"):
            assert arm.metrics[key].high is None or arm.metrics[key].high <= 1


def test_a_run_logs_every_act_of_both_sides(finished):
    turns = table(finished, "turns")
    asking = [row for row in turns if row["arm"] == "asking"]
    first = [row for row in asking if row["user_id"] == asking[0]["user_id"]]
    assert [(row["turn"], row["who"]) for row in first[:3]] == [(0, "user"), (1, "policy"), (1, "user")]
    assert {row["who"] for row in turns} == {"policy", "user"}
    assert all(row["probability"] > 0 for row in turns if row["who"] == "user")
    assert {row["text"] for row in turns} == {None}


def test_every_dialogue_has_its_outcome(finished):
    dialogues = table(finished, "dialogues")
    assert len(dialogues) == 60
    assert all((row["item_id"] is not None) == (row["stop_reason"] == "accepted") for row in dialogues)
    accepted = [row for row in dialogues if row["stop_reason"] == "accepted"]
    assert accepted
    assert all(row["regret"] is not None for row in accepted)


def test_turns_are_pages_and_what_is_accepted_is_clicked(finished):
    dialogues = {(row["arm"], row["user_id"]): row for row in table(finished, "dialogues")}
    for row in table(finished, "visits"):
        dialogue = dialogues[row["arm"], row["user_id"]]
        assert (row["pages"], row["clicks"]) == (dialogue["turns"], int(dialogue["item_id"] is not None))
    clicked = {(row["arm"], row["user_id"]): row["item_id"] for row in table(finished, "impressions") if row["clicked"]}
    assert clicked == {key: row["item_id"] for key, row in dialogues.items() if row["item_id"] is not None}


def test_the_same_seed_gives_the_same_bytes(finished, tmp_path):
    assert log_bytes(run(scenario(), tmp_path / "again")) == log_bytes(finished)


def test_a_block_of_users_talks_as_it_does_among_all(finished, tmp_path):
    block = {"users.block.size": 10, "users.block.number": 1}
    out = run(scenario(**block), tmp_path / "block")
    users = {row["user_id"] for row in table(out, "dialogues")}
    assert len(users) == 10
    for name in ("turns", "dialogues"):
        assert table(out, name) == [row for row in table(finished, name) if row["user_id"] in users]


@pytest.mark.parametrize(("arm", "turns"), [(0, 2), (1, 1), (1, 3)])
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(finished, tmp_path, arm, turns):
    seen = []

    def stop(state):
        seen.extend([state] if state.arm_number == arm else [])
        if len(seen) == turns:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(scenario(), tmp_path / "run", stop)
    assert log_bytes(resume(tmp_path / "run")) == log_bytes(finished)


def test_words_are_made_where_somebody_wants_them_and_change_nothing_else(finished, tmp_path):
    spoken = table(run(scenario(**{"conversation.words": True}), tmp_path / "words"), "turns")
    assert any(row["text"] for row in spoken)
    assert [row | {"text": None} for row in spoken] == table(finished, "turns")


def test_runs_without_conversations_have_none_of_its_tables(tmp_path):
    out = run(load_scenario("demo", {"users.count": 5, "max_pages": 2, "recommenders": ["random"]}), tmp_path / "run")
    assert not any((out / name).exists() for name in TALK)
    assert "conversation" not in json.loads((out / "manifest.json").read_text())["settings"]


def test_measures_come_from_the_log_alone(finished):
    asking, popularity = measure_conversation(open_run(finished))
    dialogues = [row for row in table(finished, "dialogues") if row["arm"] == "asking"]
    assert asking.success.value == pytest.approx(np.mean([row["on_goal"] for row in dialogues]))
    assert 1 - asking.waiting.waiting[-1].value == pytest.approx(asking.success.value)
    assert asking.questions.value > 0 == popularity.questions.value
    assert sum(asking.stops.values()) == asking.dialogues == 30
    assert asking.leak is not None
    assert not asking.leak.caught


def test_the_command_runs_reports_and_compares(tmp_path, capsys):
    small = [f"--set={key}={value}" for key, value in SMALL.items()]
    options = [*small, "--set=measure=null", "--set=expect=[]", "--recommenders", "asking,popularity"]
    main(["run", "conversation", *options, "--out", str(tmp_path / "run"), "--quiet"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert ">Conversations</a></h2>" in page
    assert "found_by_turn-title" in page
    assert (tmp_path / "run" / "figures" / "found_by_turn.png").exists()
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["conversation"]
    assert [arm["arm"] for arm in found["arms"]] == ["asking", "popularity"]
    assert {row["metric"] for row in found["compared"]} >= {"success", "turns"}
    main(["compare", "conversation", *options, "--out", str(tmp_path / "compared"), "--quiet"])
    assert json.loads((tmp_path / "compared" / "comparison.json").read_text())["metrics"][0]["key"] == "clicks_per_user"
    assert capsys.readouterr().err == ""


def test_a_run_without_goals_has_no_leak_meter(tmp_path):
    out = run(scenario(**{"conversation.goal": "none"}), tmp_path / "run")
    assert {arm.leak for arm in measure_conversation(open_run(out))} == {None}
    assert {row["goal_item"] for row in table(out, "dialogues")} == {None}


class Unknown(Popularity):
    """Recommends what does not exist."""

    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        return slates._replace(item_id=np.where(np.arange(k) == 0, 999_999, slates.item_id))


class Crashing(Popularity):
    """Cannot take its turn."""

    reads_text = False

    def start(self, requests):
        """Do nothing."""

    def respond(self, dialogues, k):
        raise KeyError("left")


class Ending(Crashing):
    """Ends every dialogue in its first turn."""

    def respond(self, dialogues, k):
        acts = silent_acts(len(dialogues.turn), k)
        acts.act[:] = END
        return acts


class Vague(Crashing):
    """Says nothing that is an act."""

    def respond(self, dialogues, k):
        return None


class Half(Popularity):
    """Takes turns, and lacks what else one that talks has."""

    def respond(self, dialogues, k):
        return silent_acts(len(dialogues.turn), k)


def test_who_is_sent_away_with_nothing_is_not_satisfied(tmp_path):
    out = run(scenario(recommenders=[f"{__name__}:Ending"]), tmp_path / "run")
    assert {row["stop_reason"] for row in table(out, "dialogues")} == {"policy_ended"}
    assert {row["satisfaction"] for row in table(out, "pages")} == {0.0}


def test_an_item_that_does_not_exist_stops_the_run_or_is_counted(tmp_path):
    arms = {"recommenders": [f"{__name__}:Unknown"]}
    with pytest.raises(SlateError, match="item 999999"):
        run(scenario(**arms), tmp_path / "refused")
    out = run(scenario(**arms, invalid="count"), tmp_path / "counted")
    (arm,) = measure_conversation(open_run(out))
    assert arm.invalid == sum(row["invalid_slots"] for row in table(out, "pages")) > 0


def test_a_policy_that_crashes_is_named(tmp_path):
    with pytest.raises(PlugInError, match="respond in a conversation"):
        run(scenario(recommenders=[f"{__name__}:Crashing"]), tmp_path / "run")


def test_what_is_no_act_is_one_line(tmp_path):
    with pytest.raises(SlateError, match=r"Vague.*got NoneType from respond, expected PolicyActs"):
        run(scenario(recommenders=[f"{__name__}:Vague"]), tmp_path / "run")


def test_who_takes_turns_and_lacks_the_rest_is_not_taken_for_one_that_cannot_talk(tmp_path):
    with pytest.raises(ContractError, match="Half: got respond without reads_text and start"):
        run(scenario(recommenders=[f"{__name__}:Half"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visits": 2}, "visits: got some beside a conversation, expected 1"),
        ({"reward": "satisfaction"}, "reward: got some beside a conversation, expected clicks"),
        ({"remarks": {}}, "remarks: got some beside a conversation"),
        ({"users.noise": {"random_clicks": 0.1}}, "users.noise: got some beside a conversation"),
        ({"max_pages": 3}, "max_pages: got 3, expected 5 or more"),
        ({"users.model": "language", "models.user.name": "scripted/genres"}, "cannot tell what they feel for every item"),
        ({"conversation.mode": "letters"}, "conversation.mode: got 'letters'"),
    ],
)
def test_what_goes_with_pages_alone_is_refused(tmp_path, changes, said):
    with pytest.raises(ConfigError) as error:
        run(scenario(**changes), tmp_path / "run")
    assert said in str(error.value)


def test_a_conversation_is_not_watched_as_if_it_were_pages():
    with pytest.raises(ConfigError, match="got one with a conversation, expected pages"):
        open_arm(scenario(), None, None, name="asking", log=None)


@pytest.mark.slow
def test_in_the_shipped_scenario_hardly_any_failure_is_the_users_own_fault(tmp_path):
    out = run(load_scenario("conversation"), tmp_path / "run")
    arms = measure_conversation(open_run(out))
    failed = sum(arm.blame.failed for arm in arms)
    assert sum(sum(arm.blame.kinds.values()) for arm in arms) <= 0.02 * failed
    assert not any(arm.leak.caught for arm in arms)
