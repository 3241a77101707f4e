"""Reflection: counted, balanced, and never stacked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_streams import TOPICS, make_memories, shares

from recsim_llm.agents.memory import MemoryKind, MemorySettings
from recsim_llm.agents.memory.reflection import TopicEvidence, reflect

COMEDY, HORROR, WAR = np.eye(3, dtype=bool)
observations = st.lists(
    st.tuples(
        st.integers(0, 100).map(float),
        shares.map(lambda share: 2 * share - 1),
        st.sampled_from([float("nan"), 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]),
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
    ),
    min_size=1,
    max_size=30,
)


def make_evidence(rows, sign=1):
    age, valence, stars, topics = (np.array(column) for column in zip(*rows, strict=True))
    stars = stars if sign > 0 else 6 - stars
    return TopicEvidence(age, (sign * valence).astype(np.float32), stars.astype(np.float32), topics)


def mirrored(tally):
    return tally._replace(liked=tally.disliked, disliked=tally.liked, stars=pytest.approx(6 - tally.stars, nan_ok=True))


def watch(memories, time, topic, stars):
    memories.remember([0], time, [f"saw a film {time}"], importance=0.5, valence=(stars - 3) / 2, topics=[topic], stars=stars)


def latest(memories):
    columns = memories.columns()
    place = np.flatnonzero((columns["kind"] == MemoryKind.REFLECTION) & ~columns["replaced"])
    assert place.size <= 1
    return columns["text"][place[0]], float(columns["valence"][place[0]])


@given(observations)
def test_mirrored_evidence_gives_the_mirrored_reflection(rows):
    plain, turned = (reflect(make_evidence(rows, sign), TOPICS, MemorySettings()) for sign in (1, -1))
    assert turned.overall == mirrored(plain.overall)
    assert turned.enjoyed == tuple(map(mirrored, plain.let_down))
    assert turned.let_down == tuple(map(mirrored, plain.enjoyed))
    assert turned.mixed == tuple(map(mirrored, plain.mixed))
    assert turned.valence == -plain.valence


def test_a_reflection_states_its_counts():
    memories = make_memories(1)
    for time, (topic, stars) in enumerate([(COMEDY, 5), (COMEDY, 4), (COMEDY, 2), (COMEDY, 5), (HORROR, 2), (HORROR, 1)]):
        watch(memories, float(time), topic, stars)
    memories.reflect([0], 6.0)
    assert latest(memories)[0] == (
        "Lately enjoyed Comedy (liked 3 of 4, 4.0 stars on average); "
        "let down by Horror (disliked 2 of 2, 1.5 stars on average). "
        "Of the last 6: liked 3, disliked 3, 3.2 stars on average."
    )


def test_the_mirrored_text_exchanges_enjoyed_and_let_down():
    memories = make_memories(1)
    for time, (topic, stars) in enumerate([(HORROR, 1), (HORROR, 2), (HORROR, 4), (HORROR, 1), (COMEDY, 4), (COMEDY, 5)]):
        watch(memories, float(time), topic, stars)
    memories.reflect([0], 6.0)
    assert latest(memories)[0] == (
        "Lately enjoyed Comedy (liked 2 of 2, 4.5 stars on average); "
        "let down by Horror (disliked 3 of 4, 2.0 stars on average). "
        "Of the last 6: liked 3, disliked 3, 2.8 stars on average."
    )


def test_good_and_bad_in_turn_leave_reflections_around_zero():
    memories, valences = make_memories(1, reflect_at=2.0), []
    for page in range(400):
        watch(memories, float(page), COMEDY, 5 if page % 2 else 1)
        if memories.due().size:
            memories.reflect([0], float(page))
            valences.append(latest(memories)[1])
    assert len(valences) == 100
    assert max(map(abs, valences)) < 0.05
    assert abs(np.mean(valences)) < 0.02
    assert valences[-1] == pytest.approx(valences[-21], abs=1e-6)


def test_recalling_the_bad_more_often_does_not_tilt_reflections():
    plain, brooding = make_memories(1), make_memories(1)
    for memories in (plain, brooding):
        memories.remember([0, 0], 0.0, ["comet", "ferry"], importance=0.5, valence=[-1, 1], topics=[COMEDY, HORROR])
    for page in range(30):
        brooding.recall([0], ["comet"], float(page), 1)
    for memories in (plain, brooding):
        memories.reflect([0], 30.0)
    assert latest(brooding) == latest(plain)
    assert latest(plain)[1] == 0


def test_good_experiences_bring_it_back_after_bad_ones():
    memories, valences = make_memories(1), []
    for page, stars in enumerate([1] * 40 + [5] * 40):
        watch(memories, float(page), COMEDY, stars)
        if page in (39, 79):
            memories.reflect([0], float(page))
            valences.append(latest(memories)[1])
    assert valences[0] == -1
    assert valences[1] > 0.3
    assert "enjoyed Comedy" in latest(memories)[0]


def test_recent_evidence_counts_more():
    memories = make_memories(1, evidence_half_life=5.0)
    for page, stars in enumerate([1, 1, 1, 5, 5]):
        watch(memories, page * 5.0, COMEDY, stars)
    memories.reflect([0], 20.0)
    assert "enjoyed Comedy (liked 2 of 5" in latest(memories)[0]


def test_a_new_reflection_takes_the_place_of_the_old_one():
    memories = make_memories(1)
    for page in range(6):
        watch(memories, float(page), WAR, 5)
        memories.reflect([0], float(page))
    assert "Of the last 6" in latest(memories)[0]
    found = memories.recall([0], ["War"], 6.0, 20, kinds=[MemoryKind.REFLECTION])
    assert (found.index >= 0).sum() == 1


def test_reflection_is_due_once_enough_importance_has_gathered():
    memories = make_memories(3, reflect_at=1.0)
    memories.remember([0, 2, 2], 0.0, ["comet"] * 3, importance=[0.9, 0.5, 0.5], valence=0, stars=3)
    assert memories.due().tolist() == [2]
    assert memories.reflect([2], 1.0).tolist() == [2]
    assert memories.due().tolist() == []


def test_a_forgotten_user_starts_gathering_anew():
    memories = make_memories(1, reflect_at=1.0)
    memories.remember([0], 0.0, ["comet"], importance=1.0, valence=0)
    memories.forget(slice(None))
    assert memories.due().tolist() == []


def test_without_evidence_there_is_no_reflection():
    memories = make_memories(1)
    memories.remember([0], 0.0, ["comet"], importance=1.0, valence=1.0)
    assert memories.reflect([0], 1.0).tolist() == [-1]
    assert memories.columns()["text"].tolist() == ["comet"]


def test_a_topic_seen_once_is_not_named():
    memories = make_memories(1)
    watch(memories, 0.0, WAR, 5)
    memories.reflect([0], 1.0)
    assert latest(memories)[0] == "Of the last 1: liked 1, disliked 0, 5.0 stars on average."


def test_a_topic_liked_and_disliked_alike_is_mixed():
    memories = make_memories(1)
    for page, stars in enumerate([4, 2, 4, 2]):
        watch(memories, page / 10, WAR, stars)
    memories.reflect([0], 1.0)
    assert latest(memories)[0].startswith("Mixed about War (liked 2, disliked 2 of 4, 3.0 stars on average).")
