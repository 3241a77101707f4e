"""What bounds prompts: the page, the model's context, and what gives way."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_users import FakeModel, films, pages, people, text_of

from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.prompt_budget import PromptBudget, usual_tokens
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.base.questions import Prompt
from recsim_llm.language.base.tokens import estimate_tokens

RATED = 2000


def lives(catalog, population):
    """Return a history in which the first user rated 2,000 films."""
    columns = {"rating": 1 + np.arange(RATED, dtype=np.float32) % 5, "timestamp": np.arange(RATED)}
    ratings = Ratings(user_id=np.repeat(population.user_id[:1], RATED), item_id=catalog.item_id[:RATED], **columns)
    return RatingHistory(ratings, population.user_id, catalog)


def users_of(context, slots, catalog=None, elicitation="forced", rows=1, **parameters):
    """Return users on a model with that context, and the model."""
    catalog, population, model = catalog or films(RATED + 100), people(), FakeModel()
    model.elicitation, model.context = elicitation, context
    settings = LanguageParameters.from_settings({"templates": "en_compact", **parameters})
    users = LanguageUsers(catalog, population, model, parameters=settings, seed=1, history=lives(catalog, population))
    users.allocate(rows, slots)
    users.begin(slice(None), np.arange(rows), False)
    return users, model


def shown(slots):
    return pages(np.arange(slots)[None])


def tokens_of(model):
    return estimate_tokens(text_of(model.asks[0]))


def lines_of(model):
    return [line for line in text_of(model.asks[0]).split("\n") if line.endswith((", take it? yes", ", take it? no"))]


@pytest.mark.parametrize(("count", "expected"), [(0, 1200), (5, 1200), (10, 1200), (20, 2000), (40, 3600)])
def test_without_a_context_the_page_says_how_long_a_prompt_may_get(count, expected):
    assert usual_tokens(count) == PromptBudget().most(count, 100) == expected


def test_a_short_context_bounds_a_prompt_with_its_answer():
    budget = PromptBudget(context=1000)
    assert budget.most(10, 1) < 800
    assert budget.most(10, 400) < budget.most(10, 1) - 300
    assert budget.most(10, 5000) == 0


def test_what_is_set_holds_whatever_the_context():
    assert PromptBudget(tokens=777, context=512).most(40, 1) == 777


@pytest.mark.parametrize("context", [512, 768, 1024, 2048])
@pytest.mark.parametrize("slots", [1, 5, 10])
def test_a_long_history_leaves_room_for_the_page_and_memories(context, slots):
    users, model = users_of(context, slots)
    users.decide(shown(slots))
    most = users.prompt_tokens(slots)
    assert tokens_of(model) <= most
    assert most <= context / 1.25
    assert text_of(model.asks[0]).count("Film ") - len(lines_of(model)) == slots


def test_a_wider_context_tells_more_of_the_history_and_the_latest_first():
    told = []
    for context in (512, 768, 1024, 8192):
        users, model = users_of(context, 5, rating_history=30)
        users.decide(shown(5))
        told.append(lines_of(model))
    counts = [len(lines) for lines in told]
    assert counts == sorted(counts)
    assert counts[0] < counts[1] < counts[2] < 30
    assert all(lines == told[-1][len(told[-1]) - len(lines) :] for lines in told if lines)


def test_descriptions_give_way_before_the_history_and_this_before_memories():
    catalog = films(RATED + 100, ["A mapmaker follows a river. " * 6] * (RATED + 100))
    texts = []
    for tokens in (3000, 830, 500):
        users, model = users_of(None, 5, catalog, prompt_tokens=tokens, remembered_ratings=0)
        users.decide(shown(5))
        texts.append((model.asks[0].prompt.parts[-1].text.count(" | A mapmaker"), len(lines_of(model))))
    (all_told, whole), (no_words, still), (none, fewer) = texts
    assert (all_told, whole) == (5, 20)
    assert (no_words, still) == (0, 20)
    assert none == 0
    assert 0 < fewer < 20


@pytest.mark.parametrize(("templates", "elicitation"), [("en", "json"), ("en_compact", "forced"), ("de", "logprobs")])
def test_what_cannot_give_way_is_foretold(templates, elicitation):
    users, model = users_of(None, 5, elicitation=elicitation, templates=templates, prompt_tokens=0)
    users.decide(shown(5))
    taken = tokens_of(model) + beside(model, elicitation)
    assert taken <= users.least_prompt_tokens(5) <= taken + 40  # headings of memories, which count as soon as there are some
    assert "\n- Film" not in text_of(model.asks[0])
    assert users.least_prompt_tokens(10) > users.least_prompt_tokens(5)


def beside(model, elicitation):
    """Return the tokens of the questions, which stand in the rules of what is sent."""
    ask = model.asks[0]
    bare = ask._replace(prompt=Prompt(ask.prompt.parts[:1]))
    return estimate_tokens(prepare(bare, elicitation).messages[0].content) - estimate_tokens(ask.prompt.parts[0].text)


@pytest.mark.parametrize("elicitation", ["forced", "json", "logprobs"])
def test_a_page_that_no_context_holds_is_refused_before_anything_is_sent(elicitation):
    users, model = users_of(512, 40, elicitation=elicitation)
    with pytest.raises(
        ConfigError, match=r"expected at most [\d,]+, beside its answer in a context of 512; .*--slate-size \d+$"
    ):
        users.decide(shown(40))
    assert not model.asks


def test_the_slate_size_that_a_refusal_names_fits():
    users, _ = users_of(512, 40)
    with pytest.raises(ConfigError) as refusal:
        users.decide(shown(40))
    size = int(str(refusal.value).rsplit(" ", 1)[1])
    assert 5 < size < 40
    users, model = users_of(512, size)
    users.decide(shown(size))
    assert len(model.asks) == 1


def test_the_templates_that_a_refusal_names_fit():
    users, _ = users_of(1024, 10, templates="en", elicitation="forced")
    crowded, _ = users_of(512, 10, templates="en", elicitation="forced")
    users.decide(shown(10))
    with pytest.raises(ConfigError, match=r"--set users\.parameters\.templates=en_compact, or the page"):
        crowded.decide(shown(10))
    compact, model = users_of(512, 10)
    compact.decide(shown(10))
    assert len(model.asks) == 1


def test_a_persona_stays_the_same_whatever_the_page_holds():
    catalog = films(RATED + 100)
    catalog.title[7] = "T" * 60
    users, model = users_of(768, 5, catalog)
    users.decide(shown(5))
    users.decide(pages(np.arange(5, 10)[None], page=1))
    first, second = (ask.prompt.parts[1] for ask in model.asks)
    assert first is second


def test_without_an_expected_page_all_that_may_be_told_is():
    catalog, population = films(RATED + 100), people()
    budget = PromptBudget(ratings=500, context=512)
    some = PromptWriter(
        catalog, population, Templates("en_compact"), "forced", history=lives(catalog, population), budget=budget
    )
    assert some.told(0) == 500
    some.expect(5)
    assert some.told(0) < 20
