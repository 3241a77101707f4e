"""What a realism card is made of: lines, each a question with measures; measures, each a table of rows with a verdict.

A verdict is words, and there are words only where the data carry them: the interval of the paired difference between the
candidate and a row leaves out zero. Intervals are by user and hold one by one, not all together. With fewer than
``FEWEST_TO_TELL`` users there is no verdict: percentile intervals of so few leave out the truth far more often than they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recsim_llm.errors import ConfigError
from recsim_llm.statistics.intervals import Estimate

__all__ = ["FEWEST_TO_TELL", "Better", "Line", "Measure", "Role", "Row", "not_assessed", "too_few_users"]

FEWEST_TO_TELL = 10
"""Users from whom on an interval by bootstrap may be put into a verdict."""

Better = Literal["higher", "lower", "real", "none"]
"""Which direction is better; ``real``: nearest to the row of real users; ``none``: shown, not judged."""

Role = Literal["candidate", "member", "trivial", "cheap", "reference", "real"]
"""What a row is there for: the user model on trial, other users that were fitted with it, a row that anyone beats, cheap
collaborative filtering, an upper reference, and the real users themselves."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One predictor's figure."""

    name: str
    """Whose figure it is, for instance ``ALS``."""
    role: Role
    """What the row is there for."""
    estimate: Estimate
    """Value, interval and users; the value is None where it is undefined."""
    seeds: int
    """Seeds that the value is averaged over."""
    difference: Estimate | None = None
    """Candidate less this row, paired by user; where nearness to real users counts, the candidate's distance from them less
    this row's. None on the candidate's own row."""
    note: str = ""
    """Why the value is None, or what else a reader should know; may be empty."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; keys are stable."""
        return {
            "name": self.name,
            "role": self.role,
            **_estimate_json(self.estimate),
            "seeds": self.seeds,
            "difference": None if self.difference is None else _estimate_json(self.difference),
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure: the candidate's figure beside the others'."""

    name: str
    """What is measured, for instance ``accuracy, 1:1, uniform``."""
    unit: str
    """Unit, for instance ``share`` or ``stars``."""
    better: Better
    """Which direction is better."""
    rows: tuple[Row, ...]
    """The candidate's row and the others; names differ."""

    def __post_init__(self) -> None:
        if [row.role for row in self.rows].count("candidate") != 1 or len({row.name for row in self.rows}) < len(self.rows):
            got = ", ".join(f"{row.name} ({row.role})" for row in self.rows)
            raise ConfigError(f"measure {self.name!r}: got rows {got}, expected one candidate and different names; rename one")

    @property
    def candidate(self) -> Row:
        """The candidate's row."""
        return next(row for row in self.rows if row.role == "candidate")

    def row(self, name: str) -> Row:
        """Return the row of a name.

        Raises:
            ConfigError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise ConfigError(f"measure {self.name!r}: got row {name!r}, expected one of {', '.join(r.name for r in self.rows)}")

    @property
    def verdict(self) -> tuple[str, ...]:
        """What may be said of the candidate against each other row, in words; nothing where a difference has no interval.

        With too few users that is said instead, of each row in the same words.
        """
        if self.better == "none" or self.candidate.estimate.value is None:
            return ()
        return tuple(
            _words(row, self.better) for row in self.rows if row.difference is not None and row.difference.low is not None
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; keys are stable."""
        rows = [row.to_json() for row in self.rows]
        return {"name": self.name, "unit": self.unit, "better": self.better, "verdict": list(self.verdict), "rows": rows}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the card: a question and what was measured to answer it."""

    number: int
    """Place on the card, from 1."""
    name: str
    """One or two words, for instance ``taste``."""
    question: str
    """What it answers, one sentence."""
    measures: tuple[Measure, ...] = ()
    """The headline first; empty where nothing could be assessed."""
    protocol: str = ""
    """How it was measured: what was held out, who chose thresholds."""
    not_assessed: str = ""
    """Why nothing was assessed; empty otherwise."""
    curves: Mapping[str, Any] = field(default_factory=dict)
    """Plain values for figures, by name; not judged."""

    def __post_init__(self) -> None:
        if bool(self.measures) == bool(self.not_assessed):
            got = f"{len(self.measures)} measures and reason {self.not_assessed!r}"
            raise ConfigError(f"line {self.number}: got {got}, expected measures, or a reason why there are none")

    @property
    def verdict(self) -> tuple[str, ...]:
        """The headline's verdict, or that the line was not assessed and why."""
        return self.measures[0].verdict if self.measures else (f"not assessed: {self.not_assessed}",)

    def measure(self, name: str) -> Measure:
        """Return the measure of a name.

        Raises:
            ConfigError: there is none.
        """
        for measure in self.measures:
            if measure.name == name:
                return measure
        names = ", ".join(measure.name for measure in self.measures)
        raise ConfigError(f"line {self.number}: got measure {name!r}, expected one of {names or 'none'}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values; keys are stable."""
        return {
            "number": self.number,
            "name": self.name,
            "question": self.question,
            "verdict": list(self.verdict),
            "protocol": self.protocol,
            "not_assessed": self.not_assessed or None,
            "measures": [measure.to_json() for measure in self.measures],
            "curves": dict(self.curves),
        }


def not_assessed(number: int, name: str, question: str, reason: str) -> Line:
    """Return a line that says why nothing was assessed."""
    return Line(number=number, name=name, question=question, not_assessed=reason)


def too_few_users(users: int) -> str:
    """Return the words in place of a verdict where there are too few users for one; empty where there are enough."""
    return "" if users >= FEWEST_TO_TELL else f"too few users to tell ({users}; take {FEWEST_TO_TELL} or more)"


def _words(row: Row, better: Better) -> str:
    difference = row.difference
    if difference is not None and (too_few := too_few_users(difference.users)):
        return too_few
    if difference is None or not difference.excludes(0.0):
        return f"not distinguishable from {row.name}"
    up = (difference.value or 0.0) > 0
    if better == "real":
        if row.role == "real":
            return f"{'above' if up else 'below'} {row.name}"
        return f"{'further from' if up else 'nearer to'} real users than {row.name}"
    good = up == (better == "higher")
    return f"{'above' if up else 'below'} {row.name} ({'better' if good else 'worse'})"


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "users": estimate.users}
