"""Line 10, cost and failures: what asking the user model took, in calls, tokens, money and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.candidates import Candidate, Factory
from recsim_llm.realism.line import Line, Measure, Row
from recsim_llm.realism.policies import POLICIES
from recsim_llm.realism.taste_pages import RATIOS, count_positives
from recsim_llm.realism.trials import CardSettings
from recsim_llm.statistics.intervals import Estimate

__all__ = ["MeteredCandidate", "MeteredFactory", "Usage", "cost_line", "most_pages"]


_PER = 1000
_NAME, _QUESTION = "cost and failures", "What does it take to ask it, and how often does it fail?"
_PROTOCOL = (
    "Counted over everything that this card asked; a page is {items} items or fewer. Seconds are wall-clock time on the "
    "machine that made the card, fits apart, and are the only figures of the card that another run does not repeat. {pages:,} "
    "pages were asked; {hits:,} answers came from the record of earlier calls and cost nothing."
)


class Usage(NamedTuple):
    """What a user model has used."""

    pages: int
    """Pages asked about."""
    users: int
    """Most different users asked in one call."""
    seconds: float
    """Seconds spent on them."""
    fits: int
    """Times it was built."""
    fit_seconds: float
    """Seconds spent on that."""


class MeteredCandidate:
    """A candidate that counts pages and seconds; its answers are untouched.

    Args:
        candidate: answers.
        meter: told pages, users and seconds of each call.
        page_size: items a page.
    """

    def __init__(self, candidate: Candidate, meter: Callable[[int, int, float], None], page_size: int) -> None:
        self.candidate = candidate
        self.levels: FloatArray = candidate.levels
        self._meter, self._page_size = meter, page_size

    def taste(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the candidate's log-odds."""
        started = time.perf_counter()
        answer = self.candidate.taste(user_index, item_index)
        self._count(item_index, started)
        return answer

    def stars(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the candidate's rating distributions."""
        started = time.perf_counter()
        answer = self.candidate.stars(user_index, item_index)
        self._count(item_index, started)
        return answer

    def _count(self, item_index: IntArray, started: float) -> None:
        users, items = item_index.shape
        pages = int((-(-(item_index >= 0).sum(axis=1) // self._page_size)).sum()) if items else 0
        self._meter(pages, users, time.perf_counter() - started)


class MeteredFactory:
    """A factory that keeps what it built, by seed, and counts what that used.

    Args:
        factory: builds the candidates.
        page_size: items a page.
        progress: told what is being built.
    """

    def __init__(self, factory: Factory, page_size: int, progress: Callable[[str], None] = lambda _: None) -> None:
        self.built: dict[int, Candidate] = {}
        """The last candidate of each seed, metered."""
        self._factory, self._page_size, self._progress = factory, page_size, progress
        self._pages, self._users, self._seconds, self._fits, self._fit_seconds = 0, 0, 0.0, 0, 0.0

    def __call__(self, training: Dataset, seed: int) -> Candidate:
        """Build a candidate and keep it."""
        self.built[seed] = self.apart(training, seed)
        return self.built[seed]

    def apart(self, training: Dataset, seed: int) -> Candidate:
        """Build a candidate that is counted but not kept."""
        self._progress(f"fitting, seed {seed}")
        started = time.perf_counter()
        candidate = MeteredCandidate(self._factory(training, seed), self._count, self._page_size)
        self._fits, self._fit_seconds = self._fits + 1, self._fit_seconds + time.perf_counter() - started
        return candidate

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return Usage(self._pages, self._users, self._seconds, self._fits, self._fit_seconds)

    def _count(self, pages: int, users: int, seconds: float) -> None:
        self._pages, self._users, self._seconds = self._pages + pages, max(self._users, users), self._seconds + seconds


def cost_line(name: str, usage: Usage, spent: Mapping[str, Any] | None, *, page_size: int, seeds: int) -> Line:
    """Return the line; seconds for 1,000 pages are the headline.

    Args:
        name: of the candidate.
        usage: pages and seconds.
        spent: of ``recsim_llm.language.calls.model.Meter``, by its names, over the same pages; None where no model is called.
        page_size: items a page.
        seeds: seeds that were run.
    """
    meter = {"calls": 0, "hits": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": None, "failures": {}} | dict(
        spent or {}
    )
    pages = max(usage.pages, 1)
    free = "no language model is called" if spent is None else ""

    def row(value: float | None, note: str = "") -> tuple[Row, ...]:
        estimate = Estimate(value=value, users=usage.users)
        return (Row(name=name, role="candidate", estimate=estimate, seeds=seeds, note=note),)

    tokens = meter["prompt_tokens"] + meter["completion_tokens"]
    price = 0.0 if spent is None else meter["cost"]
    failed = sum(meter["failures"].values())
    attempts = meter["calls"] + failed
    causes = ", ".join(f"{cause} {count:,}" for cause, count in sorted(meter["failures"].items()))
    unpriced = "prices are not known" if price is None else free
    table = (
        ("seconds for 1,000 pages", "seconds", usage.seconds / pages * _PER, ""),
        ("calls for 1,000 pages", "calls", meter["calls"] / pages * _PER, free),
        ("tokens for 1,000 pages", "tokens", tokens / pages * _PER, free),
        ("dollars for 1,000 pages", "US dollars", None if price is None else price / pages * _PER, unpriced),
        ("failed attempts", "share", failed / attempts if attempts else 0.0, causes or free or "none failed"),
        ("seconds for a fit", "seconds", usage.fit_seconds / max(usage.fits, 1), f"{usage.fits} fits"),
    )
    return Line(
        number=10,
        name=_NAME,
        question=_QUESTION,
        measures=tuple(
            Measure(name=measure, unit=unit, better="none", rows=row(value, note)) for measure, unit, value, note in table
        ),
        protocol=_PROTOCOL.format(items=page_size, pages=usage.pages, hits=meter["hits"]),
        curves={"failures": dict(meter["failures"]), "pages": usage.pages},
    )


def most_pages(settings: CardSettings, *, users: int, page_size: int, slots: int = 10, reads_titles: bool = True) -> int:
    """Return the most pages that a card can ask about, equal asks counted once; what a language model's calls are bounded by.

    Args:
        settings: of the card.
        users: users asked about, at most.
        page_size: items a page.
        slots: slots of the ranked recommenders' pages.
        reads_titles: the candidate is also asked without titles, and without descriptions.
    """

    def pages(items: int) -> int:
        return -(-items // page_size)

    most = count_positives(settings.page_items, min(RATIOS))
    test = pages(most + settings.page_items - count_positives(settings.page_items, max(RATIOS)))
    ratings = settings.ratings_a_user if settings.ratings_a_user is not None else settings.page_items * 5
    tests = len(settings.kinds) + 2 + (2 if reads_titles else 0)  # another's persona, another order; without titles
    each = tests * test + pages(ratings) + pages(settings.panel_items) + pages(len(POLICIES) * slots)
    return users * each * len(settings.seeds)
