"""The dialogues of one arm: a policy talks with every user of a world, and everything is logged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim_llm.conversation.acts import ACCEPT, Dialogues, PolicyActs
from recsim_llm.conversation.attributes import Attributes, find_attributes
from recsim_llm.conversation.conversational import RespondsLater, conversational
from recsim_llm.conversation.deciding import AnswersTurnsLater, DialogueUsers, RemembersTurns
from recsim_llm.conversation.dialogue_loop import Conversations
from recsim_llm.conversation.dialogue_outcomes import Outcomes
from recsim_llm.conversation.dialogue_turns import Prepared, Turn
from recsim_llm.conversation.dialogue_words import policy_words, user_words
from recsim_llm.conversation.goals import read_tastes
from recsim_llm.conversation.open_turns import Choosing, OpenTurns
from recsim_llm.conversation.taste_users import TasteUsers
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, TextArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import seed_words
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.repetition import KnownItems
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.population.world import World
from recsim_llm.recommenders import Truth
from recsim_llm.recommenders.base import LONGEST_WORDS
from recsim_llm.registry import blaming, blaming_plug_in
from recsim_llm.scenarios.arm_protocols import DialogueLog, Others, Served
from recsim_llm.scenarios.attacked_stock import attacked_stock
from recsim_llm.scenarios.dialogue_rows import DialogueRows
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.told_turns import ToldTurn

if TYPE_CHECKING:
    from recsim_llm.language.providers import Roles

__all__ = ["ConversationSession", "runs_free"]


class ConversationSession:
    """The dialogues that every user of a world has with one policy.

    Args:
        scenario: with its section ``conversation`` and a seed.
        world: items and users.
        recommender: fitted before the first dialogue; one that cannot talk recommends in every turn.
        name: of the arm.
        log: where everything goes.
        models: by role; ``user`` decides for the users and ``writer`` puts into words what they say, where they are named.
        others: where not everyone talks here; what is logged is then of those who do.
    """

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        recommender: Any,
        *,
        name: str,
        log: DialogueLog,
        models: Roles | None = None,
        others: Others[ToldTurn] | None = None,
    ) -> None:
        settings, seed = scenario.conversation, scenario.seed
        if settings is None or seed is None:
            raise ConfigError("conversation: got no settings or no seed, expected both; see ArmSession for pages")
        self._scenario, self._world, self._name, self._log = scenario, world, name, log
        self._settings, self._policy, self._others = settings, conversational(recommender), others
        self._user_id = world.population.user_id
        users, slots = len(self._user_id), scenario.slate_size
        everyone = np.arange(users)
        with blaming_plug_in("users", scenario.users.model, did="appeal", expected="what check_user_model checks"):
            tastes = read_tastes(world.users, everyone, world, settings.pool)
        attributes = find_attributes(world.catalog)
        forbid = scenario.repeats == "forbid"
        self.conversations = Conversations(
            world=world,
            tastes=tastes,
            attributes=attributes,
            users=self._users(attributes, models),
            settings=settings,
            rows=users,
            slots=slots,
            known=KnownItems(world.catalog, rows=users, slate_size=slots, rated=world.rated) if forbid else None,
            profile=make_profile(world.population.demographics, users) if others is None else others.profile,
            name=None if scenario.invalid == "count" else f"recommender {name!r}",
        )
        self._seed = np.repeat(seed_words([seed]), users)
        self._models = models
        self._outcomes, self._rows = Outcomes(users), DialogueRows(self.conversations, self._user_id)
        self._order = np.argsort(self._user_id, kind="stable")
        self._spoken = settings.words or self._policy.reads_text
        self._writer = None if models is None or "writer" not in scenario.models else models.role("writer")
        self.pages = 0
        self.clicks = 0

    def _users(self, attributes: Attributes, models: Roles | None) -> DialogueUsers:
        settings = self._settings
        if models is None or "user" not in self._scenario.models:
            return TasteUsers(attributes, settings)
        # Only here, since language models load much.
        from recsim_llm.conversation.language_dialogue_users import LanguageDialogueUsers

        seed = int(self._scenario.seed or 0)
        return LanguageDialogueUsers(self._world, attributes, settings, model=models.role("user"), seed=seed)

    def truth(self) -> Truth:
        """Return the hidden side of the world as far as tastes go; goals are hidden from everybody."""
        return Truth(self.appeal, None, self._user_id)

    def appeal(self, user_id: IntArray) -> FloatArray:
        """Return float32 [m, n]: what these users feel for every item; for the oracle."""
        rows = self._order[np.searchsorted(self._user_id, user_id, sorter=self._order)]
        appeal: FloatArray = self._world.users.appeal(rows)  # type: ignore[attr-defined] # read_tastes has seen that it can
        return appeal

    def stock(self, known: Dataset) -> tuple[Catalog, Ratings]:
        """Return what a policy may learn from before the first dialogue, fake users included where its arm has some."""
        return attacked_stock(self._scenario, self._name, known.catalog, known.ratings)

    def keep_unfinished(self) -> None:
        """Log what was said so far in dialogues that are broken off."""
        self._log.keep_unfinished()

    def play(self) -> Iterator[Served]:
        """Have every user's dialogue, turn by turn; tell how far it is after each turn."""
        rows = np.arange(len(self._user_id))
        self.conversations.begin(rows, rows, np.zeros(len(rows), np.int64), self._seed)
        begun = self._gather(ToldTurn(self.conversations.dialogues(rows).requests, None, None))
        assert begun is not None
        with self._policys_code("start"):
            self._policy.start(begun.requests)
        opening, users = self.conversations.open(rows), self.conversations.users
        if runs_free(self._scenario) and isinstance(users, AnswersTurnsLater):
            yield from self._freely(opening, users)
            return
        self._settle(opening, None, acted=False)
        turn = 0
        while True:
            if rows.size:
                prepared, dialogues = self._act(rows)
                rows = rows[~self._settle(prepared, dialogues)]
            elif not self._observe(None):
                return
            turn += 1
            yield Served(0, turn, len(rows), turn / self._settings.max_turns)

    def _freely(self, opening: Prepared, users: AnswersTurnsLater) -> Iterator[Served]:
        """Each dialogue goes on as soon as it is answered; nothing depends on who was answered first, nor learns from it.

        Where more wait than models answer at a time, those go first that are likely to go on for longest.
        """
        open_turns, ahead = OpenTurns(), self.conversations.turns_ahead(opening.rows)

        def put(acts: Prepared) -> None:
            self._expect(acts.rows, ahead[acts.rows, self.conversations.state.turn[acts.rows]])
            open_turns.add(acts, users.start(acts.heard))

        put(opening)
        most = len(opening.rows) * self._settings.max_turns
        while open_turns:
            openings: list[Prepared] = []
            answered: list[Prepared] = []
            going_on = [np.zeros(0, np.int64)]
            for turn, at in open_turns.collect():
                if isinstance(turn, Choosing):
                    with self._policys_code("respond"):
                        acts = turn.begun.acts(at)
                    put(self._hear(turn.rows[at], acts))
                else:
                    (openings if turn is opening else answered).append(turn.take(at))
            for parts in (openings, answered):
                for part in Prepared.join(parts):
                    self._expect(part.rows, math.inf)  # What is asked now, everybody waits for.
                    going_on.append(part.rows[~self._settle(part, None, acted=parts is answered)])
            rows = np.sort(np.concatenate(going_on))
            if rows.size and isinstance(self._policy, RespondsLater):
                self._expect(rows, ahead[rows, self.conversations.state.turn[rows]])
                with self._policys_code("respond"):
                    begun = self._policy.begin_turns(self.conversations.dialogues(rows), self._scenario.slate_size)
                open_turns.add(Choosing(rows, begun), begun.replies)
            elif rows.size:
                put(self._act(rows)[0])
            yield Served(0, self.pages // len(opening.rows), len(open_turns), self.pages / most)

    def _expect(self, rows: IntArray, turns: DoubleArray | float) -> None:
        """Let models answer first whose dialogues in rows int64 [m] have more turns ahead, float64 [m] or the same for all."""
        if self._models is not None:
            ahead = np.broadcast_to(turns, rows.shape)
            self._models.expect(dict(zip(map(str, self._user_id[rows].tolist()), ahead.tolist(), strict=True)))

    def _act(self, rows: IntArray) -> tuple[Prepared, Dialogues]:
        """Let the policy take its turn in rows int64 [m]."""
        dialogues = self.conversations.dialogues(rows)
        with self._policys_code("respond"):
            acts = self._policy.respond(dialogues, self._scenario.slate_size)
        return self._hear(rows, acts), dialogues

    def _hear(self, rows: IntArray, acts: PolicyActs) -> Prepared:
        self.pages += len(rows)
        return self.conversations.hear(rows, acts)

    def _settle(self, prepared: Prepared, dialogues: Dialogues | None, *, acted: bool = True) -> BoolArray:
        """Let users answer an act; return bool [m], which dialogues are over.

        Args:
            prepared: the act.
            dialogues: what the policy was told, so that it can learn from the answer; None where it does not.
            acted: whether the policy had a turn, in which case it is logged; False for openings.
        """
        turn = self.conversations.settle(prepared, self.conversations.users.decide(prepared.heard))
        self._outcomes.add(turn, self.conversations)
        self.clicks += int(np.count_nonzero(turn.user.act == ACCEPT))
        if dialogues is not None:
            self._observe(self._told(dialogues, turn))
        spoken = self._said(turn)
        if spoken is not None:
            self.conversations.tell(prepared.rows, spoken)
        self._record(turn, spoken, acted=acted)
        over = prepared.rows[turn.ended]
        if over.size:
            self._log.over(self._rows.of_dialogues(over, self._outcomes.of(over, self.conversations)))
        return turn.ended

    def _said(self, turn: Turn) -> TextArray | None:
        """Return str [m]: what users say, in the writer's words where there is one; None where nobody reads it."""
        users, remembers = self.conversations.users, isinstance(self.conversations.users, RemembersTurns)
        if not self._spoken and not remembers:
            return None
        catalog, attributes, prepared = self._world.catalog, self.conversations.attributes, turn.prepared
        words = user_words(turn.user, catalog, attributes)
        if self._writer is not None and self._spoken:
            words = self._voiced(turn, words)
        if isinstance(users, RemembersTurns):
            users.remember(prepared.heard.user_index, policy_words(prepared.acts, catalog, attributes), words)
        return words if self._spoken else None

    def _voiced(self, turn: Turn, words: TextArray) -> TextArray:
        # Only here, since language models load much.
        from recsim_llm.conversation.language_dialogue_users import voiced

        assert self._writer is not None
        rows, heard = turn.prepared.rows, turn.prepared.heard
        who = zip(self._user_id[rows].tolist(), heard.visit.tolist(), heard.turn.tolist(), strict=True)
        named = [f"{user} {visit} {number}" for user, visit, number in who]
        written = voiced(self._writer, words.tolist(), seed=int(self._scenario.seed or 0), who=named)
        return np.array([safe_text(text, LONGEST_WORDS) if text else "" for text in written], object)

    def _told(self, dialogues: Dialogues, turn: Turn) -> ToldTurn:
        """Return what a policy may learn from a turn."""
        shown = turn.prepared.heard.item_index
        on = np.flatnonzero((shown >= 0).all(axis=1))
        requests: Requests = take_columns(dialogues.requests, on)
        return ToldTurn(requests, Slates(self._world.catalog.item_id[shown[on]]), self._rows.clicked(turn)[on])

    def _gather(self, told: ToldTurn | None) -> ToldTurn | None:
        """Return what everyone was told of whom something is told here; None where nobody talks any more."""
        return told if self._others is None else self._others.gather(told)

    def _observe(self, told: ToldTurn | None) -> bool:
        """Let the policy learn from a turn here and elsewhere; return whether anybody had one."""
        everyone = self._gather(told)
        if everyone is None:
            return False
        requests, shown, clicked = everyone
        if shown is not None and clicked is not None and len(clicked):
            with self._policys_code("observe"):
                self._policy.observe(requests, shown, clicked, np.full(clicked.shape, np.nan, np.float32))
        return True

    def _record(self, turn: Turn, spoken: TextArray | None, *, acted: bool) -> None:
        if acted:
            self._log.acts(self._rows.of_policy(turn, spoken=self._spoken))
            self._log.page(self._rows.of_page(turn))
        self._log.acts(self._rows.of_user(turn, spoken))

    def _policys_code(self, what: str) -> AbstractContextManager[None]:
        return blaming(f"recommender {self._name!r}, {what} in a conversation", "it to take its turn; see Conversational")


def runs_free(scenario: Scenario) -> bool:
    """Tell whether each dialogue goes on as soon as it is answered, so that no policy learns from any."""
    return scenario.barrier == "visit" and "user" in scenario.models
