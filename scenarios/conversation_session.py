"""The dialogues of one arm: a policy talks with every user of a world, and everything is logged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.worlds import ModelsByRole
from recsim_llm.conversation.acts import (
    ACCEPT,
    CRITIQUES,
    POLICY_ACTS,
    SILENT,
    STOPS,
    USER_ACTS,
    Dialogues,
)
from recsim_llm.conversation.attributes import Attributes, find_attributes
from recsim_llm.conversation.conversational import conversational
from recsim_llm.conversation.deciding import DialogueUsers, RemembersTurns
from recsim_llm.conversation.dialogue_loop import Conversations, Prepared, Turn
from recsim_llm.conversation.dialogue_outcomes import BLAMES, Outcomes
from recsim_llm.conversation.dialogue_words import policy_words, user_words
from recsim_llm.conversation.goals import read_tastes
from recsim_llm.conversation.taste_users import TasteUsers
from recsim_llm.core.arrays import FloatArray, IntArray, TextArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import seed_words
from recsim_llm.core.pages import Slates
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.repetition import KnownItems
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.log.schema import Part
from recsim_llm.log.talk_writer import TalkLog
from recsim_llm.population.world import World
from recsim_llm.recommenders import Truth
from recsim_llm.recommenders.base import LONGEST_WORDS
from recsim_llm.registry import blaming, blaming_plug_in
from recsim_llm.scenarios.arm_session import Served
from recsim_llm.scenarios.schema import Scenario

__all__ = ["ConversationSession"]


class ConversationSession:
    """The dialogues that every user of a world has with one policy.

    Args:
        scenario: with its section ``conversation`` and a seed.
        world: items and users.
        recommender: fitted before the first dialogue; one that cannot talk recommends in every turn.
        name: of the arm.
        log: where everything goes.
        models: by role; ``user`` decides for the users and ``writer`` puts into words what they say, where they are named.
    """

    def __init__(
        self, scenario: Scenario, world: World, recommender: Any, *, name: str, log: TalkLog, models: ModelsByRole | None = None
    ) -> None:
        settings, seed = scenario.conversation, scenario.seed
        if settings is None or seed is None:
            raise ConfigError("conversation: got no settings or no seed, expected both; see ArmSession for pages")
        self._scenario, self._world, self._name, self._log = scenario, world, name, log
        self._settings, self._policy = settings, conversational(recommender)
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
            profile=make_profile(world.population.demographics, users),
            name=None if scenario.invalid == "count" else f"recommender {name!r}",
        )
        self._seed = np.repeat(seed_words([seed]), users)
        self._outcomes = Outcomes(users)
        self._order = np.argsort(self._user_id, kind="stable")
        self._spoken = settings.words or self._policy.reads_text
        self._writer = None if models is None or "writer" not in scenario.models else models.role("writer")
        self.pages = 0
        self.clicks = 0

    def _users(self, attributes: Attributes, models: ModelsByRole | None) -> DialogueUsers:
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
        """Return what a policy may learn from before the first dialogue."""
        return known.catalog, known.ratings

    def keep_unfinished(self) -> None:
        """Log what was said so far in dialogues that are broken off."""
        self._log.keep_unfinished()

    def play(self) -> Iterator[Served]:
        """Have every user's dialogue, turn by turn; tell how far it is after each turn."""
        rows = np.arange(len(self._user_id))
        self.conversations.begin(rows, rows, np.zeros(len(rows), np.int64), self._seed)
        with self._policys_code("start"):
            self._policy.start(self.conversations.dialogues(rows).requests)
        self._settle(self.conversations.open(rows), None)
        turn = 0
        while rows.size:
            dialogues = self.conversations.dialogues(rows)
            with self._policys_code("respond"):
                acts = self._policy.respond(dialogues, self._scenario.slate_size)
            ended = self._settle(self.conversations.hear(rows, acts), dialogues)
            self.pages += len(rows)
            rows = rows[~ended]
            turn += 1
            yield Served(0, turn, len(rows), turn / self._settings.max_turns)

    def _settle(self, prepared: Prepared, dialogues: Dialogues | None) -> npt.NDArray[np.bool_]:
        """Let users answer an act; return bool [m], which dialogues are over."""
        turn = self.conversations.settle(prepared, self.conversations.users.decide(prepared.heard))
        self._outcomes.add(turn, self.conversations)
        self.clicks += int(np.count_nonzero(turn.user.act == ACCEPT))
        if dialogues is not None:
            self._observe(dialogues, turn)
        spoken = self._said(turn)
        if spoken is not None:
            self.conversations.tell(prepared.rows, spoken)
        self._record(turn, dialogues, spoken)
        over = prepared.rows[turn.ended]
        if over.size:
            self._over(over)
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

    def _observe(self, dialogues: Dialogues, turn: Turn) -> None:
        shown = turn.prepared.heard.item_index
        on = np.flatnonzero((shown >= 0).all(axis=1))
        if not on.size:
            return
        requests = take_columns(dialogues.requests, on)
        slates = Slates(self._world.catalog.item_id[shown[on]])
        clicked = self._clicked(turn)[on]
        with self._policys_code("observe"):
            self._policy.observe(requests, slates, clicked, np.full(clicked.shape, np.nan, np.float32))

    def _clicked(self, turn: Turn) -> npt.NDArray[np.bool_]:
        shown = turn.prepared.heard.item_index
        ids = np.where(shown < 0, -2, self._world.catalog.item_id[shown])
        clicked: npt.NDArray[np.bool_] = (turn.user.act == ACCEPT)[:, None] & (ids == turn.user.item_id[:, None])
        return clicked

    def _record(self, turn: Turn, dialogues: Dialogues | None, spoken: TextArray | None) -> None:
        if dialogues is not None:
            self._log.acts(self._policy_rows(turn))
            self._log.page(self._page_rows(turn))
        self._log.acts(self._user_rows(turn, spoken))

    def _who(self, turn: Turn, place: int) -> Part:
        rows = turn.prepared.rows
        order = np.stack([turn.turn, rows * 2 + place], axis=1)
        return {"user_id": self._user_id[rows], "visit": turn.prepared.heard.visit, "turn": turn.turn, "order": order}

    def _policy_rows(self, turn: Turn) -> Part:
        prepared, attributes, none = turn.prepared, self.conversations.attributes, np.full(len(turn.turn), -1)
        text = policy_words(prepared.acts, self._world.catalog, attributes) if self._spoken else None
        return self._who(turn, 0) | {
            "who": _constant("policy", len(turn.turn)),
            "act": np.array(POLICY_ACTS, object)[prepared.acts.act],
            "attribute": _named(attributes.names, prepared.acts.attribute),
            "value": _constant(None, len(turn.turn)),
            "critique": _constant(None, len(turn.turn)),
            "item_ids": prepared.acts.item_id,
            "probability": np.full(len(turn.turn), np.nan),
            "welcome": np.where(prepared.acts.act == SILENT, -1, prepared.welcome),
            "obeyed": prepared.obeyed,
            "bits": np.full(len(turn.turn), np.nan),
            "false": none,
            "text": _constant(None, len(turn.turn)) if text is None else text,
        }

    def _user_rows(self, turn: Turn, spoken: TextArray | None) -> Part:
        user, attributes, none = turn.user, self.conversations.attributes, np.full(len(turn.turn), -1)
        attribute = np.where(user.value < 0, -1, attributes.attribute[user.value]) if len(attributes.attribute) else none
        items = np.full(turn.prepared.heard.item_index.shape, -1)
        items[:, 0] = user.item_id
        return self._who(turn, 1) | {
            "who": _constant("user", len(turn.turn)),
            "act": np.array(USER_ACTS, object)[user.act],
            "attribute": _named(attributes.names, attribute),
            "value": _named(attributes.value_names, user.value),
            "critique": _named(CRITIQUES, user.critique),
            "item_ids": items,
            "probability": turn.probability,
            "welcome": none,
            "obeyed": none,
            "bits": turn.bits,
            "false": np.where(np.isnan(turn.bits), -1, turn.false),
            "text": _constant(None, len(turn.turn)) if spoken is None else spoken,
        }

    def _page_rows(self, turn: Turn) -> Part:
        prepared, state, rows = turn.prepared, self.conversations.state, turn.prepared.rows
        stop = np.where(turn.ended, state.stop[rows], -1)
        clicked = self._clicked(turn)
        return {
            "user_id": self._user_id[rows],
            "visit": prepared.heard.visit,
            "page": turn.turn - 1,
            "order": np.stack([turn.turn, rows], axis=1),
            "item_id": prepared.acts.item_id,
            "click_prob": turn.accept,
            "clicked": clicked,
            "slate_propensity": np.full(len(rows), np.nan),
            "clicks": clicked.sum(axis=1),
            "invalid_slots": prepared.invalid,
            "reward": clicked.sum(axis=1).astype(np.float64),
            "satisfaction": self._satisfaction(rows),
            "leave_prob": turn.leave,
            "left": turn.ended & (stop != STOPS.index("max_turns")),
            "out_of_pages": turn.ended & (stop == STOPS.index("max_turns")),
        }

    def _satisfaction(self, rows: IntArray) -> FloatArray:
        """Return float32 [m]: the share of its patience that each user has left."""
        state = self.conversations.state
        return np.clip(1 - state.spent[rows] / state.patience[rows], 0.0, 1.0).astype(np.float32)

    def _over(self, rows: IntArray) -> None:
        columns = self._outcomes.of(rows, self.conversations)
        stop, blame = columns["stop_reason"], columns["blame"]
        self._log.over(
            columns
            | {
                "order": np.stack([columns["turns"], rows], axis=1),
                "user_id": self._user_id[rows],
                "visit": self.conversations.state.visit[rows],
                "stop_reason": _named(STOPS, stop),
                "blame": _named(BLAMES, blame),
                "clicks": (columns["item_id"] >= 0).astype(np.int64),
                "satisfaction": self._satisfaction(rows),
                "left": stop != STOPS.index("max_turns"),
            }
        )

    def _policys_code(self, what: str) -> AbstractContextManager[None]:
        return blaming(f"recommender {self._name!r}, {what} in a conversation", "it to take its turn; see Conversational")


def _named(names: tuple[str, ...], place: IntArray) -> npt.NDArray[Any]:
    """Return str [m]: names at places, None where there is none."""
    return np.array([*names, None], object)[place]


def _constant(value: Any, count: int) -> npt.NDArray[Any]:
    return np.full(count, value, object)
