"""What dialogues are compared on: what users did in them, how long they are, what was accepted, how satisfied users were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.errors import DataError
from recsim_llm.realism.dialogues.act_rules import ACCEPTS, ACTS, read_act, read_label

__all__ = ["ACTS", "MOST_UTTERANCES", "DialogueSample", "ToldDialogue", "Utterance", "tell"]

MOST_UTTERANCES = 10_000
"""Utterances of a dialogue; a longer one is no dialogue."""


class Utterance(NamedTuple):
    """One thing that was said, as a file has it."""

    of_user: bool
    """Whether the user said it."""
    text: str
    """The words."""
    labels: tuple[str, ...] = ()
    """Acts that were annotated; none where the file has none."""


class ToldDialogue(NamedTuple):
    """A dialogue as far as it is compared."""

    acts: tuple[tuple[int, ...], ...]
    """Of each utterance of the user its acts, as places in ``ACTS``; empty where it could not be read."""
    turns: int
    """How often the user spoke; what it said in a row is one turn."""
    accepted: bool | None
    """Whether the user accepted something; None where the utterances that could not be read leave it open."""
    satisfaction: float | None = None
    """At the end, 0 to 1; None where nobody said."""
    turn_satisfaction: tuple[float, ...] = ()
    """Turn by turn, 0 to 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DialogueSample:
    """Dialogues from one source."""

    name: str
    """Of the source, for rows and pages."""
    form: str
    """What kind of file or run it is, in words."""
    fingerprint: str
    """Of the file or the run's data."""
    dialogues: tuple[ToldDialogue, ...]
    """At least one."""
    levels: tuple[float, ...] = tuple(np.linspace(0, 1, 21).round(2).tolist())
    """The scale on which satisfaction was told, 0 to 1, ascending; steps of 0.05 where it is continuous."""
    notes: tuple[str, ...] = ()
    """What a reader must know of how it was read."""

    def __post_init__(self) -> None:
        if not self.dialogues:
            raise DataError(f"{self.name}: got no dialogue in which a user speaks, expected one or more; check the file")

    @property
    def unread(self) -> float:
        """Share of the users' utterances whose act could not be read; 0 where nobody said anything."""
        said = [acts for dialogue in self.dialogues for acts in dialogue.acts]
        return sum(not acts for acts in said) / max(len(said), 1)

    def act_counts(self) -> DoubleArray:
        """Return float64 [d, a + 2]: utterances by act, one of several acts being shared by them; then those read, and all."""
        table = np.zeros((len(self.dialogues), len(ACTS) + 2))
        for row, dialogue in enumerate(self.dialogues):
            for acts in dialogue.acts:
                table[row, list(acts)] += 1 / max(len(acts), 1)
                table[row, -2:] += (bool(acts), 1)
        return table


def tell(
    utterances: Sequence[Utterance],
    *,
    accepted: bool | None = None,
    satisfaction: float | None = None,
    turn_satisfaction: Iterable[float] = (),
) -> ToldDialogue | None:
    """Return what is compared of a dialogue; None where the user says nothing.

    An utterance with labels has the acts that they name, or none that is read; one without goes by its words.

    Args:
        utterances: in order; empty ones are passed over.
        accepted: whether the user accepted something, where the file says so; None: as its acts say, if they can be read.
        satisfaction: at the end, 0 to 1.
        turn_satisfaction: turn by turn, 0 to 1.

    Raises:
        DataError: there are more than ``MOST_UTTERANCES``.
    """
    if len(utterances) > MOST_UTTERANCES:
        raise DataError(f"got a dialogue of {len(utterances):,} utterances, expected {MOST_UTTERANCES:,} at most")
    said = [one for one in utterances if one.text.strip() or one.labels]
    speakers = [False, *(one.of_user for one in said)]
    acts = tuple(read_label(one.labels) if one.labels else read_act(one.text) for one in said if one.of_user)
    if not acts:
        return None
    if accepted is None:
        found = any(ACCEPTS in one for one in acts)
        accepted = True if found else None if () in acts else False
    return ToldDialogue(
        acts=acts,
        turns=sum(user and not before for before, user in pairwise(speakers)),
        accepted=accepted,
        satisfaction=satisfaction,
        turn_satisfaction=tuple(turn_satisfaction),
    )
