"""Line 14, dialogues: do users talk as people do? Acts, lengths, acceptance and satisfaction beside those of a file."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.card import Card
from recsim_llm.realism.dialogues.dialogue_features import Distance, Features, distances, shares
from recsim_llm.realism.dialogues.dialogue_samples import ACTS, DialogueSample
from recsim_llm.realism.dialogues.two_samples import Sums, draw_sums
from recsim_llm.realism.line import Line, Measure, Row
from recsim_llm.realism.resampling import estimate_of_draws
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["PEOPLE", "SHUFFLED", "compare_samples", "dialogue_card"]

PEOPLE = "people"
"""The row of people."""
SHUFFLED = "both shuffled together"
"""The row that says how far apart two samples of these sizes from one source would be."""
_PROTOCOL = (
    "{left} simulated dialogues ({left_form}) beside {right} of {name} ({right_form}). An act is the users' own where it was "
    "logged or annotated, else it is read by its words, or not at all: of {unread:.1%} of people's utterances{unread_users} "
    "the act could not be read. These are left out, so that the distance between acts can be wrong by as much; how often the "
    "rule for words errs is not known. An utterance of several acts counts for each in equal parts. Turns: how often the user "
    "speaks, what it says in a row being one. {accepted}. Satisfaction is on a scale from 0 to 1, on which users' share of "
    "patience left is rounded to the nearest of people's {levels} levels: that the two mean the same is assumed; of "
    "{satisfied} of people's dialogues it is known. {shuffled}: all dialogues shuffled and dealt out again, with the range "
    "that holds 95% of the outcomes; a distance above it is no accident of the sample. Other intervals are by bootstrap over "
    "dialogues, of each sample for itself; several of one person count as of several.{notes}"
)
_TOLD = "Acceptance is as the run or file says"
_OPEN = (
    "Where an utterance that could not be read leaves open whether something was accepted, it was at least by those who are "
    "seen to accept and at most by all of whom it is open besides"
)


def dialogue_card(users: DialogueSample, people: DialogueSample, *, seed: int, resamples: int = 1000) -> Card:
    """Return a card with line 14 alone; arguments as of ``compare_samples``."""
    line = compare_samples(users, people, seed=seed, resamples=resamples)
    fingerprint = f"{users.fingerprint}, {people.fingerprint}"
    return Card(name=users.name, data=people.name, fingerprint=fingerprint, seeds=(seed,), lines=(line,))


def compare_samples(users: DialogueSample, people: DialogueSample, *, seed: int, resamples: int = 1000) -> Line:
    """Measure how far simulated dialogues are from people's.

    Args:
        users: the simulated ones.
        people: those of people.
        seed: of the draws.
        resamples: how many draws.

    Returns:
        Line 14. A measure that one of the samples says nothing of is left out.
    """
    features = Features(users, people)
    tables = [features.table(sample) for sample in (users, people)]
    sums = draw_sums(*tables, seed=seed, resamples=resamples)
    questions = distances(features)
    told = {question.name: _told(question.features, features, tables) for question in questions}
    measures = [
        _distance(question, users.name, features, sums, count=told[question.name])
        for question in questions
        if told[question.name]
    ]
    count = min(map(len, tables))
    accepted = _acceptance(users.name, *(features.of("accepted", table) for table in sums[:2]), count=count)
    read = _read(users.name, *(features.of("read", table) for table in sums[:2]), count=count)
    acts = {name: shares(features.of("acts", table[:1]))[0] for name, table in ((users.name, sums.left), (PEOPLE, sums.right))}
    return Line(
        number=14,
        name="dialogues",
        question="Do its users talk as people do?",
        measures=(*measures[:2], accepted, *measures[2:], read),
        protocol=_protocol(users, people),
        curves={"acts": [*ACTS], "shares": {name: np.nan_to_num(share).tolist() for name, share in acts.items()}},
    )


def _told(name: str, features: Features, tables: list[DoubleArray]) -> int:
    """Return of how many dialogues a question knows, in the sample in which it knows of fewer."""
    return min(int((features.of(name, table).sum(axis=1) > 0).sum()) for table in tables)


def _distance(question: Distance, name: str, features: Features, sums: Sums, *, count: int) -> Measure:
    left, right, dealt, others = (shares(features.of(question.features, table)) for table in sums)
    between, trivial = question.between(left, right), question.of_trivial(right)
    rows = (
        Row(name=name, role="candidate", estimate=estimate_of_draws(between, count), seeds=1),
        _shuffled(float(between[0]), question.between(dealt, others), count),
        Row(
            name=question.trivial,
            role="trivial",
            estimate=estimate_of_draws(trivial, count),
            seeds=1,
            difference=estimate_of_draws(between - trivial, count),
        ),
    )
    return Measure(name=question.name, unit=question.unit, better="lower", rows=rows)


def _shuffled(between: float, dealt: DoubleArray, count: int) -> Row:
    """Return the row of samples from one source; the difference leaves out zero where the distance is outside their range."""
    known = dealt[~np.isnan(dealt)]
    if count < 2 or not len(known) or np.ptp(known) == 0.0:
        return Row(name=SHUFFLED, role="reference", estimate=Estimate(value=None, users=count), seeds=1, note="all are alike")
    middle = float(known.mean())
    low, high = (float(end) for end in np.quantile(known, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2]))
    difference = Estimate(value=between - middle, low=between - high, high=between - low, users=count)
    estimate = Estimate(value=middle, low=low, high=high, users=count)
    return Row(name=SHUFFLED, role="reference", estimate=estimate, seeds=1, difference=difference)


def _acceptance(name: str, users: DoubleArray, people: DoubleArray, *, count: int) -> Measure:
    """Return the share of dialogues in which something was accepted; as a range where that is open."""
    own, least, most = users[:, 0] / users[:, 2], people[:, 0] / people[:, 2], people[:, 1] / people[:, 2]
    known = {PEOPLE: least} if least[0] == most[0] else {f"{PEOPLE}, at least": least, f"{PEOPLE}, at most": most}
    rows = [
        Row(
            name=who,
            role="real",
            estimate=estimate_of_draws(share, count),
            seeds=1,
            difference=estimate_of_draws(own - share, count),
        )
        for who, share in known.items()
    ]
    open_share = float(users[0, 1] / users[0, 2] - own[0])
    note = f"of {open_share:.0%} of the dialogues it is open" if open_share else ""
    candidate = Row(name=name, role="candidate", estimate=estimate_of_draws(own, count), seeds=1, note=note)
    return Measure(name="acceptance", unit="share", better="real", rows=(candidate, *rows))


def _read(name: str, users: DoubleArray, people: DoubleArray, *, count: int) -> Measure:
    """Return the share of utterances whose act is known."""
    own, theirs = (estimate_of_draws(table[:, 0] / table[:, 1], count) for table in (users, people))
    rows = (
        Row(name=name, role="candidate", estimate=own, seeds=1),
        Row(name=PEOPLE, role="real", estimate=theirs, seeds=1),
    )
    return Measure(name="utterances with a known act", unit="share", better="none", rows=rows)


def _protocol(users: DialogueSample, people: DialogueSample) -> str:
    is_open = any(one.accepted is None for sample in (users, people) for one in sample.dialogues)
    return _PROTOCOL.format(
        left=f"{len(users.dialogues):,}",
        left_form=users.form,
        right=f"{len(people.dialogues):,}",
        name=people.name,
        right_form=people.form,
        unread=people.unread,
        unread_users=f" and {users.unread:.1%} of the users'" if users.unread else "",
        accepted=_OPEN if is_open else _TOLD,
        levels=len(people.levels),
        satisfied=f"{sum(one.satisfaction is not None for one in people.dialogues):,}",
        shuffled=SHUFFLED[0].upper() + SHUFFLED[1:],
        notes="".join(f" {note[0].upper()}{note[1:]}." for note in (*users.notes, *people.notes)),
    )
