"""Actions as JSON that is held to a schema: what it allows, that a model of noise keeps to it, and who is asked for it."""

import pytest
from acting_models import action, agent, rows_of, steps
from small_data import ask_for

from recsim_llm.errors import ConfigError
from recsim_llm.language import open_model
from recsim_llm.language.backends.agent_script import AgentScript
from recsim_llm.language.backends.scripted import ScriptedReplies
from recsim_llm.language.base.questions import Part, Prompt
from recsim_llm.language.base.wire import Abilities, RawReply
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.writing import Writing
from recsim_llm.testing import small_world
from recsim_llm.tools.action_schemas import ActionSchemas
from recsim_llm.tools.agent_policies import AllPaths, PlanExecute, ReAct
from recsim_llm.tools.tool_arguments import ANSWER, TOOLS, read_arguments

KINDS = {"react": ReAct, "plan-execute": PlanExecute, "all-paths": AllPaths}
SCRIPT = AgentScript()
LARGEST = int(small_world()[0].item_id.max())


def script_rule(text, told):
    del told
    return [{"tool": tool, "arguments": arguments} for tool, arguments in SCRIPT.act(text)]


def allowed(schema):
    """Return the list of actions that a schema allows, and the arguments of each tool in it, by name."""
    actions = schema["properties"]["actions"]
    kinds = actions["items"].get("anyOf", [actions["items"]])
    return actions, {kind["properties"]["tool"]["enum"][0]: kind["properties"]["arguments"] for kind in kinds}


def extreme(schema, *, most):
    """Return the least or the most that a schema allows."""
    if schema["type"] == "object":
        return {name: extreme(inner, most=most) for name, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [extreme(schema["items"], most=most)] * schema["maxItems" if most else "minItems"]
    if schema["type"] == "string":
        return "x" * (schema["maxLength"] if most else 0)
    return most if schema["type"] == "boolean" else schema["maximum" if most else "minimum"]


@pytest.mark.parametrize("most", [False, True])
@pytest.mark.parametrize("tokens", [50, 600, 8000])
@pytest.mark.parametrize("shown", [0, 4, 10])
def test_whatever_it_allows_is_what_a_tool_takes(tokens, shown, most):
    schemas = ActionSchemas(tokens, positions=5, largest_id=LARGEST)
    _, tools = allowed(schemas.allow([*TOOLS.values(), ANSWER], most=1, shown=shown, paths=None))
    assert set(tools) == {*TOOLS, "answer"}
    for name, arguments in tools.items():
        read_arguments(TOOLS.get(name, ANSWER), extreme(arguments, most=most))
    assert tools["answer"]["properties"]["item_ids"]["minItems"] == max(1, min(shown, 5))
    assert tools["answer"]["properties"]["item_ids"]["maxItems"] == 5
    assert tools["similar"]["properties"]["item_id"] == {"type": "integer", "minimum": 0, "maximum": LARGEST}


def test_optional_arguments_stay_optional_and_nothing_else_is_taken():
    _, tools = allowed(ActionSchemas(600, 5, LARGEST).allow(list(TOOLS.values()), most=1, shown=0, paths=2))
    assert {name: arguments["required"] for name, arguments in tools.items() if arguments["required"]} == {
        "similar": ["item_id"],
        "describe": ["item_ids"],
    }
    assert all(arguments["additionalProperties"] is False for arguments in tools.values())
    assert all(
        arguments["properties"]["path"] == {"type": "integer", "minimum": 0, "maximum": 2} for arguments in tools.values()
    )


@pytest.mark.parametrize(("tokens", "most", "count"), [(50, 20, 1), (600, 20, 5), (600, 3, 3), (8000, 20, 20)])
def test_as_many_actions_as_there_is_room_for(tokens, most, count):
    actions, _ = allowed(ActionSchemas(tokens, 5, LARGEST).allow([TOOLS["rank"]], most=most, shown=0, paths=None))
    assert (actions["minItems"], actions["maxItems"]) == (1, count)


@pytest.mark.parametrize("name", KINDS)
def test_each_call_allows_what_is_wanted_of_it(name):
    recommender, model = agent(script_rule, KINDS[name], schemas=True)
    recommender.recommend(ask_for([10]), 5)
    tools = [set(allowed(schema)[1]) for schema in model.held]
    every = {*TOOLS} - {"friends"}
    wanted = {
        "react": [every, *[every | {"answer"}] * 2],
        "plan-execute": [every, {"answer"}],
        "all-paths": [every, every | {"answer"}, {"answer"}],
    }
    assert tools == wanted[name]
    counts = {"react": [1, 1, 1], "plan-execute": [5, 1], "all-paths": [3, 3, 1]}
    assert [allowed(schema)[0]["maxItems"] for schema in model.held] == counts[name]


@pytest.mark.parametrize(("budget", "count"), [({"calls": 3}, [5, 6, 1]), ({"calls": 3, "tool_calls": 1}, [5, 1, 1])])
def test_at_the_end_of_a_budget_the_answer_alone_is_allowed(budget, count):
    recommender, model = agent(steps(action("select"), action("schema")), schemas=True, budget=budget)
    recommender.recommend(ask_for([900]), 5)
    assert [len(allowed(schema)[1]) for schema in model.held] == count


@pytest.mark.parametrize("name", KINDS)
def test_without_candidates_no_answer_is_allowed(name):
    recommender, model = agent(steps(action("schema")), KINDS[name], schemas=True)
    recommender.recommend(ask_for([900]), 5)
    assert all("answer" not in allowed(schema)[1] for schema in model.held)


def test_an_answer_has_as_many_ids_as_the_model_was_shown_and_the_page_takes():
    rule = steps(action("select", filter="id < 106"), action("schema"))
    recommender, model = agent(rule, schemas=True, budget={"calls": 2})
    recommender.recommend(ask_for([900]), 5)
    ids = [allowed(schema)[1]["answer"]["properties"]["item_ids"] for schema in model.held[1:]]
    assert [(one["minItems"], one["maxItems"]) for one in ids] == [(2, 5)]


@pytest.mark.parametrize(("able", "actions"), [({}, "auto"), ({}, "json"), ({"tools": True, "schemas": True}, "auto")])
def test_who_cannot_be_held_or_calls_tools_is_not(able, actions):
    recommender, model = agent(script_rule, actions=actions, **able)
    recommender.recommend(ask_for([10]), 5)
    assert set(map(type, model.held)) == {type(None)}


@pytest.mark.parametrize("kept", ["native", "schema", "json"])
def test_a_run_that_goes_on_keeps_to_the_way_in_which_it_began(kept, monkeypatch):
    recommender, model = agent(script_rule, tools=True, schemas=True, fit=False)
    monkeypatch.setattr(model, "note", lambda name, value: kept)
    recommender.fit(*small_world(), 3)
    slates = recommender.recommend(ask_for([10]), 5)
    assert (slates.item_id >= 0).all()
    assert (model.held[0] is not None) is (kept == "schema")


def test_a_model_that_keeps_to_no_schema_is_not_asked_to():
    backend = ScriptedReplies([RawReply(("{}",))], abilities=Abilities(elicitations=("json",)))
    wanted = Writing(Prompt((Part("rules", "r"),)), 10, schema={"type": "object"})
    with LanguageModel(backend, elicitation="json") as model:
        with pytest.raises(ConfigError, match="expected a model whose probe found that it keeps to one"):
            model.write_each([wanted])
        assert backend.calls == []
        assert model.write_each([wanted._replace(schema=None)]) == ["{}"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A model in this process whose weights are noise."""
    pytest.importorskip("torch", reason="needs recsim_llm[transformers]")
    pytest.importorskip("transformers", reason="needs recsim_llm[transformers]")
    pytest.importorskip("llguidance", reason="needs recsim_llm[transformers]")
    from tiny_language_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", 1, context=16_384)


@pytest.mark.parametrize("name", KINDS)
def test_every_reply_of_a_model_of_noise_can_be_read(name, noise):
    with open_model(f"transformers/{noise}") as model:
        recommender = KINDS[name](KINDS[name].Settings(base="popularity", reply_tokens=300, budget={"calls": 3}))
        recommender.consult(model)
        recommender.fit(*small_world(), 3)
        _, rows = rows_of(recommender, ask_for([10, 900]), 5)
    assert {row["error"] for row in rows} <= {None, "item", "filter", "calls", "no_answer", "budget"}
    assert {row["tool"] for row in rows} <= {*TOOLS, "answer", "page"}
    assert len(rows) > 4


def test_in_words_none_of_its_replies_can(noise, monkeypatch):
    monkeypatch.setattr(LanguageModel, "schemas", False)
    with open_model(f"transformers/{noise}") as model:
        recommender = ReAct(ReAct.Settings(base="popularity", reply_tokens=50, budget={"calls": 2}))
        recommender.consult(model)
        recommender.fit(*small_world(), 3)
        _, rows = rows_of(recommender, ask_for([10, 900]), 5)
    assert {row["error"] for row in rows[:-1] if row["tool"] != "page"} == {"action"}
