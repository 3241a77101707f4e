"""Users of conversations who decide by rule from a fitted taste: no model is asked.

All numbers below are assumed; none is fitted, since no log that is loaded tells of dialogues.
"""

from __future__ import annotations

import numpy as np

from recsim_llm.conversation.acts import ASK, EXPLAIN, RECOMMEND, SAY, SILENT
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.deciding import Chances, Heard
from recsim_llm.core.arrays import DoubleArray

__all__ = ["LEAVE", "TasteUsers", "told_chances"]

WANTED, UNWANTED = 8.0, -7.0
"""Log-odds of taking what one looks for, and anything else in a session that has a goal."""
SHARPNESS = 2.0
"""Without a goal: log-odds of taking an item for each standard deviation of appeal above the least that would do."""
LEAVE = 0.5
"""Chance of leaving in each turn once patience is used up; 0 before."""
TURNS_TO = 0.5
"""Chance that a user who looks around by itself turns to a silent policy."""
ADDS = 0.5
"""Chance in a chat that a user says more of itself where the policy says nothing to answer."""
LESS_SHARE, MORE_SHARE = 0.4, 0.4
"""Shares of the critiques that ask for less of something and for more of something; the others refuse an item."""


class TasteUsers:
    """Decides from appeal and goal alone, with a share of answers that are not true.

    Taking an item has the log-odds ``SHARPNESS`` times its appeal beyond what would just about do; of a session with a goal
    ``WANTED`` for what is wanted and ``UNWANTED`` otherwise. Questions are answered truly but for ``noise``, which falls on
    the other values of the attribute alike; who does not care gives no answer. Nobody leaves before patience is used up.

    Args:
        attributes: what can be asked about.
        settings: of the scenario.
    """

    by_rule = True

    def __init__(self, attributes: Attributes, settings: ConversationSettings) -> None:
        self._attributes, self._settings = attributes, settings

    def decide(self, heard: Heard) -> Chances:
        """Return what each user may do and how probably."""
        less, more, not_this = self._critiques(heard)
        return Chances(
            take=_take(heard),
            answer=told_chances(heard, self._attributes, self._settings),
            less=less,
            more=more,
            not_this=not_this,
            change_mind=np.where(heard.turn > 0, self._settings.change_of_mind, 0.0),
            leave=np.where(heard.out_of_patience, LEAVE, 0.0),
        )

    def _critiques(self, heard: Heard) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        shown = (heard.act == RECOMMEND) & ~heard.alone & (heard.item_index[:, 0] >= 0)
        total = np.where(shown & (self._settings.mode == "chat"), self._settings.critiques, 0.0)
        count = heard.lacking.sum(axis=1, keepdims=True)
        less = (total * LESS_SHARE)[:, None] * heard.lacking / np.maximum(count, 1)
        more = (total * MORE_SHARE)[:, None] * heard.missing
        return less, more, total - less.sum(axis=1) - more.sum(axis=1)


def _take(heard: Heard) -> DoubleArray:
    log_odds = SHARPNESS * heard.appeal
    if heard.has_goal:
        log_odds = np.where(heard.wanted, WANTED, UNWANTED)
    shown = np.isin(heard.act, (RECOMMEND, EXPLAIN))[:, None] & (heard.item_index >= 0)
    chance: DoubleArray = np.where(shown, 1 / (1 + np.exp(-np.clip(log_odds, -30, 30))), 0.0)
    return chance


def told_chances(heard: Heard, attributes: Attributes, settings: ConversationSettings) -> DoubleArray:
    """Return float64 [m, v]: chances of answers, asked for and unasked."""
    asked = attributes.attribute[None] == heard.attribute[:, None]
    said = _noisy(heard.truth, attributes, settings.noise)
    answer = np.where(asked, said, 0.0)
    unasked = _unasked(heard, settings)[:, None] * said * _open_shares(heard, attributes)
    question = ((heard.act == ASK) & ~heard.alone)[:, None]
    chance: DoubleArray = np.where(question & (heard.attribute >= 0)[:, None], answer, unasked)
    return chance


def _unasked(heard: Heard, settings: ConversationSettings) -> DoubleArray:
    """Return float64 [m]: chance that a user says something of what it looks for that was not asked for by name."""
    chat = settings.mode == "chat"
    opening = 1.0 if chat else 0.0
    adds = ADDS if chat else 0.0
    quiet = np.where(heard.turn == 0, opening, np.where(np.isin(heard.act, (SILENT, SAY)), adds, 0.0))
    quiet = np.where(heard.act == ASK, 1.0, quiet)
    alone = np.where((heard.turn > 0) & (heard.act == SILENT), TURNS_TO, 0.0)
    chance: DoubleArray = np.where(heard.alone, alone, quiet)
    return chance


def _open_shares(heard: Heard, attributes: Attributes) -> DoubleArray:
    """Return float64 [m, v]: how probably it is each value's attribute that a user speaks of unasked.

    It is one that the user cares about and has not spoken of, each as probable as the others.
    """
    cares = heard.truth @ attributes.of.T.astype(np.float64) > 0
    open_ = cares & ~heard.told
    share: DoubleArray = (open_ / np.maximum(open_.sum(axis=1, keepdims=True), 1))[:, attributes.attribute]
    return share


def _noisy(truth: DoubleArray, attributes: Attributes, noise: float) -> DoubleArray:
    """Mix true answers with others of the same attribute; where there is no true answer there is none at all."""
    true = truth > 0
    others = _by_attribute(np.ones_like(truth), attributes) - _by_attribute(true.astype(np.float64), attributes)
    spoilt = np.where(others > 0, noise, 0.0)
    cares = _by_attribute(truth, attributes) > 0
    mixed: DoubleArray = (1 - spoilt) * truth + np.where(~true & cares, spoilt / np.maximum(others, 1), 0.0)
    return mixed


def _by_attribute(values: DoubleArray, attributes: Attributes) -> DoubleArray:
    """Return float64 [m, v]: the sum over each value's attribute, at every value."""
    own = attributes.of.astype(np.float64)
    total: DoubleArray = (values @ own.T)[:, attributes.attribute]
    return total
