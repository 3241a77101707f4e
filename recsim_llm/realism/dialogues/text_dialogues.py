"""Readers of dialogues in lines of text: User Satisfaction Simulation and INSPIRED."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from recsim_llm.errors import DataError
from recsim_llm.realism.dialogues.dialogue_samples import ToldDialogue, Utterance, tell

__all__ = ["is_satisfaction", "read_inspired", "read_satisfaction"]

_SPEAKERS = ("USER", "SYSTEM")
_OVERALL = "OVERALL"
_SEEKER, _RECOMMENDER = "SEEKER", "RECOMMENDER"
_STARS = {"1", "2", "3", "4", "5"}
_NEEDED = ("dialog_id", "speaker", "text")


def is_satisfaction(line: str) -> bool:
    """Tell whether a file with this first line is of User Satisfaction Simulation."""
    return line.partition("\t")[0].upper() in _SPEAKERS and "\t" in line


def read_satisfaction(text: str) -> Iterator[ToldDialogue | None]:
    """Yield the dialogues of User Satisfaction Simulation: lines of role, text, acts and ratings, blank lines between them.

    Raises:
        DataError: a line is not so.
    """
    lines = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
    for blank, group in groupby(lines, key=lambda numbered: not numbered[1].strip()):
        if not blank:
            yield _rated([_satisfaction_line(number, line) for number, line in group])


def _satisfaction_line(number: int, line: str) -> tuple[Utterance, float | None]:
    """Return an utterance and how satisfied the user was with what came before it, 0 to 1."""
    cells = [*line.split("\t"), "", "", ""]
    role = cells[0].strip().upper()
    if role not in _SPEAKERS or "\t" not in line:
        raise DataError(f"line {number}: got {line[:40]!r}, expected USER or SYSTEM, a tab and a text; check the file")
    ratings = [rating.strip() for rating in cells[3].split(",") if rating.strip()]
    wrong = [rating for rating in ratings if rating not in _STARS]
    if wrong:
        raise DataError(
            f"line {number}: got satisfaction {wrong[0][:20]!r}, expected whole numbers from 1 to 5; check the file"
        )
    labels = tuple(label.strip() for label in cells[2].split(",") if label.strip())
    return Utterance(role == "USER", cells[1], labels), _most_frequent(ratings)


def _most_frequent(ratings: Sequence[str]) -> float | None:
    """Return the rating that most annotators gave, the lower one of equals, on a scale of 0 to 1."""
    if not ratings:
        return None
    counts = Counter(ratings)
    return (int(min(counts, key=lambda rating: (-counts[rating], rating))) - 1) / 4


def _rated(lines: Sequence[tuple[Utterance, float | None]]) -> ToldDialogue | None:
    whole = [rating for said, rating in lines if said.of_user and said.text.strip().upper() == _OVERALL]
    spoken = [(said, rating) for said, rating in lines if said.text.strip().upper() != _OVERALL]
    return tell(
        [said for said, _ in spoken],
        satisfaction=whole[-1] if whole else None,
        turn_satisfaction=[rating for said, rating in spoken if said.of_user and rating is not None],
    )


def read_inspired(text: str) -> Iterator[ToldDialogue | None]:
    """Yield the dialogues of INSPIRED; where ``fine_label`` is missing, the acts say what was accepted.

    Raises:
        DataError: a column is missing, or a row is of nobody.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
    missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise DataError(f"line 1: got no column {missing[0]!r}, expected {', '.join(_NEEDED)}; check the file")
    try:
        for _, group in groupby(rows, key=lambda row: row["dialog_id"]):
            yield _inspired(list(group))
    except csv.Error as error:
        raise DataError(f"after line {rows.line_num}: got {error}, expected tab-separated cells; check the file") from error


def _inspired(rows: Sequence[dict[str, str | None]]) -> ToldDialogue | None:
    dialogue, label = rows[0]["dialog_id"], (rows[0].get("fine_label") or "").strip()
    speakers = [(row["speaker"] or "").strip().upper() for row in rows]
    strangers = [speaker for speaker in speakers if speaker not in (_SEEKER, _RECOMMENDER)]
    if strangers:
        raise DataError(
            f"dialogue {dialogue!r}: got speaker {strangers[0][:40]!r}, expected {_SEEKER} or {_RECOMMENDER}; check the file"
        )
    said = [Utterance(who == _SEEKER, row["text"] or "") for who, row in zip(speakers, rows, strict=True)]
    return tell(said, accepted=label.startswith("accept") if label else None)
