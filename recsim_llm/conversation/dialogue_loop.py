"""The loop of a conversation: what a policy does, what its user does in turn, and what can be measured on the way.

Runs and environments all drive this class; it draws every act of a user with keyed dice from probabilities that whoever plays
the users returns, and it never asks a policy anything itself.
"""

from __future__ import annotations

import numpy as np

from recsim_llm.conversation.act_checks import admit_acts
from recsim_llm.conversation.acts import (
    ACCEPT,
    ANSWER,
    ASK,
    CHANGE_MIND,
    END,
    LEAVE,
    LESS,
    MORE,
    SILENT,
    STOPS,
    Dialogues,
    PolicyActs,
    UserActs,
    silent_acts,
)
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.deciding import Chances, DecidesByRule, DialogueUsers, Heard, draw, options_of, spread
from recsim_llm.conversation.dialogue_state import NEVER, DialogueState, Record
from recsim_llm.conversation.dialogue_turns import Prepared, Turn
from recsim_llm.conversation.goals import Goals, Tastes, keyed_dice
from recsim_llm.conversation.hypotheses import Hypotheses, meant_by
from recsim_llm.conversation.leak import LeakMeter
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.core.histories import Histories
from recsim_llm.core.keyed import Words
from recsim_llm.core.pages import Requests
from recsim_llm.core.profiles import NO_PROFILE, Profile
from recsim_llm.core.repetition import KnownItems
from recsim_llm.population.world import World

__all__ = ["Conversations"]

INTERRUPTS, POINTLESS, USUAL, IDLE = 1.0, 1.0, 0.25, 0.5
"""What of a user's patience an act takes: one that interrupts, a question that leads nowhere, any other, and silence towards a
user who waits."""
_ACCEPTED, _LEFT, _MAX_TURNS, _ENDED = range(len(STOPS))
_ORDINARY = (0.5, 2.0)
_STAYS_ALONE = 0.5


class Conversations:
    """Dialogues in progress, a row each.

    Args:
        world: items and users; the users themselves only gave the ``tastes``.
        tastes: of the users that may sit here, by user index.
        attributes: what can be asked about.
        users: who decides.
        settings: of the scenario.
        rows: dialogues at the same time.
        slots: most items of an act.
        known: the rule on repetition; None where there is none.
        profile: what may be observed of everyone.
        name: of the policy, for error texts; None blanks and counts invalid items.
    """

    def __init__(
        self,
        *,
        world: World,
        tastes: Tastes,
        attributes: Attributes,
        users: DialogueUsers,
        settings: ConversationSettings,
        rows: int,
        slots: int,
        known: KnownItems | None = None,
        profile: Profile = NO_PROFILE,
        name: str | None = None,
    ) -> None:
        self.catalog, self.attributes, self.settings, self.users = world.catalog, attributes, settings, users
        self.slots, self.goals = slots, Goals(attributes, settings)
        self._tastes, self._known, self._name, self._profile = tastes, known, name, profile
        self._user_id = world.population.user_id
        usual = world.population.trait("patience").astype(np.float64)
        apart = world.population.usual_patience
        share = usual / max(float(np.median(usual)) if apart is None else apart, 1e-9)
        self._patience = settings.patience * np.clip(share, *_ORDINARY)
        self.state = DialogueState(rows, len(world.catalog), len(attributes.names))
        self.record = Record(rows, settings.max_turns + 1, slots)
        self.history = Histories(rows, slots)
        self.leak = LeakMeter(rows, tastes.pool.shape[1])
        self._hypotheses = Hypotheses(world.catalog, attributes, self.goals, users)
        self._options = options_of(slots, len(attributes.value_names))
        self._text = np.full(rows, "", object)

    def begin(self, rows: IntArray, user_index: IntArray, visit: IntArray, seed: Words) -> None:
        """Let users sit down in rows int64 [m]; the opening is still to come, as an act of a silent policy in turn 0.

        Args:
            rows: int64 [m].
            user_index: int64 [m].
            visit: int64 [m].
            seed: uint64 [m]: of the dice.
        """
        state, user_id = self.state, self._user_id[user_index]
        state.begin(rows, user_index, visit, seed)
        self.record.begin(rows)
        self.leak.begin(rows)
        self.history.forget(rows)
        self._text[rows] = ""
        state.patience[rows] = self._patience[user_index]
        state.candidates[rows] = self.catalog.on_sale
        state.alone[rows] = keyed_dice("looks around", seed, user_id, visit) < self.settings.browse
        state.goal[rows] = self.goals.draw(self._tastes.pool[user_index], seed, user_id, visit, state.changes[rows])
        if self._known is not None:
            self._known.begin(rows, user_index)

    def goal_item(self, rows: IntArray) -> IntArray:
        """Return int64 [m]: catalog position of what each user looks for, or whose attributes; the hidden side."""
        return self._tastes.pool[self.state.user_index[rows], self.state.goal[rows]]

    def turns_ahead(self, rows: IntArray) -> DoubleArray:
        """Return float64 [m, t]: how many turns are to be expected from each turn on, up to the last one, turn 0 among them.

        A user whose act is drawn with a die near 1 hardly takes something or leaves in that turn, since these stand first in
        ``options_of``. The chance of that is not known before the user is asked; it is taken to be rather small, at most x with
        a probability of sqrt(x), and so a dialogue goes on with a probability of the root of its die. This serves to ask
        models in a good order; nothing else may know of it.
        """
        state = self.state
        who = (state.seed[rows], self._user_id[state.user_index[rows]], state.visit[rows])
        ahead = np.ones((len(rows), self.settings.max_turns + 1))
        for turn in range(self.settings.max_turns - 1, 0, -1):
            ahead[:, turn] += np.sqrt(keyed_dice("act", *who, np.full(len(rows), turn))) * ahead[:, turn + 1]
        ahead[:, 0] += ahead[:, 1]
        return ahead

    def dialogues(self, rows: IntArray) -> Dialogues:
        """Return all that a policy may know of the dialogues in rows int64 [m], which are all in the same turn or not."""
        state = self.state
        requests = Requests(
            self._user_id[state.user_index[rows]],
            state.visit[rows],
            np.maximum(state.turn[rows] - 1, 0),
            *self.history.of(rows),
            self._profile[state.user_index[rows]],
            text=self._text[rows],
        )
        turns = int(state.turn[rows].max(initial=0))
        return Dialogues(requests, state.turn[rows], self.record.said(rows, turns), self.attributes)

    def hear(self, rows: IntArray, acts: PolicyActs) -> Prepared:
        """Take in what a policy does in rows int64 [m]; the user's patience is used up by it, nothing is drawn.

        Raises:
            SlateError: the acts are malformed, or an item is invalid and is to be refused.
        """
        acts, index, invalid = admit_acts(
            acts,
            rows,
            catalog=self.catalog,
            attributes=self.attributes,
            slots=self.slots,
            shown=self.record.shown(rows),
            known=self._known,
            name=self._name,
        )
        state, obeyed = self.state, self._obeyed(rows, acts, index)
        speaks = acts.act != SILENT
        welcome = np.where(speaks, ~state.alone[rows], -1).astype(np.int64)
        heard = self._heard(rows, acts, index)
        state.spent[rows] += self._cost(heard)
        heard = heard._replace(out_of_patience=state.spent[rows] >= state.patience[rows])
        return Prepared(rows, acts, invalid, heard, welcome, obeyed)

    def settle(self, prepared: Prepared, chances: Chances) -> Turn:
        """Draw what users do, and move the dialogues on."""
        state, rows, heard = self.state, prepared.rows, prepared.heard
        probability = spread(chances, heard)
        turn = state.turn[rows].copy()
        dice = keyed_dice("act", state.seed[rows], self._user_id[heard.user_index], heard.visit, turn)
        drawn = draw(probability, dice)
        user = self._acts(drawn, heard)
        self._watch(prepared, user, drawn)
        bits, false = self._learn(rows, user, heard)
        ended = self._end(prepared, user, turn)
        shown = heard.item_index
        clicked = (shown >= 0) & (user.act == ACCEPT)[:, None] & (self._options.slot[drawn][:, None] == np.arange(self.slots))
        ids = np.where(shown < 0, -1, self.catalog.item_id[shown])
        self.record.add(rows, turn, (prepared.acts.act, prepared.acts.attribute, ids), user)
        self.record.criticise(rows, user, ids)
        on = np.flatnonzero((shown >= 0).any(axis=1))
        self.history.add(rows[on], ids[on], clicked[on], np.full(clicked[on].shape, np.nan, np.float32))
        self._turn_to(rows, heard, user)
        state.turn[rows] += 1
        slots = slice(1, 1 + self.slots)
        found = np.take_along_axis(probability, drawn[:, None], axis=1)[:, 0]
        return Turn(prepared, turn, user, found, probability[:, slots], probability[:, 1 + self.slots], bits, false, ended)

    def open(self, rows: IntArray) -> Prepared:
        """Return the opening of dialogues that have begun: nothing was said by the policy."""
        heard = self._heard(rows, silent := silent_acts(len(rows), self.slots), silent.item_id)
        none = np.full(len(rows), NEVER)
        return Prepared(rows, silent, np.zeros(len(rows), np.int64), heard, none, none)

    def tell(self, rows: IntArray, text: TextArray) -> None:
        """Let a policy read what users of rows int64 [m] just said, str [m]."""
        self._text[rows] = text

    def regret(self, rows: IntArray, item_index: IntArray) -> DoubleArray:
        """Return float64 [m]: by how much an item falls short of the best of the user's pool, in deviations of its appeal."""
        users = self.state.user_index[rows]
        appeal = self._tastes.appeal[users[:, None], self._tastes.pool[users]].max(axis=1)
        loss: DoubleArray = np.maximum(appeal - self._tastes.appeal[users, item_index], 0.0)
        return loss

    def _heard(self, rows: IntArray, acts: PolicyActs, index: IntArray) -> Heard:
        state = self.state
        users, goal = state.user_index[rows], self.goal_item(rows)
        pool = self._tastes.pool[users]
        bar = np.median(np.take_along_axis(self._tastes.appeal[users], pool, axis=1), axis=1)
        meant = meant_by(goal, pool, index, attributes=self.attributes, goals=self.goals)
        return Heard(
            user_index=users,
            visit=state.visit[rows],
            turn=state.turn[rows].copy(),
            act=acts.act,
            attribute=acts.attribute,
            item_index=index,
            appeal=self._tastes.appeal[users[:, None], index] - bar[:, None],
            has_goal=self.goals.certain,
            **meant,
            told=state.told[rows].copy(),
            alone=state.alone[rows].copy(),
            out_of_patience=state.spent[rows] >= state.patience[rows],
        )

    def _cost(self, heard: Heard) -> DoubleArray:
        asks = (heard.act == ASK) & (heard.attribute >= 0)
        at, attribute = np.arange(len(heard.act)), np.maximum(heard.attribute, 0)
        cares = heard.truth @ self.attributes.of.T.astype(np.float64) > 0
        pointless = asks & (heard.told[at, attribute] | ~cares[at, attribute]) if cares.shape[1] else asks
        usual = np.where(pointless, POINTLESS, USUAL)
        cost: DoubleArray = np.where(
            heard.act == SILENT, np.where(heard.alone, 0.0, IDLE), np.where(heard.alone, INTERRUPTS, usual)
        )
        return np.where(heard.act == END, 0.0, cost)

    def _obeyed(self, rows: IntArray, acts: PolicyActs, index: IntArray) -> IntArray:
        kind, value, items = self.record.take_critiques(rows, acts.act)
        shown = index >= 0
        has = self.attributes.members[index, np.maximum(value, 0)[:, None]] & shown
        again = ((acts.item_id[:, :, None] == items[:, None, :]) & shown[:, :, None]).any(axis=(1, 2))
        heeded = np.where(kind == LESS, ~has.any(axis=1), np.where(kind == MORE, has.any(axis=1), ~again))
        return np.where((kind >= 0) & shown.any(axis=1), heeded, -1).astype(np.int64)

    def _acts(self, drawn: IntArray, heard: Heard) -> UserActs:
        options = self._options
        slot = options.slot[drawn]
        item = heard.item_index[np.arange(len(drawn)), np.maximum(slot, 0)]
        item_id = np.where((slot >= 0) & (item >= 0), self.catalog.item_id[item], -1)
        return UserActs(options.act[drawn], options.value[drawn], options.critique[drawn], item_id)

    def _watch(self, prepared: Prepared, user: UserActs, drawn: IntArray) -> None:
        """Let the leak meter see the act and its answer."""
        if not self.goals.certain:
            return
        rows, heard = prepared.rows, prepared.heard
        pool = self._tastes.pool[self.state.user_index[rows]]
        self.leak.note(rows, self._hypotheses.hits(prepared, pool), self.state.goal[rows])
        if isinstance(self.users, DecidesByRule):
            self.leak.learn(rows, self._hypotheses.likelihood(heard, pool, drawn))
        else:
            self.leak.blind[rows] |= np.isin(user.act, (ANSWER, CHANGE_MIND)) | (user.critique >= 0)
        self.leak.change(rows[user.act == CHANGE_MIND])

    def _learn(self, rows: IntArray, user: UserActs, heard: Heard) -> tuple[DoubleArray, BoolArray]:
        """Return the bits of answers, and which are false; keep what was told, and draw new goals."""
        state = self.state
        bits, false = np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
        said = np.flatnonzero(user.act == ANSWER)
        if said.size:
            value, at = user.value[said], rows[said]
            before = state.candidates[at].sum(axis=1)
            state.candidates[at] &= self.attributes.members.T[value]
            after = state.candidates[at].sum(axis=1)
            # What contradicts all that was said before leaves nothing, and tells nothing that could be counted.
            bits[said] = np.where(after > 0, np.log2(np.maximum(before, 1)) - np.log2(np.maximum(after, 1)), 0.0)
            false[said] = heard.truth[said, value] == 0
            state.told[at, self.attributes.attribute[value]] = True
        changed = rows[user.act == CHANGE_MIND]
        if changed.size:
            state.changes[changed] += 1
            state.told[changed], state.candidates[changed] = False, self.catalog.on_sale
            users = state.user_index[changed]
            who = (state.seed[changed], self._user_id[users], state.visit[changed], state.changes[changed])
            state.goal[changed] = self.goals.draw(self._tastes.pool[users], *who)
        return bits, false

    def _end(self, prepared: Prepared, user: UserActs, turn: IntArray) -> BoolArray:
        stop = np.full(len(turn), NEVER)
        stop[turn >= self.settings.max_turns] = _MAX_TURNS
        stop[prepared.acts.act == END] = _ENDED
        stop[user.act == LEAVE] = _LEFT
        stop[user.act == ACCEPT] = _ACCEPTED
        self.state.stop[prepared.rows] = stop
        ended: BoolArray = stop != NEVER
        return ended

    def _turn_to(self, rows: IntArray, heard: Heard, user: UserActs) -> None:
        """Note who turned from looking around to the policy: by speaking, or unnoticed after an interruption."""
        spoke = np.isin(user.act, (ANSWER, ACCEPT, CHANGE_MIND))
        die = keyed_dice("turns to", self.state.seed[rows], self._user_id[heard.user_index], heard.visit, heard.turn)
        disturbed = (heard.act != SILENT) & (die >= _STAYS_ALONE)
        self.state.alone[rows] = heard.alone & ~spoke & ~disturbed
