"""Examples to learn from: pages put to real people as the product puts them, and what these people rated next.

An example is a moment in the life of a training user: what was rated before it is told, some of what was rated after it stands
on the page among items that the user never rated, and the labels are the answers. Each user is met at many moments. The prompts
come from the same ``PromptWriter`` that asks in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.language.prompt_budget import PromptBudget
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import LEVELS, PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import DataError
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.base.questions import Ask, Part, Prompt, Question
from recsim_llm.language.base.wire import Message
from recsim_llm.population.from_ratings import population_from_ratings

__all__ = ["LEAST_RATINGS", "Example", "ExampleSettings", "Examples"]

LEAST_RATINGS = 10
"""Ratings a training user needs: some to tell, some to ask about."""

_LEAST_TOLD = 4  # ratings before the moment
_SITTING_PAUSE = 3600  # seconds; a longer pause ends a sitting, as for the trait patience
_SITTING = 30.0  # ratings a sitting where the data has no times
_NOTHING_TAKEN, _STARLESS = 2.0, 4.0  # content with a page on which nothing was taken; with what got no stars
_PROMPT_TOKENS = 1 << 20  # descriptions are cut by the writer's own lengths, never for want of room

Target = tuple[float, ...] | None
"""Probabilities of a question's options that are to be learned; None where nobody knows."""


class Example(NamedTuple):
    """One page put to one user."""

    messages: tuple[Message, ...]
    """The prompt."""
    questions: tuple[Question, ...]
    """Those whose answer is known."""
    targets: tuple[tuple[float, ...], ...]
    """Probabilities of the options of each question."""


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """How examples are drawn."""

    rating_history: int = 50
    """Most ratings that a prompt tells; each example tells this many or fewer."""
    page_items: tuple[int, ...] = (10, 10, 14, 20)
    """Items a page, drawn from these."""
    matched: float = 0.6
    """Share of the items beside the taken ones that are drawn in proportion to their ratings; the others are uniform."""
    forgotten: float = 0.1
    """Share of a user's earlier ratings that an example leaves out."""
    remembered: float = 0.35
    """Share of examples that tell a visit under way: what the user took and passed over just before."""


class _Moment(NamedTuple):
    told: IntArray
    """Rows before the moment."""
    visit: IntArray
    """Rows that the visit under way has seen taken."""
    taken: IntArray
    """Rows that stand on the page."""
    ends: float
    """Chance that the sitting ended on the page."""
    slots: int
    """Items on the page."""
    own: IntArray
    """All rows of the user."""


class _Dice:
    """Draws for one example: each is a function of seed, purpose, batch and place, whatever else is drawn.

    Args:
        seed: of the examples.
        number: of the batch.
        place: in it.
    """

    def __init__(self, seed: int, number: int, place: int) -> None:
        self._seed, self._at = seed, (number, place)

    def chance(self, purpose: str, *slot: npt.ArrayLike) -> DoubleArray:
        """Return float64 between 0 and 1, one for each of the slots."""
        return keyed.uniform(self._words(purpose, *slot))

    def below(self, purpose: str, limit: int, *slot: int) -> int:
        """Return a whole number from 0 to less than ``limit``."""
        return int(self.chance(purpose, *slot)[0] * limit)

    def different(self, purpose: str, limit: int, count: int) -> IntArray:
        """Return int64 [count]: different whole numbers below ``limit``, in random order."""
        drawn: IntArray = keyed.sample(self._words(purpose), limit, count)[0]
        return drawn

    def order(self, purpose: str, count: int) -> IntArray:
        """Return int64 [count]: the places of ``count`` things in random order."""
        order: IntArray = self._words(purpose, np.arange(count)).argsort(kind="stable")
        return order

    def _words(self, purpose: str, *slot: npt.ArrayLike) -> npt.NDArray[np.uint64]:
        return keyed.words(self._seed, f"tuning {purpose}", *self._at, *slot)


class Examples:
    """Draws examples; the same number gives the same examples.

    Args:
        training: catalog and ratings to learn from, of training users alone.
        templates: the words.
        settings: how examples are drawn.
        seed: of the draws.

    Raises:
        DataError: no user has enough ratings.
    """

    def __init__(self, training: Dataset, templates: Templates, settings: ExampleSettings, *, seed: int) -> None:
        ratings = training.ratings
        self._training, self._templates, self._settings, self._seed = training, templates, settings, seed
        self._item = training.catalog.index_of(ratings.item_id)
        order = np.lexsort((self._item, ratings.timestamp, ratings.user_index))
        bounds = np.searchsorted(ratings.user_index[order], np.arange(len(ratings.users) + 1))
        rows = [order[first:last] for first, last in zip(bounds[:-1], bounds[1:], strict=True)]
        self._rows = [own for own in rows if len(own) >= LEAST_RATINGS]
        if not self._rows:
            raise DataError(
                f"tune: got no user among {len(rows)} training users with {LEAST_RATINGS} ratings in the first part of their "
                "history, expected one or more; use data with more ratings a user"
            )
        weight = np.sqrt([len(own) for own in self._rows])
        self._often = np.cumsum(weight / weight.sum())
        counts = np.bincount(self._item, minlength=len(training.catalog)).astype(np.float64)
        self._matched = np.cumsum(counts / counts.sum())
        self._rates = training.feedback == "explicit"

    def draw(self, number: int, count: int) -> list[Example]:
        """Return ``count`` examples, the ``number``-th such batch."""
        every = [_Dice(self._seed, number, place) for place in range(count)]
        moments = [self._moment(dice) for dice in every]
        writer = self._writer(moments, keyed.words(self._seed, "tuning history", number))
        drawn = zip(moments, every, strict=True)
        return [self._example(writer, place, moment, dice) for place, (moment, dice) in enumerate(drawn)]

    def _moment(self, dice: _Dice) -> _Moment:
        settings = self._settings
        own = self._rows[min(int(np.searchsorted(self._often, dice.chance("user")[0], side="right")), len(self._rows) - 1)]
        count = len(own)
        slots = settings.page_items[dice.below("page size", len(settings.page_items))]
        now = _LEAST_TOLD + dice.below("moment", count - 1 - _LEAST_TOLD)
        told, after = own[:now], own[now:]
        under_way = dice.chance("visit")[0] < settings.remembered
        seen = dice.below("seen", min(6, len(after) - 1)) if under_way else 0
        near = after[seen : seen + max(2 * slots, count // 4)]
        # Whoever rated the whole catalog can be shown nothing but what was taken.
        least = int(len(own) >= len(self._matched))
        taken = max(min(dice.below("taken", slots // 2 + 1), len(near)), least)
        chosen = np.sort(dice.different("chosen", len(near), taken))
        kept = told[dice.chance("kept", np.arange(len(told))) >= settings.forgotten * dice.below("forgets", 2)]
        ends = self._ends(own, now + seen, max(taken, 1))
        return _Moment(kept if len(kept) else told, after[:seen], near[chosen], ends, slots, own)

    def _ends(self, own: IntArray, now: int, taken: int) -> float:
        times = self._training.ratings.timestamp[own[now - 1 : now + taken]]
        if not self._training.ratings.timestamp.any():
            return min(taken / _SITTING, 1.0)
        return float((np.diff(times) > _SITTING_PAUSE).any())

    def _writer(self, moments: Sequence[_Moment], word: npt.NDArray[np.uint64]) -> PromptWriter:
        """Return a writer for users who are the moments: user index and id are a moment's place.

        Args:
            moments: of one batch.
            word: uint64 [1], by which it is drawn how long a history they tell.
        """
        rows = np.concatenate([moment.told for moment in moments])
        ratings = self._training.ratings.take(rows)
        who = np.repeat(np.arange(len(moments)), [len(moment.told) for moment in moments])
        past = Ratings(user_id=who, item_id=ratings.item_id, rating=ratings.rating, timestamp=ratings.timestamp)
        population = replace(population_from_ratings(past, self._training.catalog), rates=self._rates)
        history = RatingHistory(past, population.user_id, self._training.catalog, rates=self._rates)
        most = (self._settings.rating_history, self._settings.rating_history, 20, 10)[int(keyed.uniform(word)[0] * 4)]
        budget = PromptBudget(tokens=_PROMPT_TOKENS, ratings=min(most, self._settings.rating_history))
        return PromptWriter(self._training.catalog, population, self._templates, "forced", history=history, budget=budget)

    def _example(self, writer: PromptWriter, place: int, moment: _Moment, dice: _Dice) -> Example:
        slots, taken = moment.slots, moment.taken
        rated = set(self._item[moment.own].tolist())
        # Fewer where a small catalog holds fewer that the user never rated.
        others = self._others(rated, slots - len(taken), dice, "others")
        order = dice.order("order", len(taken) + len(others))
        items = np.concatenate([self._item[taken], others])[order].tolist()
        stars = np.concatenate([self._training.ratings.rating[taken], np.full(len(others), np.nan)])[order]
        page = dice.below("page", 4)
        prompt = Prompt(
            (*writer.opening, writer.persona(place), *self._memory(writer, moment, rated, dice),
             writer.page(items, page, _PROMPT_TOKENS))
        )  # fmt: skip
        questions = writer.questions(items)
        targets = self._targets(stars, moment.ends)
        known = [(question, target) for question, target in zip(questions, targets, strict=True) if target is not None]
        return Example(
            prepare(Ask(prompt, questions), "forced").messages,
            tuple(question for question, _ in known),
            tuple(target for _, target in known),
        )

    def _targets(self, stars: DoubleArray, ends: float) -> list[Target]:
        clicks: list[Target] = [(0.0, 1.0) if np.isnan(given) else (1.0, 0.0) for given in stars]
        if self._rates:
            levels: list[Target] = [None if np.isnan(given) else _spread(float(given)) for given in stars]
            content = _NOTHING_TAKEN if np.isnan(stars).all() else float(np.nanmean(stars))
        else:
            levels, content = [None] * len(stars), _NOTHING_TAKEN if np.isnan(stars).all() else _STARLESS
        return [*clicks, *levels, _spread(content), (ends, 1.0 - ends)]

    def _others(self, rated: set[int], count: int, dice: _Dice, purpose: str) -> IntArray:
        """Draw different items that the user never rated."""
        found: dict[int, None] = {}
        items, slot = len(self._matched), np.arange(count)
        for turn in range(100):
            place, alike, any_item = (dice.chance(f"{purpose}, {what}", turn, slot) for what in ("rank", "kind", "item"))
            like = np.searchsorted(self._matched, place, side="right")
            drawn = np.where(alike < self._settings.matched, like, (any_item * items).astype(np.int64))
            found.update((item, None) for item in np.minimum(drawn, items - 1).tolist() if item not in rated)
            if len(found) >= count:
                break
        return np.array(list(found)[:count], np.int64)

    def _memory(self, writer: PromptWriter, moment: _Moment, rated: set[int], dice: _Dice) -> tuple[Part, ...]:
        """Return what the user remembers of the visit under way, in the words that a run uses."""
        say, lines = self._templates.say, []
        seen = zip(self._item[moment.visit].tolist(), self._training.ratings.rating[moment.visit].tolist(), strict=True)
        for line, (item, stars) in enumerate(seen):
            lines.append(say("events.taken", item=writer.item(item), stars=f"{np.clip(round(stars), 1, LEVELS):g}"))
            if dice.chance("passes", line)[0] < 0.5:
                passed = [writer.item(other) for other in self._others(rated, 3, dice, f"passed {line}").tolist()]
                lines.append(say("events.passed", items=passed, more=1 + dice.below("more", 8, line)))
        return writer.memory("", "\n".join(f"- {told}" for told in lines))


def _spread(stars: float) -> tuple[float, ...]:
    """Return probabilities of the levels whose mean is the stars: a half star is shared between its neighbours."""
    value = min(max(stars, 1.0), float(LEVELS))
    low = min(int(value), LEVELS - 1)
    share = value - low
    return tuple(1.0 - share if level == low else share if level == low + 1 else 0.0 for level in range(1, LEVELS + 1))
