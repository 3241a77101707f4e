"""Models that ask for tools by a rule of the test, in words or by calls, and remember what they were told."""

import json

from recsim_llm.errors import ModelReplyError
from recsim_llm.recommenders.hooks import AsksModel
from recsim_llm.testing import small_world
from recsim_llm.tools.agent_policies import ReAct


class ActingModel:
    """Answers each prompt by ``rule``, a function of its text and the number of results in it: with actions, words, or with
    why there are none."""

    name = "test/acting"

    def __init__(self, rule, *, tools=False, context=None):
        self.rule, self.tools, self.context = rule, tools, context
        self.asked = []
        """Prompts, in order, with the subject of each."""
        self.batches = []
        """How many were asked at once."""

    def note(self, name, value):
        del name
        return value

    def write_each(self, requests):
        self.batches.append(len(requests))
        return [self._reply(request) for request in requests]

    act_each = write_each

    def _reply(self, request):
        self.asked.append((text := whole(request.prompt), request.subject))
        said = self.rule(text, results(text))
        return said if isinstance(said, str | ModelReplyError) else json.dumps({"actions": said})


def whole(prompt):
    return "\n\n".join(part.text for part in prompt.parts)


def results(text):
    """Return what the tools told so far."""
    lines = [line for line in text.split("\n") if line.startswith("{") and '"candidates": ' in line]
    return [json.loads(line) for line in lines]


def action(tool, **arguments):
    return {"tool": tool, "arguments": arguments}


def steps(*planned):
    """Return a rule that takes one action after the other, whatever comes of it."""
    return lambda text, told: [planned[min(len(told), len(planned) - 1)]]


def agent(rule, kind=ReAct, *, world=None, tools=False, context=None, friends=None, fit=True, **settings):
    """Return a fitted agent and its model."""
    model = ActingModel(rule, tools=tools, context=context)
    recommender = kind(kind.Settings(**{"base": "popularity"} | settings))
    assert isinstance(recommender, AsksModel)
    recommender.consult(model)
    if friends is not None:
        recommender.befriend(friends)
    if fit:
        recommender.fit(*(world or small_world()), 3)
    return recommender, model


def rows_of(recommender, requests, k):
    """Return the slates and, a dictionary each, the rows of the journal."""
    take = recommender.keep_tool_calls()
    slates = recommender.recommend(requests, k)
    columns = take(requests.user_id, requests.visit, requests.page)
    lines = zip(*(column.tolist() for column in columns.values()), strict=True)
    return slates, [dict(zip(columns, line, strict=True)) for line in lines]
