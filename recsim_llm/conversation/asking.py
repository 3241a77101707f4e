"""A rule-based conversational recommender: it asks what tells most, then recommends what fits all that was said."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.conversation.acts import (
    ANSWER,
    ASK,
    CHANGE_MIND,
    CRITIQUE,
    LESS,
    NOTHING,
    RECOMMEND,
    SILENT,
    Dialogues,
    PolicyActs,
    Said,
    silent_acts,
)
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["Asking", "fit_counts", "fitting_items", "information_gain"]

_LEAST_GAIN = 0.05


class Asking(Wrapper):
    """Asks about the attribute that tells most of what is left, then recommends.

    What is left are the items that have every value answered since the user last changed its mind, and nothing that it wanted
    less of. The next question is the one whose answer shares most information with which of these the user means
    (``information_gain``), each being as probable as the others. It recommends once ``questions`` were asked, no question would
    tell more than 0.05 bits, or no more items are left than an act can show: new items that keep to most critiques, of these
    those that fit most answers, of these those that its base ranks first.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    reads_text = False

    class Settings(FrozenSettings):
        """Settings of ``Asking``."""

        base: str = "popularity"
        """Name of the recommender that ranks the items, or ``module:class``."""
        questions: int = Field(default=3, ge=0)
        """Most questions in a dialogue, and again after each change of mind."""
        waits: int = Field(default=0, ge=0)
        """Turns in which it is silent at first, as long as the user says nothing."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("asking, base", self.settings.base, self.settings.base_settings)

    def start(self, requests: Requests) -> None:
        """Do nothing: all that is needed comes with each turn."""

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return what its base recommends."""
        return self._base.recommend(requests, k)

    def respond(self, dialogues: Dialogues, k: int) -> PolicyActs:
        """Ask, or recommend, in each dialogue."""
        known, attributes, said = self._known, dialogues.attributes, dialogues.said
        left = fitting_items(said, attributes) & known.on_sale
        asked = _asked(said, attributes)
        gain = np.where(asked, -np.inf, information_gain(left, attributes))
        best = gain.argmax(axis=1)
        most = np.take_along_axis(gain, best[:, None], axis=1)[:, 0]
        count = _questions(said)
        asks = (count < self.settings.questions) & (most > _LEAST_GAIN) & (left.sum(axis=1) > k)
        waits = (dialogues.turn <= self.settings.waits) & (said.user_act <= NOTHING).all(axis=1)
        acts = silent_acts(len(asks), k)
        acts.act[:] = np.where(waits, SILENT, np.where(asks, ASK, RECOMMEND))
        acts.attribute[:] = np.where(acts.act == ASK, best, -1)
        at = np.flatnonzero(acts.act == RECOMMEND)
        if at.size:
            acts.item_id[at] = self._best(dialogues.requests, fit_counts(said, attributes), at, k)
        return acts

    def _best(self, requests: Requests, counts: IntArray, at: IntArray, k: int) -> IntArray:
        """Return int64 [r, k]: ids of the new items that fit best, equal ones in the base's order."""
        count = int(np.count_nonzero(self._known.on_sale))
        offered = self._retrieve(self._base, requests, count)
        item, seen = offered.item_index[at], offered.seen[at]
        fits = np.take_along_axis(counts[at], item, axis=1)
        order = np.lexsort((-fits, seen), axis=1)[:, :k]
        best: IntArray = self._known.catalog.item_id[np.take_along_axis(item, order, axis=1)]
        return best


def information_gain(left: BoolArray, attributes: Attributes) -> DoubleArray:
    """Return float64 [d, a]: bits that the answer to each question shares with which item is meant.

    Mutual information ``H(answer) - H(answer | item)`` (Cover & Thomas 2006, section 2.4), where each item left is meant as
    probably as the others, and one of several values of an item is named as probably as the others; an item without a value
    gets no answer, which tells something too.

    Args:
        left: bool [d, n]: items that may be meant.
        attributes: what can be asked.
    """
    share = attributes.shares(attributes.members.astype(np.float64))
    own = attributes.of.astype(np.float64)
    number = attributes.members @ own.T
    within = np.log2(np.maximum(number, 1))
    weight = left / np.maximum(left.sum(axis=1, keepdims=True), 1)
    chance = weight @ share
    entropy = -_plogp(chance) @ own.T - _plogp(1 - np.minimum(chance @ own.T, 1.0))
    gain: DoubleArray = entropy - weight @ within
    return gain


def _plogp(chance: DoubleArray) -> DoubleArray:
    product: DoubleArray = chance * np.log2(np.maximum(chance, 1e-300))
    return product


def fitting_items(said: Said, attributes: Attributes) -> BoolArray:
    """Return bool [d, n]: items that have all that was answered and wanted more of, and nothing that was wanted less of.

    Only what was said since the user last changed its mind counts.
    """
    left = np.ones((len(said.user_act), len(attributes.members)), np.bool_)
    for turn in range(said.user_act.shape[1]):
        act, value, critique = said.user_act[:, turn], said.value[:, turn], said.critique[:, turn]
        left[act == CHANGE_MIND] = True
        by_value = np.flatnonzero(((act == ANSWER) | (act == CRITIQUE)) & (value >= 0))
        if by_value.size:
            has = attributes.members.T[value[by_value]]
            left[by_value] &= has ^ (critique[by_value] == LESS)[:, None]
    return left


def fit_counts(said: Said, attributes: Attributes) -> IntArray:
    """Return int64 [d, n]: how much of what was said each item fits: a point an answer, more than all of these a critique.

    Only what was said since the user last changed its mind counts.
    """
    turns = said.user_act.shape[1]
    counts = np.zeros((len(said.user_act), len(attributes.members)), np.int64)
    since = _since_change(said)
    for turn in range(turns):
        value, critique = said.value[:, turn], said.critique[:, turn]
        at = np.flatnonzero(since[:, turn] & (value >= 0))
        fits = attributes.members.T[value[at]] ^ (critique[at] == LESS)[:, None]
        counts[at] += fits * np.where(critique[at] >= 0, turns + 1, 1)[:, None]
    return counts


def _since_change(said: Said) -> BoolArray:
    """Return bool [d, t]: turns after the last change of mind."""
    changed = said.user_act == CHANGE_MIND
    after: BoolArray = np.cumsum(changed[:, ::-1], axis=1)[:, ::-1] - changed == 0
    since: BoolArray = after & ~changed
    return since


def _asked(said: Said, attributes: Attributes) -> BoolArray:
    """Return bool [d, a]: attributes that were asked about, or of which the user spoke."""
    since, asked = _since_change(said), np.zeros((len(said.user_act), len(attributes.names)), np.bool_)
    for turn in range(said.user_act.shape[1]):
        spoke = since[:, turn] & (said.user_act[:, turn] == ANSWER) & (said.value[:, turn] >= 0)
        asked[spoke, attributes.attribute[said.value[spoke, turn]]] = True
        put = since[:, turn] & (said.policy_act[:, turn] == ASK) & (said.attribute[:, turn] >= 0)
        asked[put, said.attribute[put, turn]] = True
    return asked


def _questions(said: Said) -> IntArray:
    """Return int64 [d]: questions asked since the last change of mind."""
    count: IntArray = (_since_change(said) & (said.policy_act == ASK)).sum(axis=1)
    return count
