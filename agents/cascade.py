"""Cascade users: a cheap model decides the pages it is sure about, a language model the others.

Both models live through everything: the same visits begin for both, and what happened on a page is told to both, whoever
decided it. The language model is only *asked* about pages that are uncertain, and about a keyed random share of the rest,
the audit, whose decisions stay with the cheap model so that an audit never changes a run.

The uncertainty of a page is the mean over its items of the entropy of a click, in bits, where the probability of the click
includes that of examination. Clicks on a page are independent given its decision, so this is the entropy of everything that
can be clicked there, divided by the number of items: zero where the cheap model knows what will happen, comparable between
pages of different sizes, and unlike the entropy of the number of clicks it does not call two pages alike that merely get
equally many. Items far down, at which hardly anybody looks, hardly count: what a language model says of them changes little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, widest
from recsim_llm.core.pages import DECIDERS, Account, Decisions, Mood, Pages, Rows, probability
from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.core.protocols import (
    AnswersLater,
    BoundsPrompts,
    HasProvenance,
    TakesRated,
    TellsDwell,
    UserModel,
    WithdrawsPages,
    declared_bounds,
)
from recsim_llm.core.reading_order import at_first
from recsim_llm.core.repetition import RatedItems
from recsim_llm.errors import ConfigError, ContractError

__all__ = ["CascadeParameters", "CascadeUsers"]

_CERTAIN = np.float32(17.0)
"""Log-odds beyond every draw of the dice, which have 23 bits."""
_CHOICE, _LANGUAGE = (DECIDERS.index(name) for name in ("choice", "language"))


@dataclass(frozen=True, kw_only=True)
class CascadeParameters:
    """Which pages go to the language model."""

    threshold: float = 0.28
    """Uncertainty, in bits an item, above which the language model decides a page; 0 to 1, and 1 means never. Assumed: about a
    third of the pages that ``popularity`` shows in the scenario ``demo`` lie above it. The more users click, the more do."""
    audit: float = 0.05
    """Share of the other pages about which the language model is asked as well, only to measure how far it disagrees."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_number(value) or not 0 <= value <= 1:
                raise ConfigError(f"cascade parameter {field.name!r}: got {value!r}, expected a number from 0 to 1")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> CascadeParameters:
        """Build parameters from a mapping.

        Raises:
            ConfigError: a name is not a parameter, or a value is no number from 0 to 1.
        """
        refuse_unknown_names("cascade parameter", settings, field_names(cls))
        return cls(**settings)


class _Turn(NamedTuple):
    """Who does what about a batch of pages."""

    examine: FloatArray
    """float32 [u, k]: probability that each slot is examined, 0 where blank."""
    chance: FloatArray
    """float32 [u, k]: the choice model's click probability, examination included."""
    passed: BoolArray
    """bool [u]: the language model decides."""
    asked: BoolArray
    """bool [u]: the language model is asked; it decides, or is audited."""
    part: Pages
    """The pages that it is asked about."""


class CascadeUsers:
    """Users whose uncertain pages a language model decides.

    Star levels, examination and shares watched are the choice model's. The mass that the language model gives to a star level
    goes to the same level here, or to the next higher one where there is none (levels between two of its own get nothing).
    Satisfaction, leaving and coming back follow whoever decided the user's last page; since both models saw all that happened,
    neither has to be told of the other's.

    Args:
        choice: the cheap model.
        language: the dear one. Its ``decide`` sees only the pages that it is asked about, its ``update`` all of them: it must
            be able to take in what happened on a page that it did not decide, as ``LanguageUsers`` is; the mood that it
            returns for such a page is not used. Where being asked leaves a trace in it, ``withdraw(rows)`` must undo that for
            audited pages, after ``decide``.
        user_id: int64 [population]: outside ids by user index; the audit hangs on them.
        parameters: what is passed on.
        seed: of the audit.
    """

    def __init__(
        self, choice: UserModel, language: UserModel, *, user_id: IntArray, parameters: CascadeParameters, seed: int
    ) -> None:
        self.choice, self.language, self.parameters = choice, language, parameters
        self.levels = choice.levels
        self.provenance: dict[str, Any] = {
            name: dict(model.provenance)
            for name, model in (("choice", choice), ("language", language))
            if isinstance(model, HasProvenance)
        }
        self._user_id, self._seed = user_id, seed
        # How many of the language model's levels are at most each of ours.
        self._levels_below = np.searchsorted(language.levels, choice.levels[:-1], side="right")
        self._by_language = self._ready = np.zeros(0, np.bool_)

    def prompt_tokens(self, slate_size: int) -> int:
        """Return the most tokens of a prompt about a page of that size, estimated; 0 where no language model is asked."""
        return self.language.prompt_tokens(slate_size) if isinstance(self.language, BoundsPrompts) else 0

    def least_prompt_tokens(self, slate_size: int) -> int:
        """Return the tokens of a prompt about a page of that size with nothing that could give way; 0 where none is written."""
        return self.language.least_prompt_tokens(slate_size) if isinstance(self.language, BoundsPrompts) else 0

    def take_rated(self, rated: RatedItems | None) -> None:
        """Take in what everybody rated before the first page, for either model where that matters to it."""
        for model in (self.choice, self.language):
            if isinstance(model, TakesRated):
                model.take_rated(rated)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self.choice.allocate(rows, slate_size)
        self.language.allocate(rows, slate_size)
        self._by_language, self._ready = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: probability that each position is examined."""
        return self.choice.examination(user_index)

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row, for both models."""
        self.choice.begin(rows, user_index, returning)
        self.language.begin(rows, user_index, returning)
        self._by_language[rows] = False

    def start(self, pages: Pages) -> None:
        """Begin to ask about the uncertain pages; the others are ready at once."""
        turn = self._judge(pages, self.choice.decide(pages))
        rows = _numbers(pages)
        if isinstance(self.language, AnswersLater) and turn.asked.any():
            self.language.start(turn.part)
            rows = rows[~turn.asked]
        self._ready[rows] = True

    def collect(self) -> IntArray:
        """Return int64 [m]: rows now ready, those that wait for nobody first.

        Raises:
            ContractError: no page is being worked on.
        """
        ready = np.flatnonzero(self._ready)
        if ready.size:
            self._ready[ready] = False
            return ready
        if isinstance(self.language, AnswersLater):
            return self.language.collect()
        raise ContractError("cascade users: got collect() without a page being worked on, expected start(pages) before")

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages and who decided them, drawing nothing."""
        decisions = self.choice.decide(pages)
        self._turn = turn = self._judge(pages, decisions)
        count = len(turn.passed)
        account = Account(
            decided_by=np.where(turn.passed, np.int8(_LANGUAGE), np.int8(_CHOICE)),
            disagreement=np.full(count, np.nan, np.float32),
            memories_dropped=np.zeros(count, np.int16),
        )
        if not turn.asked.any():
            return Decisions(decisions.click_log_odds, account)
        answer = self.language.decide(turn.part)
        if isinstance(self.language, WithdrawsPages):
            self.language.withdraw(_numbers(pages)[turn.asked & ~turn.passed])
        log_odds = decisions.click_log_odds.copy()
        log_odds[turn.passed] = answer.click_log_odds[turn.passed[turn.asked]]
        account.disagreement[turn.asked] = _distance(turn, answer.click_log_odds)
        if answer.account is not None:
            account.memories_dropped[turn.asked] = answer.account.memories_dropped
        return Decisions(log_odds, account)

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [l - 1, c]: log-odds that the rating of each clicked slot is at most each level but the last."""
        log_odds = self.choice.rating_log_odds(pages, slot, row)
        passed = self._turn.passed.take(row)
        if passed.any():
            answer = self.language.rating_log_odds(self._turn.part, *_renumbered(self._turn.asked, pages, slot[passed]))
            log_odds = log_odds.copy()
            log_odds[:, passed] = self._on_own_levels(answer)
        return log_odds

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Tell both models what was drawn for the pages last decided, and say how the users feel."""
        passed = self._turn.passed
        satisfaction, leaving = (column.copy() for column in self.choice.update(pages, slot, row, rating))
        mood = self.language.update(pages, slot, row, rating)
        satisfaction[passed], leaving[passed] = mood.satisfaction[passed], mood.leave_log_odds[passed]
        self._by_language[pages.rows] = passed
        return Mood(satisfaction, leaving)

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched of items that were rated so by these users."""
        return self.choice.watch_log_odds(rating, user_index)

    @property
    def tells_dwell(self) -> bool:
        """Whether the choice model says how long its users stay with what they click."""
        return isinstance(self.choice, TellsDwell) and self.choice.tells_dwell

    def dwell(self, dice: DoubleArray) -> DoubleArray:
        """Return float64 [c]: seconds that uniform dice give, as the choice model has them; only asked where it does."""
        return cast(TellsDwell, self.choice).dwell(dice)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds of another visit, as whoever decided the user's last page sees it."""
        log_odds = self.choice.return_log_odds(rows)
        by_language = self._by_language[rows]
        if by_language.any():
            number = np.arange(len(self._by_language))[rows]
            log_odds = log_odds.copy()
            log_odds[by_language] = self.language.return_log_odds(number[by_language])
        return log_odds

    def bounds(self) -> Bounds:
        """Return the bounds of the two models together, since either may decide a page."""
        return widest((declared_bounds(self.choice), declared_bounds(self.language)))

    def _judge(self, pages: Pages, decisions: Decisions) -> _Turn:
        """Say which pages the language model is asked about, and which of them it decides."""
        blank = pages.item_index < 0
        examine = np.where(blank, np.float32(0), at_first(self.choice.examination(pages.user_index)))
        chance = examine * probability(decisions.click_log_odds)
        passed = _uncertainty(chance, blank) > self.parameters.threshold
        word = keyed.words(self._seed, "audit", self._user_id.take(pages.user_index), pages.visit, pages.page)
        asked = passed | (keyed.uniform(word) < self.parameters.audit) & ~blank.all(axis=1)
        return _Turn(examine, chance, passed, asked, _part(pages, asked))

    def _on_own_levels(self, log_odds: FloatArray) -> FloatArray:
        """Return float32 [l - 1, c]: the language model's cumulative log-odds at the levels of this one."""
        edge = np.full((1, log_odds.shape[1]), _CERTAIN, np.float32)
        bounded = np.clip(log_odds, -_CERTAIN, _CERTAIN)
        return np.concatenate([-edge, bounded, edge]).take(self._levels_below, axis=0)


def _uncertainty(chance: FloatArray, blank: BoolArray) -> npt.NDArray[np.float64]:
    """Return float64 [u]: mean entropy of a click on the page's items, bits; 0 for a blank page."""
    likely = np.clip(chance.astype(np.float64), 1e-12, 1 - 1e-12)
    bits = -likely * np.log2(likely) - (1 - likely) * np.log2(1 - likely)
    return _mean(bits, blank)


def _distance(turn: _Turn, click_log_odds: FloatArray) -> npt.NDArray[np.float64]:
    """Return float64 [a]: mean absolute difference of the click probabilities, examination included, on pages asked about."""
    examine = turn.examine[turn.asked]
    difference = np.abs(examine * probability(click_log_odds) - turn.chance[turn.asked])
    return _mean(difference.astype(np.float64), turn.part.item_index < 0)


def _mean(values: npt.NDArray[np.float64], blank: BoolArray) -> npt.NDArray[np.float64]:
    items = np.maximum(values.shape[1] - blank.sum(axis=1), 1)
    mean: npt.NDArray[np.float64] = np.where(blank, 0.0, values).sum(axis=1) / items
    return mean


def _numbers(pages: Pages) -> IntArray:
    """Return the rows as numbers: a slice means all of them."""
    return np.arange(len(pages.user_index)) if isinstance(pages.rows, slice) else pages.rows


def _part(pages: Pages, some: BoolArray) -> Pages:
    columns = (pages.user_index, pages.visit, pages.page, pages.item_index)
    return Pages(_numbers(pages)[some], *(column[some] for column in columns))


def _renumbered(some: BoolArray, pages: Pages, slot: IntArray) -> tuple[IntArray, IntArray]:
    """Return slots and rows of clicks on some of the pages, as they are counted among those pages only."""
    slots = pages.item_index.shape[1]
    row = (np.cumsum(some) - 1).take(slot // slots)
    return row * slots + slot % slots, row
