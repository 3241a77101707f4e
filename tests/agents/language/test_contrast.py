"""Contrasts: what a title gets from everyone cancels to the letter, neutral answers are shared, other models are refused."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future

import numpy as np
import pytest
from contrast_scripts import TASTE, log_odds, personal, pull_of, pulled
from scripted_users import films, pages, people

from recsim_llm.agents.language.contrast import NEUTRAL, _when_all
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.backends.scripted import Scripted
from recsim_llm.language.backends.scripts import CLICK, genres
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.calls.model import LanguageModel

WAYS = ("forced", "logprobs", "decision")
ITEMS = [[3, 11, 24, 8, 17], [11, 24, 30, 3, 39], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


class Listener(Scripted):
    """Keeps the calls; fails those whose number is in ``failing``."""

    def __init__(self, script=pulled, failing=()):
        super().__init__(script)
        self.calls, self.failing = [], set(failing)

    async def send(self, call):
        self.calls.append(call)
        if len(self.calls) - 1 in self.failing:
            raise BackendError("refused", "no", retryable=False)
        return await super().send(call)


def named_films():
    """Films whose titles begin with different letters."""
    return films().__class__.from_columns(
        item_id=films().item_id,
        title=[f"{'ABCDE'[number % 5]}{number} film" for number in range(40)],
        genres=[[("Comedy", "Crime", "Drama", "Horror", "War")[number % 5]] for number in range(40)],
        year=films().year,
        popularity=films().popularity,
    )


def rated(users=12, liked=(0, 5, 10), disliked=(1, 2, 3, 4)):
    """Every user liked three films with the letter A, and did not like four others."""
    user = np.repeat(people(users).user_id, len(liked) + len(disliked))
    item = np.tile(films().item_id[[*liked, *disliked]], users)
    stars = np.tile(np.repeat([5.0, 1.0], [len(liked), len(disliked)]), users).astype(np.float32)
    ratings = Ratings(user_id=user, item_id=item, rating=stars, timestamp=np.arange(len(user)))
    return RatingHistory(ratings, people(users).user_id, named_films())


def played(model, history=None, catalog=None, **parameters):
    users = LanguageUsers(
        catalog or named_films(),
        people(),
        model,
        parameters=LanguageParameters.from_settings(parameters),
        seed=7,
        history=history,
    )
    users.allocate(4, 5)
    users.begin(slice(None), np.arange(4), False)
    return users


def decided(elicitation="forced", script=pulled, **more):
    with LanguageModel(Scripted(script), elicitation=elicitation) as model:
        users = played(model, **more)
        clicks = users.decide(pages(ITEMS)).click_log_odds.astype(np.float64)
        return clicks, users._answers.stars.astype(np.float64), users._answers.leave.copy()


def test_a_title_s_own_pull_moves_clicks_and_stars_where_nothing_is_set_against_it():
    clicks, stars, _ = decided()
    plain, plain_stars, _ = decided(script=personal)
    pull = np.array([[pull_of(str(named_films().title[item])) for item in row] for row in ITEMS])
    assert clicks - plain == pytest.approx(pull, abs=0.02)
    assert np.abs(stars - plain_stars).max() > 0.5


@pytest.mark.parametrize("elicitation", WAYS)
@pytest.mark.parametrize("templates", ["en", "en_compact"])
def test_set_against_neutral_answers_the_pull_is_gone_and_the_person_remains(elicitation, templates):
    clicks, stars, leave = decided(elicitation, contrast="neutral", templates=templates)
    alike, alike_stars, _ = decided(elicitation, script=personal, contrast="neutral", templates=templates)
    # Listed alternatives below a ten-thousandth are cut off, and nothing else is lost.
    assert clicks == pytest.approx(alike, abs=0.02)
    assert stars == pytest.approx(alike_stars, abs=0.02)
    assert np.array_equal(leave, decided(elicitation, templates=templates)[2])
    plain, _, _ = decided(elicitation, script=personal, templates=templates)
    nobody = log_odds(CLICK)
    assert clicks == pytest.approx(plain - nobody, abs=0.02)
    assert np.ptp(clicks) > 0.5
    assert np.ptp(stars) > 0.5


def test_stars_of_who_agrees_with_nobody_s_are_even():
    _, stars, _ = decided(script=lambda text, question: genres("", question), contrast="neutral")
    assert stars == pytest.approx(np.broadcast_to(log_odds(np.array([0.2, 0.4, 0.6, 0.8])), stars.shape), abs=1e-3)


def test_titles_are_likelier_by_what_a_user_liked_and_by_nothing_else():
    clicks, stars, _ = decided(contrast="titles", history=rated())
    letters = np.array([[str(named_films().title[item])[0] for item in row] for row in ITEMS])
    # All three liked films begin with A. Neutral histories hold as many of every letter as popularity drew, at most three.
    assert clicks[letters == "A"].min() > clicks[letters != "A"].max()
    assert clicks.max() <= TASTE + 1e-3
    assert clicks.min() >= -TASTE - 1e-3
    assert stars == pytest.approx(decided(history=rated())[1])


def test_a_user_who_liked_nothing_is_as_a_neutral_person():
    clicks, _, _ = decided(contrast="titles", history=rated(liked=(), disliked=(1, 2)))
    assert clicks == pytest.approx(0.0, abs=1e-6)


def test_disliked_titles_are_not_told_and_ones_that_stand_in_a_neutral_list_are_asked_of_another():
    listener = Listener()
    with LanguageModel(listener, elicitation="forced") as model:
        played(model, contrast="titles", history=rated()).decide(pages(ITEMS))
    asked = [call for call in listener.calls if call.form == "likelihood"]
    own = [call for call in asked if len(call.questions) > 1]
    assert len(own) == 4
    for call in own:
        told = call.messages[0].content.split("\n")
        assert told == ["Titles that one person saw and liked, the latest last:", '"A0 film"', '"A5 film"', '"A10 film"']
    for call in asked:
        if len(call.questions) == 1:
            assert call.questions[0].options[0] not in call.messages[0].content
            assert len(call.messages[0].content.split("\n")) == 4


@pytest.mark.parametrize(("contrast", "more"), [("neutral", 1), ("titles", 2)])
def test_neutral_asks_are_one_an_item_whoever_and_however_often(contrast, more):
    listener = Listener()
    with LanguageModel(listener, elicitation="forced") as model:
        users = played(model, contrast=contrast, history=rated())
        users.decide(pages(ITEMS))
        distinct = len(set(np.ravel(ITEMS).tolist()))
        assert len(listener.calls) == more * 4 + distinct
        users.begin(slice(None), np.arange(4, 8), False)
        users.decide(pages(ITEMS, who=np.arange(4, 8)))
        assert len(listener.calls) == 2 * more * 4 + distinct
        assert model.meter().hits == 0


def test_a_page_whose_neutral_ask_failed_is_asked_again():
    listener = Listener(failing=[5])
    with LanguageModel(listener, elicitation="forced") as model:
        users = played(model, contrast="neutral")
        with pytest.raises(BackendError):
            users.decide(pages(ITEMS))
        clicks = users.decide(pages(ITEMS)).click_log_odds
    assert clicks == pytest.approx(decided(contrast="neutral")[0], abs=1e-5)


@pytest.mark.parametrize("cancelled", [True, False])
def test_whoever_waits_is_told_of_whatever_goes_wrong(cancelled):
    one, other = Future(), Future()
    whole = _when_all([one, other], lambda replies: replies[0] / replies[1])
    one.set_result(1)
    if cancelled:
        other.cancel()
    else:
        other.set_result(0)
    assert whole.done()
    with pytest.raises(CancelledError if cancelled else ZeroDivisionError):
        whole.result()


def test_neutral_prompts_say_nothing_of_a_person():
    listener = Listener()
    with LanguageModel(listener, elicitation="forced") as model:
        played(model, contrast="neutral", history=rated(), templates="en_compact").decide(pages(ITEMS))
    neutral = [call for call in listener.calls if len(call.questions) == 2]
    assert {call.messages[1].content.count("\n") for call in neutral} == {2}
    assert all("You love" not in message.content for call in neutral for message in call.messages)
    assert len({call.messages for call in neutral}) == len(neutral)
    assert NEUTRAL == "neutral"


def test_the_order_in_which_items_stand_changes_no_neutral_ask():
    turned = [row[::-1] for row in ITEMS]
    with LanguageModel(Scripted(pulled), elicitation="forced") as model:
        users = played(model, contrast="neutral", rotate=False)
        clicks = users.decide(pages(ITEMS)).click_log_odds.copy()
        again = users.decide(pages(turned)).click_log_odds
    assert again[:, ::-1] == pytest.approx(clicks)


class Tells(Scripted):
    """A stand-in that tells no likelihoods."""

    @property
    def abilities(self):
        return Abilities(elicitations=("forced", "json", "samples"), samples=1024)


@pytest.mark.parametrize(
    ("elicitation", "parameters", "history", "message"),
    [
        ("json", {"contrast": "neutral"}, None, "contrast neutral: got realisation json"),
        ("samples", {"contrast": "titles"}, None, "contrast titles: got realisation samples"),
        ("forced", {"contrast": "titles"}, rated(), "does not tell how probable given words are"),
        ("forced", {"contrast": "other"}, None, "'contrast': got 'other', expected one of none, neutral, titles"),
    ],
)
def test_what_cannot_be_set_against_anything_is_refused_in_one_line(elicitation, parameters, history, message):
    with LanguageModel(Tells(pulled), elicitation=elicitation) as model, pytest.raises(ConfigError, match=message) as caught:
        played(model, history=history, **parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("history", "told"), [(None, 20), (rated(), 0)])
def test_titles_need_a_history(history, told):
    with (
        LanguageModel(Scripted(pulled), elicitation="forced") as model,
        pytest.raises(ConfigError, match="without a rating history"),
    ):
        played(model, history=history, contrast="titles", rating_history=told)
