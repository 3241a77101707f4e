"""Users beside people: one source is not told apart, a planted other one is, and what is unknown is left unknown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.errors import DataError
from recsim_llm.realism.dialogues import ACTS, DialogueSample, ToldDialogue, compare_samples
from recsim_llm.realism.dialogues.dialogue_samples import MOST_UTTERANCES, Utterance, tell
from recsim_llm.realism.dialogues.dialogue_scores import PEOPLE, SHUFFLED
from recsim_llm.realism.dialogues.two_samples import draw_sums

TYPICAL = (0.4, 0.1, 0.1, 0.2, 0.0, 0.1, 0.1)
STARS = (0.0, 0.25, 0.5, 0.75, 1.0)
DISTANCES = (
    "acts, total variation",
    "turns, Wasserstein-1",
    "satisfaction, Wasserstein-1",
    "satisfaction turn by turn, Wasserstein-1",
)


def sample(seed, count=150, acts=TYPICAL, more=0, accepts=0.6, high=0.5, name="file"):
    """Dialogues from one source: acts by their shares, 2 to 6 turns and ``more``, stars about ``high``."""
    random = np.random.default_rng(seed)
    told = []
    for _ in range(count):
        turns = int(random.integers(2, 7)) + more
        done = tuple((int(act),) for act in random.choice(len(ACTS), turns, p=acts))
        stars = np.clip(np.round(random.normal(high, 0.25, turns + 1) * 4) / 4, 0, 1).tolist()
        told.append(ToldDialogue(done, turns, bool(random.random() < accepts), stars[0], tuple(stars[1:])))
    return DialogueSample(name=name, form="test", fingerprint="x", dialogues=tuple(told), levels=STARS)


def measured(line, name):
    measure = line.measure(name)
    return {row.name: row for row in measure.rows} | {"candidate": measure.candidate}


def test_users_from_the_source_of_people_are_not_told_apart():
    line = compare_samples(sample(1, name="users"), sample(2), seed=3)
    for name in DISTANCES:
        rows = measured(line, name)
        assert not rows[SHUFFLED].difference.excludes(0.0), name
        assert rows["candidate"].estimate.value < rows[SHUFFLED].estimate.high
        assert f"not distinguishable from {SHUFFLED}" in line.measure(name).verdict
    assert not measured(line, "acceptance")[PEOPLE].difference.excludes(0.0)


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ({"acts": TYPICAL[::-1]}, DISTANCES[0]),
        ({"more": 2}, DISTANCES[1]),
        ({"high": 0.7}, DISTANCES[2]),
        ({"high": 0.7}, DISTANCES[3]),
    ],
)
def test_a_planted_other_source_is_told_apart_by_what_was_planted(planted, name):
    line = compare_samples(sample(1, name="users", **planted), sample(2), seed=3)
    assert f"above {SHUFFLED} (worse)" in line.measure(name).verdict
    others = {"turns, Wasserstein-1", "acts, total variation"} - {name}
    assert not any(f"above {SHUFFLED} (worse)" in line.measure(other).verdict for other in others)


def test_a_planted_acceptance_is_measured_with_its_sign():
    line = compare_samples(sample(1, name="users", accepts=0.9), sample(2), seed=3)
    difference = measured(line, "acceptance")[PEOPLE].difference
    assert 0.15 < difference.value < 0.45
    assert difference.low > 0
    assert line.measure("acceptance").verdict == ("above people",)


def told(acts, **more):
    return ToldDialogue(acts=acts, turns=len(acts), accepted=True, **more)


def of(*dialogues, **more):
    return DialogueSample(name="file", form="test", fingerprint="x", dialogues=dialogues, **more)


def test_distances_are_what_they_are_defined_as():
    users = of(told(((0,), (0,), (1,), (1,)), satisfaction=0.9), told(((0,), (1,)), satisfaction=0.6))
    people = of(told(((0,), (2,))), told(((0,), (0, 2))), levels=STARS)
    line = compare_samples(users, people, seed=1, resamples=20)
    # Acts: a half and a half; people's a half and a quarter of one of four utterances, the rest of another act.
    assert measured(line, DISTANCES[0])["candidate"].estimate.value == pytest.approx(0.5)
    assert measured(line, DISTANCES[1])["candidate"].estimate.value == pytest.approx(1.0)
    assert [one.name for one in line.measures] == [*DISTANCES[:2], "acceptance", "utterances with a known act"]


def test_satisfaction_is_rounded_to_the_levels_of_people():
    users = of(told(((0,),), satisfaction=0.9, turn_satisfaction=(0.4, 0.6)))
    people = of(told(((0,),), satisfaction=0.0, turn_satisfaction=(1.0,)), levels=(0.0, 1.0))
    line = compare_samples(users, people, seed=1, resamples=20)
    assert measured(line, DISTANCES[2])["candidate"].estimate.value == 1.0
    assert measured(line, DISTANCES[3])["candidate"].estimate.value == 0.5


def test_acts_that_could_not_be_read_are_left_out_and_counted():
    people = of(told(((0,), (), (), ())))
    line = compare_samples(of(told(((0,),))), people, seed=1, resamples=20)
    assert measured(line, DISTANCES[0])["candidate"].estimate.value == 0.0
    assert measured(line, "utterances with a known act")[PEOPLE].estimate.value == 0.25
    assert "of 75.0% of people's utterances the act could not be read" in line.protocol


def test_what_is_open_about_acceptance_is_a_range():
    people = of(
        told(((2,),)),
        ToldDialogue(acts=((),), turns=1, accepted=None),
        ToldDialogue(acts=((3,),), turns=1, accepted=False),
        ToldDialogue(acts=((3,),), turns=1, accepted=False),
    )
    rows = measured(compare_samples(of(told(((2,),))), people, seed=1, resamples=20), "acceptance")
    assert rows["people, at least"].estimate.value == 0.25
    assert rows["people, at most"].estimate.value == 0.5
    assert PEOPLE not in rows


def test_of_few_dialogues_nothing_is_claimed():
    line = compare_samples(sample(1, count=9, more=20), sample(2), seed=3)
    assert all("too few users" in said for said in line.measure("turns, Wasserstein-1").verdict)


def test_the_same_seed_gives_the_same_card():
    pair = sample(1, count=20), sample(2, count=20)
    assert compare_samples(*pair, seed=4).to_json() == compare_samples(*pair, seed=4).to_json()
    assert compare_samples(*pair, seed=4).to_json() != compare_samples(*pair, seed=5).to_json()


@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_dealt_samples_add_up_to_all_dialogues(left, right, seed):
    random = np.random.default_rng(seed)
    tables = random.random((left, 3)), random.random((right, 3))
    sums = draw_sums(*tables, seed=seed, resamples=7)
    whole = np.vstack(tables).sum(axis=0)
    assert np.allclose(sums.shuffled_left + sums.shuffled_right, whole)
    assert np.allclose(sums.left[0] + sums.right[0], whole)


def test_sums_do_not_depend_on_how_many_draws_are_made_at_a_time(monkeypatch):
    tables = np.eye(5), np.eye(5)[:3]
    whole = draw_sums(*tables, seed=1, resamples=20)
    monkeypatch.setattr("recsim_llm.realism.dialogues.two_samples._BLOCK_CELLS", 16)
    assert all(np.array_equal(one, other) for one, other in zip(draw_sums(*tables, seed=1, resamples=20), whole, strict=True))


def test_what_users_say_in_a_row_is_one_turn():
    said = [Utterance(user, text) for user, text in ((True, "hi"), (True, "hello"), (False, ""), (True, "bye"), (False, "x"))]
    dialogue = tell([*said, Utterance(True, "thanks")])
    assert (dialogue.turns, len(dialogue.acts)) == (2, 4)
    assert tell([Utterance(False, "anybody there?")]) is None


def test_a_dialogue_without_end_is_refused():
    with pytest.raises(DataError, match="expected 10,000 at most"):
        tell([Utterance(True, "hi")] * (MOST_UTTERANCES + 1))
