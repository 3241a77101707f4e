"""Scripted stand-ins: the truth in every form, and replies played in order."""

from __future__ import annotations

import asyncio
import json
import math

import pytest

from recsim_llm.errors import BackendError, ConfigError, ContractError
from recsim_llm.language.backends.scripted import Scripted, ScriptedReplies, distribution, prompt_text, resolve_script
from recsim_llm.language.backends.scripted_forms import cut
from recsim_llm.language.backends.scripts import genres, slot_bias, uniform
from recsim_llm.language.base.questions import choice, number, score, short_text, yes_no
from recsim_llm.language.base.wire import Call, Message, RawReply

PERSONA = "You love Comedy, Crime and Film-Noir. You also like Drama. You seldom choose Horror or War."
PAGE = """<page>
1. "Heat" (1995) | Action, Crime | a heist
2. "Shoah" (1985) | Documentary
3. "Hamlet" | Drama
4. "Alien" (1979) | Horror
5. "M*A*S*H" (1970) | Comedy, War | "Attack" | of laughs
</page>"""
CLICK = yes_no("click_1", "Do you open item 1?")
STARS = score("stars_1", "How many stars?")
QUESTIONS = (CLICK, STARS, choice("mood", "Which mood?", ("calm", "angry", "sad")), number("age", "How old?", 0, 20))
WEIGHTS = {"click_1": (0.3, 0.7), "stars_1": (1, 2, 4, 2, 1), "mood": (0, 1, 2), "age": range(21)}


def known(text, question):
    return WEIGHTS[question.key]


def call(form, *, questions=QUESTIONS, messages=None, **settings):
    messages = messages or (Message("system", "Rules."), Message("user", "A page."))
    return Call(form, messages, questions, **({"temperature": 0.0, "max_tokens": 1000} | settings))


def send(wanted, script=known):
    return asyncio.run(Scripted(script).send(wanted))


def probability(script, text, question):
    return distribution(script, text, question)[0]


def clicks(page=PAGE, persona=PERSONA):
    return [probability(genres, f"{persona}\n\n{page}", yes_no(f"click_{slot}", "?")) for slot in range(1, 6)]


def test_a_decision_is_the_scripts_distribution():
    reply = send(call("decision"))
    assert reply.probabilities[0] == pytest.approx((0.3, 0.7))
    assert reply.probabilities[1] == pytest.approx((0.1, 0.2, 0.4, 0.2, 0.1))
    assert [len(chances) for chances in reply.probabilities] == [2, 5, 3, 21]


def test_a_text_question_has_no_decision():
    assert send(call("decision", questions=(short_text("why", "Why?"),))).probabilities == ((),)


def test_lines_at_temperature_0_carry_the_most_probable_label():
    assert send(call("labels")).texts == ("click_1: no\nstars_1: 3\nmood: C\nage: 20",)


def test_tokens_spell_the_text_and_carry_exact_logprobs():
    reply = send(call("labels", logprobs=True))
    assert "".join(choice.token for choice in reply.tokens[0]) == reply.texts[0]
    answers = [choice for choice in reply.tokens[0] if choice.token in (" no", " 3", " C", " 20")]
    assert dict(answers[0].alternatives) == pytest.approx({" no": math.log(0.7), " yes": math.log(0.3)})
    assert dict(answers[2].alternatives) == pytest.approx({" C": math.log(2 / 3), " B": math.log(1 / 3)})


def test_samples_follow_the_distribution():
    texts = send(call("labels", temperature=1.0, samples=1000, seed=1)).texts
    yes = sum("click_1: yes" in text for text in texts)
    assert abs(yes - 300) < 5 * math.sqrt(1000 * 0.3 * 0.7)
    assert not any("mood: A" in text for text in texts)


def test_samples_depend_on_seed_text_and_number_only():
    wanted = call("labels", temperature=1.0, samples=50, seed=1)
    first = send(wanted).texts
    assert len(set(first)) > 10
    assert send(wanted).texts == first
    assert send(wanted._replace(samples=20)).texts == first[:20]
    assert send(wanted._replace(seed=2)).texts != first
    assert send(wanted._replace(messages=(Message("user", "Another page."),))).texts != first


def test_json_states_percentages_that_sum_to_100():
    third = {"thirds": (1, 1, 1), "sure": (0.996, 0.004)}
    questions = (choice("thirds", "?", ("a", "b", "c")), yes_no("sure", "?"))
    stated = json.loads(send(call("json", questions=questions), lambda text, question: third[question.key]).texts[0])
    assert stated == {"thirds": [34, 33, 33], "sure": 100}


def test_json_obeys_a_schema_that_has_nothing_to_do_with_the_questions():
    schema = {"type": "object", "properties": {"code": {"type": "integer", "enum": [417, 863]}}}
    assert send(call("json", questions=(), schema=schema)).texts == ('{"code": 417}',)


def test_json_and_lines_hold_words_for_a_text_question():
    why = short_text("why", "Why?")
    stated = json.loads(send(call("json", questions=(why,))).texts[0])
    lines = send(call("labels", questions=(why,), logprobs=True))
    assert lines.texts == (f"why: {stated['why']}",)
    assert "".join(choice.token for choice in lines.tokens[0]) == lines.texts[0]


def test_free_text_is_a_sentence_that_depends_on_the_prompt():
    one = send(call("text", questions=(), messages=(Message("user", "Review one."),))).texts
    two = send(call("text", questions=(), messages=(Message("user", "Review two."),))).texts
    assert one != two
    assert one[0].endswith(".")


def test_free_text_varies_by_seed_only_above_temperature_0():
    warm = [send(call("text", questions=(), temperature=1.0, seed=seed)).texts for seed in range(5)]
    cold = [send(call("text", questions=(), seed=seed)).texts for seed in range(5)]
    assert len(set(warm)) > 1
    assert len(set(cold)) == 1


def test_a_repaired_answer_is_the_first_answer():
    wanted = call("labels", temperature=1.0, samples=5, seed=3)
    repaired = (*wanted.messages, Message("assistant", "Well."), Message("user", "That could not be read."))
    assert send(wanted._replace(messages=repaired)).texts == send(wanted).texts


def test_a_script_sees_the_same_text_in_every_form():
    listed = "Rules.\n\n- click_1 (yes or no): Open it?\n- mood (A: calm; B: not (yet) calm): Which?\n\nAnswer in {}."
    texts = {
        prompt_text((Message("system", system), Message("user", "A page.")))
        for system in (listed.format("lines"), listed.format("JSON"), "Rules.")
    }
    assert texts == {"Rules.\n\nA page."}


def test_a_reply_is_cut_off_at_its_token_limit():
    reply = send(call("labels", max_tokens=3, logprobs=True))
    assert (reply.texts, reply.finish) == (("click_1: no\n",), "length")
    assert "".join(choice.token for choice in reply.tokens[0]) == "click_1: no\n"


def test_a_reply_within_its_limit_is_not_cut():
    reply = RawReply(texts=("12345678",))
    assert cut(reply, 2) is reply


def test_usage_counts_tokens():
    usage = send(call("labels")).usage
    assert (usage.prompt, usage.completion) == (3, 9)


@pytest.mark.parametrize("weights", [(1,), (1, 2, 3), (0, 0), (-1, 2), (math.nan, 1), (math.inf, 1), ()])
def test_a_script_that_returns_no_distribution_is_refused(weights):
    with pytest.raises(ContractError, match="click_1"):
        send(call("labels", questions=(CLICK,)), lambda text, question: weights)


def test_a_closed_backend_refuses_calls():
    async def use():
        backend = Scripted(uniform)
        await backend.close()
        await backend.send(call("decision"))

    with pytest.raises(BackendError, match="after close"):
        asyncio.run(use())


def test_names_tell_scripts_apart():
    assert Scripted(genres).name == "scripted/genres"
    assert Scripted(known).name == f"scripted/{__name__}:known"
    assert Scripted(known, name="scripted/mine").name == "scripted/mine"


def test_abilities_are_known():
    assert set(Scripted(known).abilities.elicitations) == {"decision", "logprobs", "json", "samples", "forced"}


def test_scripts_are_found_by_name():
    assert resolve_script("genres") is genres
    assert resolve_script("recsim_llm.language.backends.scripts:slot_bias") is slot_bias


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing",
        "no_such_module:f",
        "math:no_such",
        "math:pi",
        ":f",
        "math:",
        "..:f",
        "recsim_llm.language.backends.scripts",
    ],
)
def test_an_unknown_script_is_refused(name):
    with pytest.raises(ConfigError, match="script"):
        resolve_script(name)


def test_replies_are_played_in_order_and_errors_are_raised():
    backend = ScriptedReplies([RawReply(texts=("one",)), BackendError("server", "broken", retryable=True)])
    assert asyncio.run(backend.send(call("text"))).texts == ("one",)
    with pytest.raises(BackendError, match="broken"):
        asyncio.run(backend.send(call("text")))
    assert len(backend.calls) == 2


def test_a_script_of_replies_that_runs_out_is_an_error():
    with pytest.raises(ConfigError, match="got call 1, expected at most 0"):
        asyncio.run(ScriptedReplies([]).send(call("text")))


def test_uniform_gives_every_option_the_same():
    assert distribution(uniform, "", STARS) == (0.2,) * 5


def test_slot_bias_depends_on_the_slot_alone():
    chances = [probability(slot_bias, text, yes_no(f"click_{slot}", "?")) for text in ("", PAGE) for slot in range(1, 11)]
    assert chances[:3] == pytest.approx([0.8, 0.5, 0.35])
    assert all(left > right for left, right in zip(chances[:9], chances[1:10], strict=True))
    assert chances[:10] == chances[10:]


def test_slot_bias_lets_one_user_in_ten_leave():
    assert probability(slot_bias, PAGE, yes_no("leave", "?")) == pytest.approx(0.1)


def test_genre_shoppers_click_by_the_genres_that_the_persona_names():
    loved, unnamed, liked, avoided, both = clicks()
    assert (loved, unnamed, liked, avoided) == pytest.approx((0.45, 0.15, 0.28, 0.04))
    assert avoided < both < loved


def test_genre_shoppers_without_tastes_click_everything_equally():
    assert clicks(persona="You have no favourite genre and avoid none.") == pytest.approx([0.15] * 5)


def test_genre_shoppers_match_whole_names_of_genres():
    page = (
        '<page>\n1. "A" (1990) | Film\n2. "B" (1990) | Film-Noir\n3. "C" | Noir\n4. "D" | Rock and Roll\n5. "E" | Roll\n</page>'
    )
    persona = "You love Film-Noir, Rock and Roll and War."
    assert clicks(page, persona)[:4] == pytest.approx([0.15, 0.45, 0.15, 0.45])


def test_genre_shoppers_read_the_last_page():
    earlier = '<page>\n1. "Old" | War\n</page>'
    assert clicks(f"You saw:\n{earlier}\n\n{PAGE}") == clicks()


def test_genre_shoppers_cope_with_pipes_and_quotes_in_titles():
    page = '<page>\n1. "Say "cheese" | now" (1990) | War | text\n2. "B" | \n</page>'
    assert clicks(page)[:2] == pytest.approx([0.04, 0.15])


def test_genre_shoppers_rate_by_genre_around_their_mean():
    def mean(slot, persona=PERSONA):
        chances = distribution(genres, f"{persona}\n\n{PAGE}", score(f"stars_{slot}", "?"))
        return sum(level * chance for level, chance in enumerate(chances, 1))

    assert mean(1) > mean(3) > mean(2) > mean(4)
    assert mean(2, f"{PERSONA} On average you give 4.5 stars: generous.") > mean(2) + 0.4


def test_genre_shoppers_are_satisfied_by_pages_that_fit():
    def mean(page):
        chances = distribution(genres, f"{PERSONA}\n\n{page}", score("satisfaction", "?"))
        return sum(level * chance for level, chance in enumerate(chances, 1))

    good, bad = ('<page>\n1. "A" | Comedy\n</page>', '<page>\n1. "A" | War\n</page>')
    assert mean(good) > mean(PAGE) > mean(bad)


def test_genre_shoppers_leave_pages_that_do_not_fit_and_when_impatient():
    def leave(page, more=""):
        return probability(genres, f"{PERSONA} {more}\n\n{page}", yes_no("leave", "?"))

    misfit = '<page>\n1. "A" | War\n</page>'
    assert (leave(PAGE), leave(misfit)) == pytest.approx((0.10, 0.25))
    assert leave(PAGE, "You lose patience quickly and leave after a short sitting.") > 0.15
    assert leave(PAGE, "You are patient and stay for long sittings.") < 0.06


def test_genre_shoppers_answer_anything_else_uniformly():
    assert distribution(genres, PAGE, choice("mood", "?", ("a", "b"))) == (0.5, 0.5)
    assert distribution(genres, PAGE, yes_no("happy", "?")) == (0.5, 0.5)


def test_genre_shoppers_read_what_personas_are_rendered_as(world):
    from recsim_llm.population.persona_text import render_persona, taste_words

    persona = world.population.persona(0)
    loved, _, avoided = taste_words(persona)
    text = f'{render_persona(persona)}\n\n<page>\n1. "A" | {loved[0]}\n2. "B" | {avoided[0]}\n</page>'
    assert [probability(genres, text, yes_no(f"click_{slot}", "?")) for slot in (1, 2)] == pytest.approx([0.45, 0.04])
