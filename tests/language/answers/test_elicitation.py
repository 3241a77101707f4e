"""What is sent for each elicitation, and how its reply becomes probabilities."""

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read, write_call
from recsim_llm.language.answers.reading import CAUSES
from recsim_llm.language.base.questions import Ask, Part, Prompt, Question, choice, number, score, short_text, yes_no
from recsim_llm.language.base.wire import Message, RawReply, TokenChoice

CLICK = yes_no("click_1", "Would you click item 1?")
STARS = score("stars_1", "How many stars?")
PICK = choice("pick", "Which genre?", ("Comedy", "Drama"))
MINUTES = number("minutes", "How many minutes?", 0, 20)
COMMENT = short_text("comment", "What do you think?")
ALL = (CLICK, STARS, PICK, MINUTES, COMMENT)
PROMPT = Prompt((Part("rules", "You are a viewer."), Part("persona", "You love films. "), Part("page", "<page>\n\tx\n</page>")))
ELICITATIONS = ["logprobs", "samples", "json", "decision"]


def ask(*questions, prompt=PROMPT, **rest):
    return Ask(prompt, questions, **rest)


def spelled(*pieces):
    """Return a reply whose tokens are the pieces: a text, or a text with its alternatives as probabilities."""
    tokens = []
    for piece in pieces:
        text, chances = piece if isinstance(piece, tuple) else (piece, {piece: 1.0})
        tokens.append(TokenChoice(text, tuple((token, math.log(chance)) for token, chance in chances.items())))
    return RawReply(("".join(token.token for token in tokens),), (tuple(tokens),))


def read_tokens(reply, *questions):
    return read(prepare(ask(*questions), "logprobs"), reply, "logprobs")


def cause_of(reply, elicitation, *questions, **rest):
    with pytest.raises(ModelReplyError) as caught:
        read(prepare(ask(*questions), elicitation, **rest), reply, elicitation)
    return caught.value.cause


def test_messages_are_exactly_these():
    system, user = prepare(ask(*ALL), "logprobs").messages
    assert system == Message(
        "system",
        "You are a viewer.\n\n"
        "- click_1 (yes or no): Would you click item 1?\n"
        "- stars_1 (1 to 5): How many stars?\n"
        "- pick (A: Comedy; B: Drama): Which genre?\n"
        "- minutes (0 to 20): How many minutes?\n"
        "- comment (a few words): What do you think?\n\n"
        "Answer every question on a line of its own, in this order and with nothing else, as\n"
        "KEY: ANSWER\n"
        "where ANSWER is only what the parentheses allow: yes or no, one whole number, one letter, or a few words.",
    )
    assert user == Message("user", "You love films. \n\n<page>\n\tx\n</page>")


def test_a_json_call_describes_only_the_kinds_that_are_asked():
    text = prepare(ask(CLICK), "json").messages[0].content
    assert text.endswith("by its KEY:\n- yes or no: the chance of yes in percent, a whole number from 0 to 100")


def test_a_prompt_of_one_part_has_a_fixed_user_message():
    assert prepare(ask(CLICK, prompt=Prompt((Part("rules", "Rules."),))), "json").messages[1] == Message("user", "Answer now.")


@given(
    st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4), st.sampled_from(ELICITATIONS)
)
def test_the_text_of_the_parts_is_untouched(texts, elicitation):
    prompt = Prompt(tuple(Part(f"part {place}", text) for place, text in enumerate(texts)))
    system, user = prepare(ask(CLICK, prompt=prompt), elicitation).messages
    assert system.content.startswith(texts[0] + "\n\n- click_1 (yes or no)")
    assert user.content == ("\n\n".join(texts[1:]) if texts[1:] else "Answer now.")


@pytest.mark.parametrize("elicitation", ELICITATIONS)
def test_equal_questions_give_equal_bytes_and_are_laid_out_once(elicitation):
    copies = tuple(Question(*json.loads(json.dumps(question[:3])), tuple(question.options)) for question in ALL[:4])
    first, second = prepare(ask(*ALL[:4]), elicitation), prepare(ask(*copies), elicitation)
    assert first.messages[0].content.encode() == second.messages[0].content.encode()
    assert first.schema is second.schema
    assert first.max_tokens == second.max_tokens


def test_calls_of_the_four_elicitations():
    logprobs, samples, decision = (prepare(ask(CLICK), name) for name in ("logprobs", "samples", "decision"))
    assert (logprobs.form, logprobs.temperature, logprobs.logprobs, logprobs.samples) == ("labels", 0, True, 1)
    assert (samples.form, samples.temperature, samples.logprobs, samples.samples) == ("labels", 1, False, 8)
    assert (decision.form, decision.logprobs, decision.schema) == ("decision", False, None)
    assert prepare(ask(CLICK), "samples", samples=3).samples == 3


def test_the_schema_of_a_json_call():
    percent = {"type": "integer", "minimum": 0, "maximum": 100}
    call = prepare(ask(CLICK, STARS, COMMENT), "json")
    assert json.loads(json.dumps(call.schema)) == {
        "type": "object",
        "properties": {
            "click_1": percent,
            "stars_1": {"type": "array", "items": percent, "minItems": 5, "maxItems": 5},
            "comment": {"type": "string"},
        },
        "required": ["click_1", "stars_1", "comment"],
        "additionalProperties": False,
    }


def test_max_tokens_hold_an_answer_of_one_token_a_character():
    questions = tuple(yes_no(f"click_{slot}", "Click?") for slot in range(100))
    reply = json.dumps({question.key: 100 for question in questions}, indent=2)
    assert prepare(ask(*questions), "json").max_tokens > len(reply)
    assert prepare(ask(*questions), "samples").max_tokens > sum(len(f"{question.key}: yes\n") for question in questions)


def test_the_seed_of_samples_is_a_function_of_the_nonce():
    seeds = [prepare(ask(CLICK, nonce=nonce), "samples").seed for nonce in ("", "a", "a", "b")]
    assert seeds[1] == seeds[2]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert prepare(ask(CLICK, nonce="a"), "logprobs").seed is None


def test_free_text_is_asked_for_without_questions():
    call = write_call(PROMPT, 30, 0.7)
    assert [message.content for message in call.messages] == ["You are a viewer.", "You love films. \n\n<page>\n\tx\n</page>"]
    assert (call.form, call.max_tokens, call.temperature, call.questions) == ("text", 30, 0.7, ())


@pytest.mark.parametrize("arguments", [(Prompt(()), 10, 0.0), (PROMPT, 0, 0.0), (PROMPT, 10, -1.0), (PROMPT, 10, math.nan)])
def test_free_text_that_cannot_be_asked_for(arguments):
    with pytest.raises(ConfigError):
        write_call(*arguments)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ((), "no questions"),
        ((CLICK, CLICK), "twice"),
        ((CLICK, yes_no("CLICK_1", "Click?")), "twice"),
        ((yes_no("click 1", "Click?"),), "letters, digits and underscores"),
        ((yes_no("click_1", "Click?\n- leave (yes or no): Leave?"),), "one line"),
        ((yes_no("click_1", " "),), "one line"),
        ((choice("pick", "Which?", ("a\u2028b", "c")),), "one line"),
    ],
)
def test_questions_that_cannot_be_told_apart_are_refused(questions, message):
    with pytest.raises(ConfigError, match=message):
        prepare(ask(*questions), "samples")


def test_calls_that_cannot_be_made_are_refused():
    with pytest.raises(ConfigError, match="text question"):
        prepare(ask(COMMENT), "decision")
    with pytest.raises(ConfigError, match="no parts"):
        prepare(ask(CLICK, prompt=Prompt(())), "json")
    with pytest.raises(ConfigError, match="samples: got 0"):
        prepare(ask(CLICK), "samples", samples=0)
    with pytest.raises(ConfigError, match="expected one of logprobs"):
        prepare(ask(CLICK), "guess")


def test_a_reply_is_only_read_as_it_was_asked_for():
    with pytest.raises(ConfigError, match="prepared for"):
        read(prepare(ask(CLICK), "json"), RawReply(("click_1: yes",)), "samples")


def test_samples_are_counted_with_half_a_count_an_option():
    call = prepare(ask(CLICK, STARS), "samples", samples=4)
    texts = ("click_1: yes\nstars_1: 4", "click_1: yes\nstars_1: 5", "CLICK_1 = No\nSTARS_1 = 4/5", "click_1: yes\nstars_1: 4")
    click, stars = read(call, RawReply(texts), "samples")
    assert click.probabilities == (3.5 / 5, 1.5 / 5)
    assert stars.probabilities == pytest.approx([0.5 / 6.5, 0.5 / 6.5, 0.5 / 6.5, 3.5 / 6.5, 1.5 / 6.5])


def test_the_words_of_samples_are_those_of_the_first():
    replies = RawReply(("click_1: yes\ncomment: Nice", "click_1: no\ncomment: Dull"))
    assert read(prepare(ask(CLICK, COMMENT), "samples", samples=2), replies, "samples")[1].text == "Nice"


def test_one_unreadable_sample_is_an_error():
    assert cause_of(RawReply(("click_1: yes", "click_1: perhaps")), "samples", CLICK, samples=2) == "not_an_option"


def test_fewer_samples_than_asked_are_an_error():
    assert cause_of(RawReply(("click_1: yes",)), "samples", CLICK, samples=2) == "missing"
    assert cause_of(RawReply(()), "samples", CLICK, samples=2) == "empty"


def test_logprobs_are_those_of_the_answers_token():
    reply = spelled(
        "click", "_1", ":", (" yes", {" yes": 0.7, " no": 0.3}), "\nstars_1: ", ("4", {"4": 0.5, "5": 0.25, "3": 0.25})
    )
    click, stars = read_tokens(reply, CLICK, STARS)
    assert click.probabilities == pytest.approx((0.7, 0.3))
    assert stars.probabilities == pytest.approx((0, 0, 0.25, 0.5, 0.25), abs=2e-4)
    assert min(stars.probabilities) == pytest.approx(1e-4, rel=1e-3)


def test_spellings_of_a_label_are_summed_and_other_tokens_left_out():
    chances = {" yes": 0.3, "Yes": 0.1, "YES": 0.05, '"yes': 0.05, " no": 0.2, " No": 0.05, " maybe": 0.2, " not": 0.05}
    (click,) = read_tokens(spelled("click_1:", (" yes", chances)), CLICK)
    assert click.probabilities == pytest.approx((0.5 / 0.75, 0.25 / 0.75))


@pytest.mark.parametrize(
    "pieces",
    [
        ("click_1: ", ("y", {"y": 0.7, "n": 0.3}), "es"),
        ("click_1:", " ", ("Yes", {"Yes": 0.7, "No": 0.3}), "."),
        ("click_1:", ("  ", {"  ": 0.9, " ": 0.1}), ("yes", {"yes": 0.7, "no": 0.3})),
        ("**click_1**: **", ("yes", {"yes": 0.7, "no": 0.3}), "**"),
        ("click_1", (":yes", {":yes": 0.7, ":no": 0.3})),
        ("<think>click_1: ", "no", "</think>\n", "click_1: ", ("yes\n", {"yes\n": 0.7, "no\n": 0.3})),
        ('{"click_1": ', ('"yes', {'"yes': 0.7, '"no': 0.3}), '"}'),
        ("click_1: ", ("yes", {"yes": 0.7, "no": 0.3}), "\nclick_1: ", ("yes", {"yes": 1.0})),
        ("click_1：", ("yes", {"yes": 0.7, "no": 0.3})),
    ],
)
def test_the_answers_token_is_found_however_it_is_written(pieces):
    assert read_tokens(spelled(*pieces), CLICK)[0].probabilities == pytest.approx((0.7, 0.3))


def test_letters_are_read_from_their_tokens():
    (pick,) = read_tokens(spelled("pick: ", ("B", {"B": 0.6, "A": 0.4}), ") Drama"), PICK)
    assert pick.probabilities == pytest.approx((0.4, 0.6))


def test_tokens_may_surround_the_text():
    reply = spelled("<s>", "click_1: ", ("yes", {"yes": 0.7, "no": 0.3}), "</s>")
    shown = RawReply(("click_1: yes",), reply.tokens)
    assert read_tokens(shown, CLICK)[0].probabilities == pytest.approx((0.7, 0.3))


def test_numbers_are_told_apart_where_the_model_writes_them_as_one_token():
    (minutes,) = read_tokens(spelled("minutes: ", ("12", {"12": 0.5, "1": 0.3, "2": 0.2})), MINUTES)
    assert minutes.probabilities[12] == pytest.approx(0.5, abs=2e-3)
    assert minutes.probabilities[1] == pytest.approx(0.3, abs=2e-3)


def test_numbers_that_are_written_digit_by_digit_have_no_logprobs():
    reply = spelled("minutes: ", ("1", {"1": 0.6, "7": 0.4}), "2")
    assert cause_of(reply, "logprobs", MINUTES) == "no_logprobs"


def test_a_hardly_possible_digit_does_not_spoil_the_others():
    (minutes,) = read_tokens(spelled("minutes: ", ("7", {"7": 0.6, "8": 0.4 - 1e-5, "1": 1e-5})), MINUTES)
    assert minutes.value == "7"


@pytest.mark.parametrize(
    "reply",
    [
        RawReply(("click_1: yes",)),
        RawReply(("click_1: yes",), ((),)),
        RawReply(("click_1: yes",), ((TokenChoice("something else", ()),),)),
        RawReply(("click_1: yes",), ((TokenChoice("click_1: ", ()), TokenChoice("yes", ())),)),
        spelled("click_1: ", ("yes", {"the": 0.7, " a": 0.3})),
        spelled("click_1: ", ("true", {"true": 0.7, "no": 0.3})),
        RawReply(("click_1: yes",), ((TokenChoice("click_1: ", ()), TokenChoice("yes", (("yes", math.nan),))),)),
        RawReply(("click_1: yes",), ((TokenChoice("click_1: ", ()), TokenChoice("yes", (("yes", 3.0),))),)),
        RawReply(("click_1: yes",), ((TokenChoice("click_1: ", ()), TokenChoice("yes", (("yes", -math.inf),))),)),
    ],
)
def test_replies_without_usable_logprobs(reply):
    assert cause_of(reply, "logprobs", CLICK) == "no_logprobs"


STAR_CHANCES = {"5": 0.22, "4": 0.21, "3": 0.20, "2": 0.19, "1": 0.18}


def starred(chances):
    return spelled("stars_1: ", (max(chances, key=chances.get), chances))


@pytest.mark.parametrize(
    "listed",
    [
        {"5": 0.22, "4": 0.21, "3": 0.20, "2": 0.19},
        {"5": 0.22},
        {"4": 0.9, "5": 0.05, "3": 0.02, "2": 0.01},
        {"4": 0.6, " the": 0.2, "5": 0.199, "3": 0.0005, "2": 0.0003},
    ],
)
def test_an_option_that_is_not_listed_is_unknown_and_not_small(listed):
    assert cause_of(starred(listed), "logprobs", STARS) == "options_missing"


def test_a_missing_option_names_itself_and_a_way_out():
    with pytest.raises(
        ModelReplyError, match=r"^reply: got 1 not among 4 alternatives for stars_1, .* json or samples"
    ) as caught:
        read_tokens(starred({label: STAR_CHANCES[label] for label in "5432"}), STARS)
    assert "--set models.user.realisation=json" in str(caught.value)


@pytest.mark.parametrize(
    "listed",
    [
        {"4": 0.7, "5": 0.3},
        {"4": 0.7, "5": 0.29995},
        {"4": 0.7, "5": 0.2, " the": 0.05, " a": 1e-5},
    ],
)
def test_what_is_listed_may_prove_the_others_unlikely(listed):
    (stars,) = read_tokens(starred(listed), STARS)
    total = listed["4"] + listed["5"]
    assert stars.probabilities[3] == pytest.approx(listed["4"] / total, rel=1e-3)
    assert stars.probabilities[:3] == pytest.approx([1e-4] * 3, rel=1e-2)


@pytest.mark.parametrize("unlikely", [-9999.0, -math.inf])
def test_a_number_for_very_unlikely_lists_nothing(unlikely):
    told = tuple((label, math.log(chance)) for label, chance in STAR_CHANCES.items() if label != "1")
    reply = RawReply(("stars_1: 5",), ((TokenChoice("stars_1: ", ()), TokenChoice("5", (*told, ("1", unlikely)))),))
    assert cause_of(reply, "logprobs", STARS) == "options_missing"


def test_a_token_added_to_the_listing_bounds_nothing():
    others = {"4": 0.5, "5": 0.2}
    reply = spelled("stars_1: ", ("3", others | {"3": 1e-6}))
    assert cause_of(reply, "logprobs", STARS) == "options_missing"


def test_more_than_everything_proves_nothing():
    reply = spelled("stars_1: ", ("4", {"4": 0.9, "5": 0.9}))
    assert cause_of(reply, "logprobs", STARS) == "options_missing"


@given(st.lists(st.floats(1e-7, 1.0), min_size=25, max_size=25), st.integers(1, 25))
def test_a_shorter_listing_gives_the_same_probabilities_or_none(weights, listed):
    names = [*"12345", *(f" other{place}" for place in range(20))]
    chances = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    ranked = sorted(names, key=chances.get, reverse=True)
    best = next(name for name in ranked if name in "12345")
    (whole,) = read_tokens(spelled("stars_1: ", (best, chances)), STARS)
    shown = {name: chances[name] for name in {*ranked[:listed], best}}
    cause = ""
    try:
        (part,) = read_tokens(spelled("stars_1: ", (best, shown)), STARS)
        assert part.probabilities == pytest.approx(whole.probabilities, abs=6e-4)
    except ModelReplyError as error:
        cause = error.cause
    assert cause in ("", "options_missing")


def test_the_text_of_logprobs_must_be_readable_too():
    assert cause_of(spelled("click_1: ", ("maybe", {"yes": 0.7, "no": 0.3})), "logprobs", CLICK) == "not_an_option"


def test_a_token_that_looks_like_another_label_has_no_usable_logprobs():
    pick = choice("pick", "Which genre?", ("Comedy", "Drama", "A war film"))
    assert cause_of(spelled("pick: ", ("A", {"A": 0.7, "B": 0.3}), " war film"), "logprobs", pick) == "no_logprobs"


def test_words_need_no_logprobs():
    assert read_tokens(RawReply(("comment: Nice",)), COMMENT)[0].text == "Nice"


@given(st.lists(st.tuples(st.text(max_size=8), st.lists(st.tuples(st.text(max_size=3), st.floats()), max_size=4)), max_size=8))
def test_any_tokens_are_read_or_fail_with_a_cause(pieces):
    pieces = [("click_1:", []), *pieces, (" yes", [(" yes", -0.1), ("no", -2.0)]), ("\nminutes: 1", [("minutes", 0.0)])]
    tokens = tuple(TokenChoice(token, tuple(alternatives)) for token, alternatives in pieces)
    reply = RawReply(("".join(token for token, _ in pieces),), (tokens,))
    for questions in ((CLICK,), (CLICK, MINUTES)):
        cause, answers = "", ()
        try:
            answers = read_tokens(reply, *questions)
        except ModelReplyError as error:
            cause = error.cause
        assert bool(answers) != (cause in CAUSES)
        assert all(sum(answer.probabilities) == pytest.approx(1) for answer in answers)


def test_decisions_are_taken_as_they_are_but_floored():
    click, stars = read(
        prepare(ask(CLICK, STARS), "decision"), RawReply(probabilities=((0.7, 0.3), (0, 0, 0, 0, 1))), "decision"
    )
    assert click.probabilities == (0.7, 0.3)
    assert stars.probabilities[0] == pytest.approx(1e-4, rel=1e-3)
    assert sum(stars.probabilities) == pytest.approx(1, abs=1e-12)


def test_tiny_probabilities_are_raised_to_the_floor():
    (click,) = read(prepare(ask(CLICK), "decision"), RawReply(probabilities=((1 - 1e-9, 1e-9),)), "decision")
    assert click.probabilities == pytest.approx((1 / 1.0001, 1e-4 / 1.0001))


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (RawReply(), "empty"),
        (RawReply(probabilities=((0.5, 0.5), (0.5, 0.5))), "missing"),
        (RawReply(probabilities=((),)), "refusal"),
        (RawReply(probabilities=((0.5, 0.5),), refusal="no"), "refusal"),
        (RawReply(probabilities=((1.0,),)), "not_a_probability"),
        (RawReply(probabilities=((0.0, 0.0),)), "out_of_range"),
        (RawReply(probabilities=((math.nan, 0.5),)), "out_of_range"),
        (RawReply(probabilities=((-0.1, 1.1),)), "out_of_range"),
        (RawReply(probabilities=((0.9, 0.9),)), "out_of_range"),
    ],
)
def test_decisions_that_are_none(reply, cause):
    assert cause_of(reply, "decision", CLICK) == cause


def test_a_reply_error_keeps_its_cause_and_subject_between_processes():
    error = pickle.loads(pickle.dumps(ModelReplyError("reply: got a, expected b", cause="empty", subject="7")))
    assert (str(error), error.cause, error.subject) == ("reply: got a, expected b", "empty", "7")


@pytest.mark.parametrize("elicitation", [*ELICITATIONS, "forced"])
def test_a_call_tells_which_beginnings_of_its_message_come_again(elicitation):
    parts = (Part("rules", "r"), Part("persona", "You are one."), Part("memory", "You learned."))
    page, recent = Part("page", "<page>"), Part("recent", "You recall.")
    for prompt in (Prompt((*parts, page)), Prompt((*parts, recent, page))):
        call = prepare(ask(CLICK, prompt=prompt), elicitation)
        user = call.messages[1].content
        assert [user[:length] for length in call.recurring] == ["You are one.", "You are one.\n\nYou learned."]
    assert write_call(Prompt((*parts, page)), 9, 0.0).recurring == call.recurring
    assert prepare(ask(CLICK, prompt=Prompt(parts[:1])), elicitation).recurring == ()
