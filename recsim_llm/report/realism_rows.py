"""The realism card's rows as a reader wants them: the strongest row of each role, and what may be said against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from recsim_llm.realism.card import PARTS, Part
from recsim_llm.realism.dialogues.dialogue_scores import SHUFFLED
from recsim_llm.realism.line import FEWEST_TO_TELL
from recsim_llm.report import numbers
from recsim_llm.report.summary_tables import Cell

__all__ = [
    "DIALOGUES",
    "ROLES",
    "Content",
    "card_line",
    "headline",
    "part_lines",
    "part_verdict",
    "rival_words",
    "rivals",
    "row_cells",
    "shown",
    "standing",
    "told_apart",
]

Content = Mapping[str, Any]
"""The card, or a part of it, as ``Card.to_json`` returns it."""

ROLES: Mapping[str, tuple[str, ...]] = {
    "Trivial": ("trivial",),
    "Cheap CF": ("cheap",),
    "Reference": ("reference", "real"),
}
"""Columns beside the candidate, with the roles of their rows; the last has real users where they judge, else what stands for
as good as can be hoped for."""

_MOST = {1: 3, 2: 3, 3: 5, 4: 6, 5: 6, 6: 5, 7: 8, 8: 6, 9: 3, 10: 5, 11: 4, 12: 5, 13: 7, 14: 6}
_OPEN = "no difference from the strongest cheap baseline can be claimed on"
_NO_LINES = {
    "behaviour": "the card was made of neither ratings nor a log",
    "tester": "the card was made of a log alone; ratings (--data) tell recommenders apart",
}
_TOO_FEW = "too few users"
_SHARES = ("share", "chance")
DIALOGUES = 14
"""Number of the line about dialogues."""


class Rival(NamedTuple):
    """A row beside the candidate."""

    row: Content
    """The row."""
    words: str
    """What may be said of the candidate against it; empty where nothing can be."""


def shown(line: Content) -> Sequence[Content]:
    """Return the measures of a line that a summary shows: the first ones."""
    measures: Sequence[Content] = line["measures"]
    return measures[: _MOST.get(line["number"], 4)]


def rivals(measure: Content) -> dict[str, Rival | None]:
    """Return the strongest row of each column: the best one, or the nearest to real users; real users before references."""
    words = rival_words(measure)
    found: dict[str, Rival | None] = {}
    for column, roles in ROLES.items():
        rows = [row for row in measure["rows"] if row["role"] in roles and row["value"] is not None]
        real = [row for row in rows if row["role"] == "real"]
        best = min(real or rows, key=lambda row: _weakness(measure, row), default=None)
        found[column] = None if best is None else Rival(best, words.get(best["name"], ""))
    return found


def rival_words(measure: Content) -> dict[str, str]:
    """Return the verdict by the name of the row that it is about."""
    judged = [row["name"] for row in measure["rows"] if row["difference"] is not None and row["difference"]["low"] is not None]
    return dict(zip(judged, measure["verdict"], strict=False))


def candidate_row(measure: Content) -> Content:
    """Return the candidate's row."""
    row: Content = next(row for row in measure["rows"] if row["role"] == "candidate")
    return row


def row_cells(measure: Content) -> Iterator[tuple[str, Cell, str]]:
    """Yield for the candidate and each column the row's name, its number with its interval, and the words against it."""
    share = measure["unit"] in _SHARES
    candidate = candidate_row(measure)
    others = list(rivals(measure).values())
    rows = [candidate, *(rival.row for rival in others if rival is not None)]
    digits = numbers.common_decimals([numbers.read_estimate(row) for row in rows], share=share)
    if 0.0 < abs(candidate["value"] or 0.0) < 0.1 and not share:
        digits = max(digits, 3)  # Small numbers without intervals must not look like nothing.
    yield candidate["name"], _cell(candidate, digits, share=share), ""
    for rival in others:
        if rival is None:
            yield "", Cell(""), ""
        else:
            yield rival.row["name"], _cell(rival.row, digits, share=share), rival.words


def standing(words: str) -> str:
    """Return in a word or two how the candidate stands against a row: better, worse, nearer, further, undecided, or nothing."""
    for sign, word in (
        ("(better)", "better"),
        ("(worse)", "worse"),
        ("nearer", "nearer"),
        ("further", "further"),
        ("not disting", "undecided"),
        ("too few", _TOO_FEW),
    ):
        if sign in words:
            return word
    return "differs" if words else ""


def card_line(card: Content, number: int) -> Content:
    """Return the line of a number; an empty one where the card has none."""
    line: Content = next((line for line in card["lines"] if line["number"] == number), {"curves": {}, "measures": []})
    return line


def part_lines(card: Content, part: Part) -> list[Content]:
    """Return a part's lines, the most telling first."""
    there = {line["number"]: line for line in card["lines"]}
    return [there[number] for number in part.lines if number in there]


def headline(card: Content) -> str:
    """Say of each score for itself how the candidate stands; the scores are never made one."""
    said = [f"{part.title}: {part_verdict(card, part)}." for part in PARTS if part.score]
    name = card["name"]
    return " ".join([f"{name[0].upper()}{name[1:]}.", *said])


def part_verdict(card: Content, part: Part) -> str:
    """Say on which lines the candidate does better than the strongest cheap row, on which worse, and what is open."""
    groups: dict[str, list[str]] = {"better": [], "worse": [], "undecided": [], _TOO_FEW: []}
    lines = part_lines(card, part)
    if not lines:
        return f"not assessed: {_NO_LINES[part.key]}"
    silent = [line["name"] for line in lines if not line["measures"]]
    apart = [told_apart(line) for line in lines if line["number"] == DIALOGUES]
    for line in lines:
        rival = rivals(line["measures"][0])["Cheap CF"] if line["measures"] else None
        word = standing(rival.words) if rival is not None else ""
        word = {"nearer": "better", "further": "worse"}.get(word, word)
        if rival is not None and word in groups:
            few = f"{numbers.counted(rival.row['difference']['users'], 'user')}" if word == _TOO_FEW else rival.row["name"]
            groups[word].append(f"{line['name']} ({few})")
    parts = [
        ("better than the strongest cheap baseline on", groups["better"]),
        ("worse on" if groups["better"] else "worse than the strongest cheap baseline on", groups["worse"]),
        ("no difference from it can be claimed on" if groups["better"] else _OPEN, groups["undecided"]),
        (f"too few users to tell (take {FEWEST_TO_TELL} or more) on", groups[_TOO_FEW]),
        ("not assessed:", silent),
    ]
    said = [*(f"{start} {', '.join(names)}" for start, names in parts if names), *apart]
    return "; ".join(said) or "nothing could be compared with a cheap baseline"


def told_apart(line: Content) -> str:
    """Say on which distances of the line about dialogues users are told from people."""
    said = {one["name"].partition(",")[0]: rival_words(one).get(SHUFFLED, "") for one in line["measures"]}
    if any(words.startswith(_TOO_FEW) for words in said.values()):
        return f"{_TOO_FEW.replace('users', 'dialogues')} to tell from people's (take {FEWEST_TO_TELL} or more)"
    apart = [name for name, words in said.items() if words.startswith("above")]
    return f"told from people by {', '.join(apart)}" if apart else "not told from people by the distances of dialogues"


def _cell(row: Content, digits: int, *, share: bool) -> Cell:
    estimate = numbers.read_estimate(row)
    return Cell(numbers.plain(estimate.value, digits, share=share), numbers.interval(estimate, digits, share=share))


def _weakness(measure: Content, row: Content) -> float:
    value = float(row["value"])
    if measure["better"] == "real":
        real = next((other["value"] for other in measure["rows"] if other["role"] == "real"), None)
        return 0.0 if real is None else abs(value - float(real))
    return {"higher": -value, "lower": value}.get(measure["better"], 0.0)
