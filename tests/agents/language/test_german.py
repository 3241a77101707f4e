"""German prompts: nothing of ours in them is English, and a model that reads German answers them."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from itertools import product
from typing import ClassVar

import numpy as np
import pytest
from scripted_users import FakeModel, films, pages, people, text_of

from recsim_llm.agents.language.contrast import TITLE_FILES
from recsim_llm.agents.language.friend_talk import FRIEND_FILES, MESSAGE_FILES, FriendTalk
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.persona_writing import BIOGRAPHY_FILES
from recsim_llm.agents.language.prompt_templates import TEMPLATE_FILES, Templates, shipped_families
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.agents.language.remark_voice import REMARK_FILES
from recsim_llm.agents.language.search_words import SEARCH_FILES, SearchWords
from recsim_llm.agents.language.visit_intents import INTENT_FILES
from recsim_llm.agents.language.voice import SPEECH_FILES, Moment, ShownItem, ShownPage, Voice
from recsim_llm.agents.language.written_item_agents import AGENT_FILES
from recsim_llm.agents.language.written_words import WRITTEN_FILES, WrittenWords
from recsim_llm.agents.memory.memory_words import MEMORY_FILES
from recsim_llm.agents.memory.reflection import Reflection, TopicTally
from recsim_llm.core.ratings import Ratings
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.population.persona_text import BANDS
from recsim_llm.population.personas import TRAITS

ENGLISH = re.compile(
    r"\b(the|you|your|of|and|or|is|are|not|with|from|this|that|what|how|yes|no|take|took|stars?|page|pages|liked|disliked|"
    r"enjoyed|rate|ratings|titles?|give|gave|more|visit|earlier|saw|about|seldom|love|avoid|average|answer|person|genre|content)\b",
    re.IGNORECASE,
)
OURS_IN_BOTH = re.compile(
    r"</?(?:page|visit|decision|review|titles)>|\b(?:click|stars)_N\b|\bsatisfaction:|\bleave:|\bin\b|click_\d|stars_\d"
)
FAMILIES = ("de", "de_compact")


def english_in(text):
    """Return the English words of a text, data and names of fields left out."""
    bare = re.sub(r'"[^"\n]*"', "", OURS_IN_BOTH.sub("", text))
    return sorted({match.group(0) for match in ENGLISH.finditer(bare)})


def of_all_kinds():
    """Return people of whom each trait lies in each third, with and without stars, one with demographics."""
    population = people(9)
    table = population.traits.copy()
    for column, trait in enumerate(trait.name for trait in TRAITS):
        if trait in BANDS:
            band = BANDS[trait]
            table[:, column] = np.resize([band.low - 0.01, (band.low + band.high) / 2, band.high + 0.01], 9)
    # No taste at all, then tastes of every strength.
    taste = population.taste.copy()
    taste[0] = 0.0
    return replace(population, traits=table, taste=taste)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rates", [True, False])
def test_no_sentence_of_ours_is_english_in_a_german_run(family, rates):
    catalog, population = films(40, ["Ein Fluss."] * 40), replace(of_all_kinds(), rates=rates)
    rows = np.repeat(population.user_id, 4)
    ratings = Ratings(
        user_id=rows,
        item_id=catalog.item_id[np.arange(len(rows)) % 40],
        rating=np.resize(np.array([1, 3, 4, 5], np.float32), len(rows)),
        timestamp=np.arange(len(rows)),
    )
    history = RatingHistory(ratings, population.user_id, catalog, rates=rates)
    model = FakeModel("uniform")
    model.elicitation = "forced"
    settings = {"templates": family, "prompt_tokens": 4000, "remembered_ratings": 4}
    users = LanguageUsers(
        catalog, population, model, parameters=LanguageParameters.from_settings(settings), seed=1, history=history
    )
    users.allocate(9, 5)
    users.begin(slice(None), np.arange(9), False)
    for page in range(6):
        shown = pages((np.arange(45).reshape(9, 5) + 5 * page) % 40, page=page)
        users.decide(shown)
        taken = np.resize([0, 2, -1], 9)
        row = np.flatnonzero(taken >= 0)
        users.update(shown, row * 5 + taken[row], row, np.resize(np.array([1, 5], np.float32), len(row)))
    texts = [message.content for ask in model.asks for message in prepare(ask, "forced").messages]
    texts += [question.lead for ask in model.asks for question in ask.questions]
    texts += [question.text for ask in model.asks for question in ask.questions]
    texts += [option for ask in model.asks for question in ask.questions if question.lead for option in question.options]
    found = {text: english_in(text) for text in texts}
    assert not {text: words for text, words in found.items() if words}
    told = "\n".join(text_of(ask) for ask in model.asks)
    assert "Woran du dich erinnerst:" in told
    assert "Was du von dir weißt:" in told


@pytest.mark.parametrize("family", FAMILIES)
def test_no_sentence_of_speech_is_english_in_german(family):
    class Writer(FakeModel):
        writings: ClassVar[list] = []

        def write(self, writings):
            self.writings += writings
            return [""] * len(writings)

    writer, catalog, population = Writer("uniform"), films(), of_all_kinds()
    items = (
        ShownItem(0, True, 3.5, 0.4),
        ShownItem(1, False),
        ShownItem(2, True),
        *(ShownItem(n, False) for n in range(3, 20)),
    )
    some = [ShownPage(number, items, left) for number, left in product(range(13), (False,))] + [ShownPage(13, items, True)]
    voice = Voice(writer, catalog, population, family)
    for chosen in (items[0], items[2]):
        voice.reviews([Moment(1, 0, tuple(some), chosen)])
    voice.reasons([Moment(1, 0, tuple(some)), Moment(1, 0, tuple(some[:3]))])
    writer.elicitation = "forced"
    voice.interviews([Moment(1, 0, tuple(some)), Moment(1, 0, tuple(some[:2]))])
    texts = [text_of(ask) for ask in (*writer.asks, *writer.writings)] + [words for _, words in voice.statements]
    speech, life = Templates(family, SPEECH_FILES), Templates(family, BIOGRAPHY_FILES)
    texts += [speech.say("judge.rules"), speech.say("judge.review", text="Gut."), speech.say("judge.stars")]
    item = PromptWriter(catalog, population, Templates(family), "forced").item(0)
    texts += [life.say(f"biography.{macro}") for macro in ("rules", "request", "loves", "avoids", "turns", "addresses")]
    texts.append(life.say("biography.ratings", history=[(item, stars) for stars in (1.0, 3.0, 4.0, 5.0, None)]))
    found = {text: english_in(text.replace("fan", "")) for text in texts}
    assert not {text: words for text, words in found.items() if words}


@pytest.mark.parametrize("family", FAMILIES)
def test_reflections_are_german(family):
    tally = TopicTally("Krieg", 5, 3, 2, 3.5)
    unrated = tally._replace(stars=float("nan"))
    made = Reflection(tally._replace(topic=""), (tally,), (unrated,), (tally, unrated), 0.0)
    text = Templates(family, MEMORY_FILES).say("remembered.reflection", made=made)
    assert not english_in(text)
    assert "3 von 5 gemocht, im Mittel 3,5 Sterne" in text


def test_yes_and_no_are_german_words_where_questions_are_asked_alone():
    writer = PromptWriter(films(), people(), Templates("de_compact"), "forced")
    click, *_, leave = writer.questions([0])
    assert click.options == leave.options == ("ja", "nein")
    assert click.lead == '1. "Film 0" (Comedy), nehmen?'
    listed = PromptWriter(films(), people(), Templates("de_compact"), "logprobs").questions([0])
    assert listed[0].options == ("yes", "no")


def macros_of(family):
    """Return the macros of every file of a shipped family."""
    folder = files("recsim_llm.agents.language") / "templates" / family
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name.endswith(".jinja")}
    return {name: set(re.findall(r"{% macro (\w+)", text)) for name, text in texts.items()}


@pytest.mark.parametrize("family", [name for name in shipped_families() if name != "en"])
def test_every_family_has_every_macro_of_every_file_of_the_first(family):
    own = macros_of(family)
    missing = {name: macros - own.get(name, set()) for name, macros in macros_of("en").items()}
    assert not {name: lacking for name, lacking in missing.items() if lacking or name not in own}


@pytest.mark.parametrize(
    "wanted",
    [
        TEMPLATE_FILES,
        SPEECH_FILES,
        MEMORY_FILES,
        BIOGRAPHY_FILES,
        INTENT_FILES,
        TITLE_FILES,
        FRIEND_FILES,
        AGENT_FILES,
        MESSAGE_FILES,
        SEARCH_FILES,
        WRITTEN_FILES,
        REMARK_FILES,
    ],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_template_is_there_in_german(family, wanted):
    assert set(Templates(family, wanted).versions) >= set(wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_friends_talk_german(family):
    talk = FriendTalk(family, PromptWriter(films(), people(), Templates(family), "forced"))
    talk.hear(np.array([0]), np.array([3]), np.array([17]))
    said = [*talk.deliver(np.array([0]))[1], talk.part([-1, 17])[0].text]
    assert all("17" in text for text in said)
    assert english_in(said[1]) == []
    assert english_in(re.sub(r"\([^()]*\)", "", said[0])) == []  # genres are data


@pytest.mark.parametrize("family", FAMILIES)
def test_messages_and_chats_are_german(family):
    talk = FriendTalk(family, PromptWriter(films(), people(), Templates(family), "forced"))
    talk.expect_messages()
    rows, item, friend = np.array([0, 0]), np.array([3, 3]), np.array([17, 17])
    talk.receive(rows, item, friend)
    for stars in (4.0, np.nan):
        talk.chat(rows, item, friend, stars=np.full(2, stars), spoke=np.array([False, True]))
    said = talk.deliver(np.array([0])).texts
    assert len(said) == 6
    assert all("17" in text and english_in(re.sub(r"\([^()]*\)", "", text)) == [] for text in said)


@pytest.mark.parametrize("family", FAMILIES)
def test_who_searches_is_told_so_in_german(family):
    words = SearchWords(family, PromptWriter(films(), people(), Templates(family), "forced"), ("Krieg",))
    (part,) = words.part("Krieg")
    assert english_in(part.text) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_pages_say_what_is_written_in_german(family):
    (part,) = WrittenWords(family).part([("Krieg", "Liebe")])
    assert english_in(part.text) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_agents_choose_and_remember_in_german(family):
    templates = Templates(family, AGENT_FILES)
    for macro in ("choose", "item_request", "item_rules", "options", "question", "user_request", "user_rules"):
        assert english_in(templates.say(f"agents.{macro}")) == []
    assert english_in(templates.say("agents.people", taken=["Krieg"], refused=["Liebe"])) == []
    assert english_in(templates.say("agents.taste", memory="")) == []


def test_a_written_persona_stands_in_place_of_german_sentences():
    writer = PromptWriter(films(), people(), Templates("de"), "forced", written={0: "Du liebst Krieg."})
    assert writer.persona(0).text == "Der Mensch, den du spielst: Du liebst Krieg."
    assert "Du bewertest" in writer.persona(1).text
    assert "\n" not in writer.persona(1).text
    assert "  " not in writer.persona(1).text
