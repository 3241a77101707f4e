"""Which beginnings of prompts are kept: within how many bytes, and what displaces what."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs recsim_llm[transformers]")

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.language.backends.prefix_cache import PrefixCache, segment_keys

RULES = b"rules"
BYTES = 2 * 4 * 8
"""Of one segment here."""


def segment(tokens=8):
    return [(torch.zeros(1, 1, tokens, 1), torch.zeros(1, 1, tokens, 1))]


def page(prefixes, *keys):
    """Ask for a prompt, keep what was not there, and return how many segments were."""
    known = len(prefixes.find(keys))
    for number in range(known, len(keys)):
        prefixes.keep(keys[: number + 1], segment())
    return known


def user(number):
    return RULES, b"%d" % number


def test_everything_is_kept_while_there_is_room():
    prefixes = PrefixCache(6 * BYTES)
    assert [page(prefixes, *user(number)) for number in range(5)] == [0, 1, 1, 1, 1]
    assert [page(prefixes, *user(number)) for number in range(5)] == [2] * 5


def test_prompts_that_never_come_again_displace_nothing():
    prefixes = PrefixCache(3 * BYTES)
    for number in (1, 2):
        page(prefixes, *user(number))
    for stranger in range(100, 200):
        assert page(prefixes, *user(stranger)) == 1
    assert [page(prefixes, *user(number)) for number in (1, 2)] == [2, 2]


def test_of_more_users_than_there_is_room_for_some_keep_their_place():
    prefixes = PrefixCache(11 * BYTES)
    for _ in range(4):
        found = [page(prefixes, *user(number)) for number in range(20)]
    assert found == [2] * 10 + [1] * 10


def test_users_that_are_gone_make_room_for_those_that_come_back():
    prefixes = PrefixCache(3 * BYTES)
    for number in (1, 2):
        page(prefixes, *user(number))
    assert [page(prefixes, *user(number)) for number in (3, 4)] == [1, 1]
    assert [page(prefixes, *user(number)) for number in (3, 4)] == [1, 1]
    assert [page(prefixes, *user(number)) for number in (3, 4)] == [2, 2]


def test_a_beginning_is_given_up_after_what_follows_it():
    prefixes = PrefixCache(3 * BYTES)
    page(prefixes, b"a", b"b", b"c")
    for _ in range(2):
        page(prefixes, b"x")
    assert len(prefixes.find([b"a", b"b", b"c"])) == 2


def test_nothing_is_kept_without_its_beginning():
    prefixes = PrefixCache(3 * BYTES)
    prefixes.keep([b"a", b"b"], segment())
    prefixes.keep([b"a"], segment())
    assert len(prefixes.find([b"a", b"b"])) == 1


def test_a_segment_larger_than_all_the_room_displaces_nothing():
    prefixes = PrefixCache(2 * BYTES)
    page(prefixes, *user(1))
    for _ in range(2):
        prefixes.find([b"large"])
        prefixes.keep([b"large"], segment(100))
    assert len(prefixes.find(user(1))) == 2


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(1, 9)), max_size=60), st.integers(0, 40))
def test_the_bytes_of_what_is_found_never_exceed_the_room(asks, room):
    prefixes = PrefixCache(room * 8)
    sizes = {}
    for rules, persona, tokens in asks:
        keys = [b"r%d" % rules, b"p%d %d" % (rules, persona)]
        for number in range(len(prefixes.find(keys)), 2):
            prefixes.keep(keys[: number + 1], segment(tokens))
    for rules in range(6):
        for persona in range(10):
            keys = [b"r%d" % rules, b"p%d %d" % (rules, persona)]
            sizes |= {key: one[0][0].nbytes + one[0][1].nbytes for key, one in zip(keys, prefixes.find(keys), strict=False)}
    assert sum(sizes.values()) <= room * 8


def test_a_key_tells_where_the_segments_before_it_end():
    tokens = list(range(20))
    one, other = segment_keys(tokens, (5, 12)), segment_keys(tokens, (6, 12))
    assert segment_keys(tokens[:12], (5, 12)) == one
    assert not set(one) & set(other)


def test_a_key_tells_what_stands_before_its_segment():
    assert segment_keys([1, 2, 3, 4], (2, 4))[1] != segment_keys([9, 2, 3, 4], (2, 4))[1]
