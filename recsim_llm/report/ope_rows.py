"""An off-policy estimate as a reader wants it: what ``ope.json`` holds, read back, as sentences and rows of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recsim_llm.core.files import read_json
from recsim_llm.report import numbers
from recsim_llm.report.side_files import reading
from recsim_llm.report.summary_tables import Cell
from recsim_llm.statistics import Estimate

__all__ = [
    "ESTIMATE_HEADS",
    "OPE_FILE",
    "OVERLAP_HEADS",
    "Content",
    "curve_words",
    "estimate_of",
    "estimate_rows",
    "overlap_rows",
    "position_rows",
    "read_ope",
    "refusals",
    "value_words",
]

Content = Mapping[str, Any]
"""An off-policy estimate, or a part of it, as plain values."""
OPE_FILE = "ope.json"
"""Name of the file in a run folder that keeps the latest estimate."""

ESTIMATE_HEADS = ("Clicks a page", "Against the log", "Off the truth", "Effective pages")
OVERLAP_HEADS = ("Overlap", "Pages it could show", "Effective pages", "Largest weight", "Mean weight")

_STANDING = {"enough": "enough", "thin": "thin: intervals too narrow", "none": "none", "unknown": "unknown propensity"}
_HELD = {"holds the truth": "held", "off": "missed"}


def read_ope(path: Path) -> dict[str, Any] | None:
    """Return what ``ope.json`` holds; None where there is no such file.

    Args:
        path: the file, or a folder that holds it.

    Raises:
        LogError: the file is damaged.
    """
    path = path / OPE_FILE if path.is_dir() else path
    if not path.is_file():
        return None
    with reading(path, "ope"):
        content: dict[str, Any] = read_json(path)
        # Whatever a page shows is made once, so that a damaged file is told from here and not from a traceback.
        curve_words(content), list(position_rows(content))
        if content["target"] is not None:
            value_words(content), list(estimate_rows(content)), list(overlap_rows(content)), list(refusals(content))
    return content


def estimate_of(content: Content) -> Estimate:
    """Return the number and interval that plain values hold."""
    value, low, high = (None if content[name] is None else float(content[name]) for name in ("value", "low", "high"))
    return Estimate(value=value, low=low, high=high, users=int(content["users"]))


def value_words(content: Content) -> str:
    """Say what the target would have earned, whether that is more than the log did, and whether it is true."""
    told = [row for row in content["estimators"] if row["value"] is not None]
    low, high = (numbers.plain(pick(row["value"] for row in told), 3) for pick in (min, max))
    logging, target = content["logging"], content["target"]
    count = f"{len(told)} estimators" if len(told) > 1 else "one estimator"
    between = f"{low} clicks a page" if low == high else f"{low} to {high} clicks a page"
    verdicts = Counter(row["gain"]["verdict"] for row in told)
    said = ", ".join(f"{verdict} by {number}" for verdict, number in verdicts.most_common())
    own = numbers.with_interval(estimate_of(content["logged"]))
    words = f"{target} in place of {logging}: {between} by {count}; {logging} itself earned {own}. "
    words += f"The target is {said} of {len(told)}."
    if content["truth"] is not None:
        judged = [row["error"]["verdict"] for row in told if row["error"]["verdict"] != "no interval"]
        truth = numbers.with_interval(estimate_of(content["truth"]))
        held = f"{judged.count('holds the truth')} of {len(judged)} intervals hold that" if judged else "there are no intervals"
        words += f" When {target} was run it earned {truth}: {held}."
    if all(row["standing"] != "enough" for row in content["overlap"]):
        words += " The log holds too little of the target to settle it (overlap)."
    return words


def curve_words(content: Content) -> str:
    """Say how examination falls with position, as learned and as it is."""
    curve = content["position_curve"]
    if curve["refused"] is not None:
        return f"No {curve['refused']}."
    learned = [estimate_of(one) for one in curve["learned"]]
    last = numbers.with_interval(learned[-1], share=True)
    words = (
        f"Position {len(learned)} is looked at {last} as often as the first, as learned from the clicks of {content['logging']}"
    )
    if curve["truth"] is not None:
        judged = [(one, truth) for one, truth in zip(learned, curve["truth"], strict=True) if one.low is not None]
        held = sum(not one.excludes(truth) for one, truth in judged)
        words += (
            f"; in truth {numbers.plain(curve['truth'][-1], 1, share=True)}. {held} of {len(judged)} intervals hold the truth"
        )
    return words + "."


def estimate_rows(content: Content) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row an estimator that gave an estimate: value, gain over the log, error against the truth, effective pages."""
    for row in content["estimators"]:
        if row["value"] is None:
            continue
        gain, error, pages = row["gain"], row["error"], row["effective_pages"]
        yield (
            row["estimator"],
            [
                _cell(estimate_of(row)),
                _cell(estimate_of(gain), sign=True, words=gain["verdict"]),
                Cell(numbers.NONE)
                if error is None
                else _cell(estimate_of(error), sign=True, words=_HELD.get(error["verdict"], "")),
                Cell(numbers.NONE if pages is None else f"{numbers.plain(pages, 0)} of {numbers.count(row['pages'])}"),
            ],
        )


def overlap_rows(content: Content) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row a kind of weights: standing, share of pages, effective pages, largest and mean weight."""
    for row in content["overlap"]:
        mean = row["mean_weight"]
        estimate = None if mean is None else Estimate(value=mean[0], low=mean[1], high=mean[2], users=0)
        yield (
            f"{row['weights'][0].upper()}{row['weights'][1:]}",
            [
                Cell(_STANDING[row["standing"]]),
                Cell(numbers.plain(row["shown"], 1, share=True)),
                Cell(numbers.plain(row["effective_pages"], 0)),
                Cell(numbers.plain(row["largest_weight"], 1)),
                Cell(numbers.NONE) if estimate is None else _cell(estimate),
            ],
        )


def refusals(content: Content) -> Iterator[str]:
    """Yield why estimators gave no estimate, and what to mind about those that did; each sentence once."""
    refused = (row["refused"] or f"{row['estimator']}, undefined" for row in content["estimators"] if row["value"] is None)
    yield from (f"Refused: {reason}." for reason in dict.fromkeys(refused))
    notes: dict[str, list[str]] = {}
    for row in content["estimators"]:
        for note in row.get("notes", ()):
            notes.setdefault(note, []).append(row["estimator"])
    yield from (f"{', '.join(names)}: {note}." for note, names in notes.items())


def position_rows(content: Content) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row a position: learned, true, and whether the interval holds the truth."""
    curve = content["position_curve"]
    for place, row in enumerate(curve["learned"]):
        learned = estimate_of(row)
        truth = None if curve["truth"] is None else curve["truth"][place]
        words = numbers.NONE
        if truth is not None and learned.low is not None:
            words = "missed" if learned.excludes(truth) else "held"
        digits = numbers.decimals(learned)
        cell = Cell(numbers.plain(learned.value, digits), numbers.interval(learned, digits))
        yield f"Position {place + 1}", [cell, Cell(numbers.plain(truth, max(digits, 2))), Cell(words)]


def _cell(estimate: Estimate, *, sign: bool = False, words: str = "") -> Cell:
    digits = max(numbers.decimals(estimate), 2)
    return Cell(f"{numbers.plain(estimate.value, digits, sign=sign)} {words}".rstrip(), numbers.interval(estimate, digits))
