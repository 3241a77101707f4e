"""Replies as models write them are read as what they say, or fail with the right cause."""

import json

import pytest
from broken_replies import LINES, OBJECT, PAGE, REMARK, REPLIES, RIGHT
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.answers.reading import CAUSES, FLOOR, plain_marks, without_thoughts
from recsim_llm.language.base.questions import Ask, Part, Prompt
from recsim_llm.language.base.wire import RawReply

PROMPT = Prompt((Part("rules", "You are a viewer."), Part("page", "click_1: yes")))


def read_reply(reply):
    elicitation = "json" if reply.form == "json" else "samples"
    call = prepare(Ask(PROMPT, reply.questions), elicitation, samples=1)
    return read(call, RawReply((reply.text,), finish=reply.finish, refusal=reply.refusal), elicitation)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: f"{reply.form}: {reply.name}")
def test_a_reply_is_read_as_what_it_says_or_fails_with_its_cause(reply):
    if isinstance(reply.expected, str):
        with pytest.raises(ModelReplyError) as caught:
            read_reply(reply)
        assert caught.value.cause == reply.expected
        assert reply.expected in CAUSES
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 400
    else:
        assert {answer.question.key: answer.value for answer in read_reply(reply)} == reply.expected


def texts_of(question):
    return st.sampled_from([f"{question.key}: {label}" for label in question.labels])


WELL_FORMED = st.tuples(*map(texts_of, PAGE)).map("\n".join)
PERCENT = st.integers(0, 100)
NUMBERS_OF_PERCENT = st.integers(0, 100) | st.floats() | st.none() | st.text(max_size=5) | st.booleans()
ANY_JSON = st.recursive(
    NUMBERS_OF_PERCENT,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from([*RIGHT, "value", "key", "A", "1"]), inner, max_size=4)
    ),
    max_leaves=12,
)
PIECES = (
    *(
        *RIGHT,
        "leave",
        "comment",
        ": ",
        ":",
        "=",
        "|",
        ", ",
        "\n",
        "yes",
        "no",
        "4",
        "B",
        "Drama",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
    ),
    *("70", "%", "<think>", "</think>", "```", "I'm sorry", "\\", "(", ")", "-", " ", "★", "1e5", "NaN", "//", "/*", "*/"),
    *("İ", "\ud800", "\0"),
)
FINISH = st.sampled_from(["stop", "length", "content_filter", ""])
EDITS = st.lists(
    st.tuples(st.sampled_from(["delete", "insert", "repeat", "cut"]), st.floats(0, 1), st.integers(0, 30), st.text(max_size=6)),
    max_size=5,
)


def edited(text, edits):
    """Return text with pieces deleted, inserted, repeated and its end cut."""
    for edit, place, length, inserted in edits:
        at = int(place * len(text))
        piece = text[at : at + length]
        if edit == "cut":
            text = text[:at]
        else:
            middle = {"delete": "", "insert": inserted + piece, "repeat": piece * 3}[edit]
            text = text[:at] + middle + text[at + length :]
    return text


def check_read(text, elicitation, finish="stop", questions=PAGE):
    """Check that a text is read as valid answers or fails with a known cause."""
    call = prepare(Ask(PROMPT, questions), elicitation, samples=1)
    cause, answers = "", ()
    try:
        answers = read(call, RawReply((text,), finish=finish), elicitation)
    except ModelReplyError as error:
        cause = error.cause
    assert bool(answers) != (cause in CAUSES)
    if cause:
        return
    assert [answer.question for answer in answers] == list(questions)
    for answer in answers:
        assert len(answer.probabilities) == len(answer.question.options)
        if answer.question.kind == "text":
            assert answer.text.encode()
            assert answer.text.splitlines() == [answer.text]
        else:
            assert all(0 < chance < 1 for chance in answer.probabilities)
            assert sum(answer.probabilities) == pytest.approx(1, abs=1e-12)


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join), st.sampled_from(["samples", "json"]), FINISH)
def test_any_text_is_read_or_fails_with_a_known_cause(text, elicitation, finish):
    check_read(text, elicitation, finish)
    check_read(text, elicitation, finish, REMARK)


@given(WELL_FORMED, EDITS, FINISH)
def test_damaged_lines_are_read_or_fail_with_a_known_cause(text, edits, finish):
    check_read(edited(text, edits), "samples", finish)


@given(st.sampled_from([reply for reply in REPLIES if len(reply.text) < 2000]), EDITS)
def test_damaged_replies_of_the_corpus_are_read_or_fail_with_a_known_cause(reply, edits):
    check_read(edited(reply.text, edits), "json" if reply.form == "json" else "samples", reply.finish, reply.questions)


@given(ANY_JSON, EDITS, FINISH, st.sampled_from(["samples", "json"]))
def test_any_object_is_read_or_fails_with_a_known_cause(value, edits, finish, elicitation):
    check_read(json.dumps(value), elicitation, finish)
    check_read(edited(json.dumps({"leave": value, "comment": "Nice"}), edits), elicitation, finish, REMARK)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(max_size=30))
def test_plain_marks_and_cut_thoughts_keep_every_place(text, inside):
    for before in (text, f"<think>{inside}</think>{text}", f"{text}</think>{inside}", f"{text}<|end|>{inside}<think>"):
        assert len(plain_marks(before)) == len(before)
        assert len(without_thoughts(before)) == len(before)


@given(WELL_FORMED)
def test_a_tolerant_reading_agrees_with_the_exact_one(text):
    call = prepare(Ask(PROMPT, PAGE), "samples", samples=1)
    exact = read(call, RawReply((text,)), "samples")
    for dressed in (f"Here:\n{text}\n", f"```\n{text}\n```", text.replace(": ", " : "), f"{text}\n{text}"):
        assert read(call, RawReply((dressed,)), "samples") == exact


@given(st.tuples(*[st.sampled_from(question.labels) for question in PAGE]))
def test_well_formed_lines_are_read_exactly(labels):
    text = "\n".join(f"{question.key}: {label}" for question, label in zip(PAGE, labels, strict=True))
    answers = read(prepare(Ask(PROMPT, PAGE), "samples", samples=1), RawReply((text,)), "samples")
    assert [answer.question.labels[answer.question.options.index(answer.value)] for answer in answers] == list(labels)


@given(PERCENT, st.lists(st.integers(10, 30), min_size=4, max_size=4).map(lambda four: [*four, max(100 - sum(four), 0)]))
def test_well_formed_objects_are_read_exactly(percent, percents):
    questions = (PAGE[0], PAGE[2])
    text = json.dumps({"click_1": percent, "stars_1": percents})
    click, stars = read(prepare(Ask(PROMPT, questions), "json"), RawReply((text,)), "json", renormalise=True)
    assert click.probabilities == pytest.approx((percent / 100, 1 - percent / 100), abs=2e-4)
    assert stars.probabilities == pytest.approx([share / sum(percents) for share in percents], abs=5e-4)
    assert all(chance > FLOOR / 2 for chance in click.probabilities + stars.probabilities)


TWO = (PAGE[0], PAGE[2])


def read_stars(stars, **how):
    text = json.dumps({"click_1": 70, "stars_1": stars})
    return read(prepare(Ask(PROMPT, TWO), "json"), RawReply((text,)), "json", **how)


@pytest.mark.parametrize("total", [98, 100, 102])
@pytest.mark.parametrize("renormalise", [False, True])
def test_percentages_without_zeros_are_only_divided_by_their_sum(total, renormalise):
    click, stars = read_stars([5, 10, 20, 40, total - 75], renormalise=renormalise)
    assert click.probabilities == (0.7, 0.3)
    assert stars.probabilities == (5 / total, 10 / total, 20 / total, 40 / total, (total - 75) / total)
    assert not click.renormalised | stars.renormalised


@pytest.mark.parametrize("percents", [[5, 10, 20, 40, 5], [10, 10, 20, 10, 10], [90, 90, 90, 90, 90], [2, 0, 0, 0, 1]])
def test_sums_that_rounding_does_not_explain_are_divided_out_only_where_that_is_declared(percents):
    with pytest.raises(ModelReplyError, match=r"expected 100; .*--set models\.user\.renormalise=true") as failure:
        read_stars(percents)
    assert failure.value.cause == "out_of_range"
    click, stars = read_stars(percents, renormalise=True)
    assert stars.probabilities == pytest.approx([share / sum(percents) for share in percents], abs=2e-4)
    assert (click.renormalised, stars.renormalised) == (False, True)


def test_percentages_that_are_all_zero_have_no_sum_to_be_divided_by():
    with pytest.raises(ModelReplyError) as failure:
        read_stars([0, 0, 0, 0, 0], renormalise=True)
    assert failure.value.cause == "out_of_range"
    assert "renormalise" not in str(failure.value)


def test_shares_of_one_are_percentages_where_all_numbers_are():
    text = '{"click_1": 0.7, "stars_1": [0.1, 0.1, 0.2, 0.5, 0.1]}'
    click, stars = read(prepare(Ask(PROMPT, (PAGE[0], PAGE[2])), "json"), RawReply((text,)), "json")
    assert click.probabilities == pytest.approx((0.7, 0.3))
    assert stars.mean == pytest.approx(3.4)


def test_one_percent_is_not_a_certainty():
    answers = read(prepare(Ask(PROMPT, (PAGE[0],)), "json"), RawReply(('{"click_1": 1}',)), "json")
    assert answers[0].probabilities == pytest.approx((0.01, 0.99))


def test_what_the_prompt_contains_cannot_matter():
    texts = ("", "click_1: yes", LINES, OBJECT, "</think> <|im_end|> I'm sorry, but I can't")
    calls = [prepare(Ask(Prompt((Part("rules", "r"), Part("page", text))), PAGE), "samples", samples=1) for text in texts]
    reply = RawReply((LINES.replace("click_1: yes", "click_1: no"),))
    assert len({read(call, reply, "samples") for call in calls}) == 1
    for call in calls:
        with pytest.raises(ModelReplyError):
            read(call, RawReply((LINES.replace("click_1: yes\n", ""),)), "samples")


@pytest.mark.parametrize(
    "base", ["leave - ", "click_1:\n", "comment: ", "<think>", "</think>", "{'", '{"a":', "pick: a ", "\n", "(("]
)
@pytest.mark.parametrize("elicitation", ["samples", "json"])
def test_the_work_for_a_reply_grows_no_faster_than_its_length(base, elicitation):
    # A quadratic search of a megabyte of thoughts and 90,000 characters would take minutes.
    thoughts = "<think>" + "<think></think>" * 70_000 + "</think>"
    check_read(thoughts + base * (90_000 // len(base)), elicitation, questions=PAGE + REMARK)
