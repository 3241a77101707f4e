"""The realism card: all lines about one user model, on one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.realism.candidates import Factory
from recsim_llm.realism.line import Line
from recsim_llm.realism.lines.browsing import no_behaviour
from recsim_llm.realism.lines.clicks import click_line
from recsim_llm.realism.lines.population import population_line
from recsim_llm.realism.lines.star_shape import shape_line
from recsim_llm.realism.lines.stars import star_line
from recsim_llm.realism.lines.taste import taste_line
from recsim_llm.realism.trials import CardSettings, Trial, run_trials

__all__ = ["PARTS", "Card", "Part", "first_lines", "realism_card"]


class Part(NamedTuple):
    """Lines of the card that answer one question together; parts are shown beside each other and never averaged."""

    key: str
    """In the card's JSON."""
    title: str
    """For readers."""
    question: str
    """What its lines answer."""
    lines: tuple[int, ...]
    """Their numbers, the most telling first."""
    score: bool = False
    """It is one of the card's two scores."""


PARTS = (
    Part(
        "behaviour", "Behaviour", "Do its users choose, look, stay and leave as people do?", (5, 1, 2, 3, 4, 6, 14), score=True
    ),
    Part("tester", "Tester", "Do its users tell better recommenders from worse ones as people do?", (7, 12), score=True),
    Part("audit", "Leakage audit", "Can the two scores be trusted?", (13,)),
    Part("further", "Further checks", "What else should be known of it?", (8, 9, 10, 11)),
)
"""All lines, each in one part. The first two are the card's two scores."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What was measured of one user model."""

    name: str
    """The user model."""
    data: str
    """The data set."""
    fingerprint: str
    """Of all its ratings and items."""
    seeds: tuple[int, ...]
    """A trial each."""
    lines: tuple[Line, ...]
    """By number."""

    def with_lines(self, lines: Sequence[Line]) -> Card:
        """Return the card with further lines.

        Raises:
            ConfigError: two lines have one number.
        """
        together = sorted((*self.lines, *lines), key=lambda line: line.number)
        numbers = [line.number for line in together]
        if len(set(numbers)) < len(numbers):
            raise ConfigError(f"card: got lines numbered {numbers}, expected different numbers")
        return replace(self, lines=tuple(together))

    def line(self, number: int) -> Line:
        """Return the line of a number.

        Raises:
            ConfigError: there is none.
        """
        for line in self.lines:
            if line.number == number:
                return line
        raise ConfigError(f"card: got line {number}, expected one of {[line.number for line in self.lines]}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values; keys are stable."""
        return {
            "name": self.name,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "seeds": list(self.seeds),
            "lines": [line.to_json() for line in self.lines],
            **{part.key: self._part(part) for part in PARTS},
        }

    def _part(self, part: Part) -> dict[str, Any]:
        """Return which lines make up a part, with the headline and the verdict of each; no figure of them all."""
        there = {line.number: line for line in self.lines if line.number in part.lines}
        lines = [there[number] for number in part.lines if number in there]
        return {
            "question": part.question,
            "lines": [line.number for line in lines],
            "headlines": [
                {
                    "line": line.number,
                    "measure": line.measures[0].name if line.measures else None,
                    "value": line.measures[0].candidate.estimate.value if line.measures else None,
                    "low": line.measures[0].candidate.estimate.low if line.measures else None,
                    "high": line.measures[0].candidate.estimate.high if line.measures else None,
                    "verdict": list(line.verdict),
                }
                for line in lines
            ],
        }

    def table(self) -> list[dict[str, Any]]:
        """Return one flat record a row of a measure, for tables and CSV."""
        return [
            {"line": line.number, "line name": line.name, "measure": measure.name, "unit": measure.unit, **_flat(row.to_json())}
            for line in self.lines
            for measure in line.measures
            for row in measure.rows
        ]


@one_thread
def realism_card(
    dataset: Dataset,
    name: str,
    factory: Factory,
    settings: CardSettings = CardSettings(),  # noqa: B008 (immutable)
    *,
    reference: tuple[str, Factory] | None = None,
) -> Card:
    """Measure lines 1 to 6.

    Args:
        dataset: all ratings; they are split here, and the factory is given the training part only.
        name: of the user model, for its rows.
        factory: builds the user model from a training part and a seed.
        settings: how to measure.
        reference: name and factory of another user model as an upper reference, such as fitted choice users beside language
            users.

    Raises:
        ConfigError: a setting cannot work.
        ContractError: a candidate's answers have the wrong shape or are no distribution.
    """
    lines = first_lines(run_trials(dataset, name, factory, settings, reference=reference), settings, no_behaviour())
    return Card(name=name, data=dataset.name, fingerprint=dataset.fingerprint, seeds=settings.seeds, lines=lines)


def first_lines(trials: Sequence[Trial], settings: CardSettings, behaviour: Line) -> tuple[Line, ...]:
    """Return lines 1 to 6, which need no simulated page.

    Args:
        trials: one a seed.
        settings: how to measure.
        behaviour: line 5, which is made of a log.
    """
    return (
        taste_line(trials, settings),
        click_line(trials, settings),
        star_line(trials, settings),
        shape_line(trials, settings),
        behaviour,
        population_line(trials, settings),
    )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    difference = row.pop("difference") or {}
    row["row"] = row.pop("name")
    return row | {f"difference {key}": difference.get(key) for key in ("value", "low", "high")}
