"""Friends of language users: posts in memory, and who liked what stands on a page; by id."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from scripted_users import FakeModel, build_users, pages, text_of

from recsim_llm.agents.language.friend_talk import MOST_POSTS, FriendTalk
from recsim_llm.core.protocols import HearsFriends, ReadsMessages
from recsim_llm.errors import ContractError

SHOWN = np.arange(20).reshape(4, 5)
ROWS = np.arange(4)
NOBODY = np.full((4, 5), -1)


def friends_of(model):
    return [[part.text for part in ask.prompt.parts if part.name == "friends"] for ask in model.asks]


def social_users(model, **settings):
    users = build_users(model, **settings)
    users.meet_friends()
    return users


def test_language_users_hear_friends():
    assert isinstance(build_users(FakeModel()), HearsFriends)


def test_with_friends_who_are_silent_prompts_are_those_without_friends():
    plain, model = FakeModel(), FakeModel()
    build_users(plain).decide(pages(SHOWN))
    users = social_users(model)
    users.show_friends(ROWS, NOBODY)
    users.decide(pages(SHOWN))
    assert model.asks == plain.asks


def test_who_liked_what_stands_before_the_page_by_number_of_presentation_and_id():
    model = FakeModel()
    users = social_users(model, rotate=True)
    liked = NOBODY.copy()
    liked[1, 2], liked[1, 4], liked[3, 0] = 17, 40, 5
    users.show_friends(ROWS, liked)
    users.decide(pages(SHOWN))
    told = friends_of(model)
    assert [len(texts) for texts in told] == [0, 1, 0, 1]
    for row, slot, friend in ((1, 2, 17), (1, 4, 40), (3, 0, 5)):
        title = users._writer.item(int(SHOWN[row, slot])).title
        number = next(n for n in range(1, 6) if f'{n}. "{title}"' in text_of(model.asks[row]))
        assert f"{number} (user {friend})" in told[row][0]
    assert [part.name for part in model.asks[1].prompt.parts][-2:] == ["friends", "page"]


def test_a_page_is_asked_about_anew_when_a_friend_has_liked_something_meanwhile():
    model = FakeModel()
    users = social_users(model)
    for liked in (NOBODY, NOBODY, np.where(np.arange(5) == 1, 8, NOBODY)):
        users.show_friends(ROWS, liked)
        users.decide(pages(SHOWN))
    assert len(model.asks) == 8
    assert friends_of(model)[:4] == [[]] * 4


def test_posts_enter_the_memory_of_those_who_are_told_when_they_come():
    model = FakeModel()
    users = social_users(model)
    users.hear(np.array([2, 2]), np.array([7, 8]), np.array([11, 12]))
    assert users.memory_of(int(users._user_id[2])) == []
    users.begin(ROWS, ROWS, returning=False)
    title = users._writer.item(7).title
    lines = users.memory_of(int(users._user_id[2]))
    assert len(lines) == 2
    assert lines[0].startswith(f'A friend, user 11, told you about "{title}"')
    assert users.memory_of(int(users._user_id[1])) == []
    users.begin(ROWS, ROWS, returning=True)
    assert len(users.memory_of(int(users._user_id[2]))) == 2


def test_a_post_comes_to_mind_on_a_page_with_its_item():
    model = FakeModel()
    users = social_users(model)
    users.hear(np.array([0]), SHOWN[0, :1], np.array([11]))
    users.begin(ROWS, ROWS, returning=False)
    users.decide(pages(SHOWN))
    assert "user 11" in text_of(model.asks[0])


def test_only_the_latest_posts_wait():
    users = social_users(FakeModel())
    count = MOST_POSTS + 5
    users.hear(np.zeros(count, np.int64), np.zeros(count, np.int64), np.arange(count))
    rows, texts, valence = users._beside.friends.deliver(np.array([0]))
    assert (len(rows), len(texts), len(valence)) == (MOST_POSTS, MOST_POSTS, MOST_POSTS)
    assert "user 5," in texts[0]


def test_copies_share_no_posts_and_a_new_batch_has_none():
    users = social_users(FakeModel())
    users.hear(np.array([1]), np.array([3]), np.array([9]))
    other = deepcopy(users)
    other.begin(ROWS, ROWS, returning=False)
    assert len(other.memory_of(int(users._user_id[1]))) == 1
    users.allocate(4, 5)
    users.begin(ROWS, ROWS, returning=False)
    assert users.memory_of(int(users._user_id[1])) == []


def test_the_manifest_says_with_which_words_friends_talk():
    users = build_users(FakeModel())
    assert "friend_templates" not in users.provenance
    users.meet_friends()
    assert users.provenance["friend_templates"] == FriendTalk("en", users._writer).fingerprint


def test_talk_without_friends_is_refused():
    with pytest.raises(ContractError, match=r"expected meet_friends\(\) before it"):
        build_users(FakeModel()).hear(np.array([0]), np.array([0]), np.array([0]))


# Messages and chats


def messaged_users():
    users = social_users(FakeModel())
    users.expect_messages()
    return users


def remembered(users, row):
    users.begin(ROWS, ROWS, returning=False)
    return users.memory_of(int(users._user_id[row]))


def test_language_users_read_messages():
    assert isinstance(build_users(FakeModel()), ReadsMessages)


def test_what_a_friend_sent_enters_memory_by_id():
    users = messaged_users()
    users.receive(np.array([2]), np.array([7]), np.array([11]))
    (line,) = remembered(users, 2)
    assert line.startswith(f'A friend, user 11, sent you "{users._writer.item(7).title}"')


def chat(users, row, *, stars, spoke):
    users.chat(np.array([row]), np.array([7]), np.array([11]), stars=np.array([stars]), spoke=np.array([spoke]))


@pytest.mark.parametrize(
    ("stars", "spoke", "words"),
    [
        (4.0, False, "to which your friend gave 4 stars"),
        (1.0, False, "to which your friend gave 1 star."),
        (np.nan, False, "which your friend had taken"),
        (3.5, True, "to which you gave 3.5 stars"),
        (np.nan, True, "which you had taken"),
    ],
)
def test_a_chat_enters_the_memory_of_both_with_what_was_thought_of_the_item(stars, spoke, words):
    users = messaged_users()
    chat(users, 1, stars=stars, spoke=spoke)
    (line,) = remembered(users, 1)
    assert line.startswith(f'You talked with a friend, user 11, about "{users._writer.item(7).title}"')
    assert words in line


def test_bad_news_is_bad_and_ones_own_words_are_no_news():
    users = messaged_users()
    for stars, spoke in ((1.0, False), (5.0, False), (5.0, True)):
        chat(users, 0, stars=stars, spoke=spoke)
    assert users._beside.friends.deliver(np.array([0])).valence == [-0.5, 0.5, 0.0]


def test_the_manifest_says_with_which_words_messages_come():
    users = social_users(FakeModel())
    assert "message_templates" not in users.provenance
    before = dict(users.provenance)
    users.expect_messages()
    assert len(users.provenance["message_templates"]) == 32
    assert before.items() <= users.provenance.items()
