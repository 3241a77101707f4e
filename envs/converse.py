"""``RecSimLLM/Converse-v0``: users who talk, as a Gymnasium environment, one dialogue at a time."""

from __future__ import annotations

import string
from collections.abc import Mapping
from copy import copy
from inspect import signature
from os import PathLike
from typing import Any

import numpy as np
from gymnasium import spaces

from recsim_llm.conversation.acts import ACCEPT, CHANGE_MIND, LESS, POLICY_ACTS, STOPS, USER_ACTS, PolicyActs
from recsim_llm.conversation.attributes import find_attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.dialogue_loop import Conversations
from recsim_llm.conversation.dialogue_turns import Prepared, Turn
from recsim_llm.conversation.dialogue_words import user_words
from recsim_llm.conversation.goals import read_tastes
from recsim_llm.conversation.taste_users import TasteUsers
from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import seed_words
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.repetition import KnownItems
from recsim_llm.envs.actions import as_array
from recsim_llm.envs.arguments import refuse_unknown
from recsim_llm.envs.environment_worlds import WorldArguments, open_world
from recsim_llm.envs.one_user import OneUserEnv
from recsim_llm.errors import ConfigError, ContractError, SlateError
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World
from recsim_llm.recommenders.base import LONGEST_WORDS

__all__ = ["ConverseEnv"]

Observation = dict[str, Any]
Info = dict[str, Any]


class ConverseEnv(OneUserEnv[Observation, Observation]):
    """One user at a time talks with a recommender.

    **Action.** A ``Dict``; what does not belong to the act means nothing:

    | key | space | meaning |
    | --- | --- | --- |
    | ``act`` | ``Discrete(6)`` | 0 silent, 1 say, 2 ask, 3 recommend, 4 explain, 5 end |
    | ``attribute`` | ``Discrete(a + 1)`` | what is asked about; ``a`` asks openly |
    | ``items`` | ``MultiDiscrete([n + 1] * slate_size)`` | catalog positions recommended or explained; ``n`` for none |
    | ``text`` | ``Text(500)`` | own words, empty for those that are made from the act |

    **Observation.** A ``Dict`` of the user's last act, and of all that it said since it last changed its mind:

    | key | space | meaning |
    | --- | --- | --- |
    | ``turn`` | ``Box(0, 1, [1])`` float32 | share of the turns used |
    | ``act`` | ``Discrete(7)`` | 0 nothing, 1 answer, 2 critique, 3 accept, 4 refuse, 5 change of mind, 6 leave |
    | ``value`` | ``Discrete(v + 1)`` | value of an answer or a critique; ``v`` for none |
    | ``critique`` | ``Discrete(4)`` | 0 less, 1 more, 2 not this, 3 none |
    | ``item`` | ``Discrete(n + 1)`` | item accepted or criticised; ``n`` for none |
    | ``wanted`` | ``MultiBinary(v)`` | values that were answered, or of which the user wants more |
    | ``unwanted`` | ``MultiBinary(v)`` | values of which it wants less |
    | ``text`` | ``Text(500)`` | its last words |

    **Reward.** 1 when the user accepts what it looks for, or anything where it has no goal; less ``interruption`` for each
    act that comes when it would rather look around by itself.

    **End.** ``terminated`` when the user accepts or leaves, or the policy ends the dialogue; ``truncated`` after
    ``max_turns`` turns.

    **Info.** ``user_id``, ``turn``, ``invalid_items`` of the action, ``welcome`` (1, 0, or -1 after silence).

    **Hidden state.** Who the user is, what it feels for every item, what it looks for, its patience and how much of it is left,
    whether it would rather be left alone, and the dice. ``turn`` (attribute) shows it to evaluators.

    **Start.** Episode ``e`` after a seed brings a user drawn uniformly from the population by (seed, e), or the one asked for.
    After ``reset(seed=s, options={"user_id": u})`` with a scenario's seed ``s`` the same acts get the same answers as in its
    run.

    **Versions.** ``v0``: not released yet, so that equal seeds and actions may still give other results from one commit to
    another. From the first release on the number rises whenever they could.

    Examples:
        >>> import gymnasium
        >>> env = gymnasium.make("RecSimLLM/Converse-v0", slate_size=3)
        >>> observation, info = env.reset(seed=7)
        >>> ask = {"act": 2, "attribute": 0, "items": np.array([0, 1, 2]), "text": ""}
        >>> observation, reward, terminated, truncated, info = env.step(ask)

    Args:
        catalog: as of ``BrowseEnv``.
        population: as of ``BrowseEnv``.
        users: name of a user model whose users can tell what they like (default ``"choice"``), or such a ``UserModel``.
        scenario: name, path or ``Scenario``; what it says of its world, ``conversation`` and ``slate_size`` then holds where no
            argument says otherwise.
        conversation: settings of ``ConversationSettings`` by name, or such settings.
        slate_size: most items of an act (default 3).
        interruption: what an unwanted act costs, 0 or more.
        repeats: ``"forbid"`` (the default) or ``"allow"``; what breaks the rule on repetition is blanked and counted.
        render_mode: ``"ansi"`` or None.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        catalog: str | PathLike[str] | Catalog | None = None,
        population: int | str | PathLike[str] | Population | None = None,
        users: str | UserModel | None = None,
        *,
        scenario: object = None,
        conversation: Mapping[str, Any] | ConversationSettings | None = None,
        slate_size: int | None = None,
        interruption: float = 0.1,
        repeats: str | None = None,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, signature(ConverseEnv).parameters)
        if render_mode not in (None, "ansi"):
            raise ConfigError(f"render_mode: got {render_mode!r}, expected 'ansi' or None")
        if not 0 <= interruption < float("inf"):
            raise ConfigError(f"interruption: got {interruption}, expected a number of 0 or more")
        self.render_mode, self._cost = render_mode, float(interruption)
        given = WorldArguments(catalog=catalog, population=population, users=users, rated=None, model=None, scenario=scenario)
        opened = open_world(given, None)
        self._close = opened.close
        told = (opened.description.get("environment_scenario") or {}).get("conversation") or {}
        self.settings = _settings(conversation, told)
        slots = _slots(slate_size, int(opened.settings.get("slate_size", 3)), len(opened.world.catalog))
        rule = repeats or opened.settings.get("repeats", "forbid")
        if rule not in ("forbid", "allow"):
            raise ConfigError(f"repeats: got {rule!r}, expected 'forbid' or 'allow'")
        world = opened.world._replace(users=copy(opened.world.users))
        count, attributes = len(world.population), find_attributes(world.catalog)
        forbid = rule == "forbid"
        self.conversations = Conversations(
            world=world,
            tastes=read_tastes(world.users, np.arange(count), world, self.settings.pool),
            attributes=attributes,
            users=TasteUsers(attributes, self.settings),
            settings=self.settings,
            rows=1,
            slots=slots,
            known=KnownItems(world.catalog, rows=1, slate_size=slots, rated=world.rated) if forbid else None,
            profile=make_profile(world.population.demographics, count),
        )
        self.world = world
        self.turn: Turn | None = None
        """What was drawn last, with its probability; for evaluation, not for policies."""
        self._spaces(len(world.catalog), slots)
        self._rows, self._episode, self._seed, self._over = np.zeros(1, np.int64), 0, -1, True

    def _spaces(self, items: int, slots: int) -> None:
        attributes = self.conversations.attributes
        values = len(attributes.value_names)
        letters = set(string.printable) | {letter for title in self.world.catalog.title for letter in str(title)}
        letters |= {letter for name in attributes.value_names for letter in name} | set("…‹›")
        text = spaces.Text(LONGEST_WORDS, min_length=0, charset=frozenset(letters))
        self.action_space = spaces.Dict(
            {
                "act": spaces.Discrete(len(POLICY_ACTS)),
                "attribute": spaces.Discrete(len(attributes.names) + 1),
                "items": spaces.MultiDiscrete([items + 1] * slots),
                "text": text,
            }
        )
        self.observation_space = spaces.Dict(
            {
                "turn": spaces.Box(0.0, 1.0, (1,), np.float32),
                "act": spaces.Discrete(len(USER_ACTS)),
                "value": spaces.Discrete(values + 1),
                "critique": spaces.Discrete(4),
                "item": spaces.Discrete(items + 1),
                "wanted": spaces.MultiBinary(values),
                "unwanted": spaces.MultiBinary(values),
                "text": text,
            }
        )

    def _played_world(self) -> World:
        return self.world

    def _begin(self, seed: int | None, wanted: IntArray | None) -> tuple[Observation, Info]:
        if seed is not None:
            self._seed, self._episode = seed, 0
        word = seed_words([self._seed])
        if self._episode:
            word = keyed.absorb(word, self._episode)
        if wanted is None:
            die = keyed.uniform(keyed.words(self._seed, "user", self._episode))
            wanted = (die * len(self.world.population)).astype(np.int64)
        self._episode += 1
        self.conversations.begin(self._rows, wanted, np.zeros(1, np.int64), word)
        values = len(self.conversations.attributes.value_names)
        self._wanted, self._unwanted = np.zeros((2, values), np.int8)
        self._over = False
        return self._observe(self._answer(self.conversations.open(self._rows))), self._info(0, -1)

    def step(self, action: Observation) -> tuple[Observation, float, bool, bool, Info]:
        """Take a turn.

        Raises:
            ContractError: the dialogue is over.
            SlateError: the action does not lie in the action space.
        """
        if self._over:
            raise ContractError("step: got an action where no dialogue goes on, expected reset() first")
        prepared = self.conversations.hear(self._rows, self._acts(action))
        turn = self._answer(prepared)
        goal = self.conversations.goals
        found = turn.user.act[0] == ACCEPT and (not goal.certain or self._took_wanted(turn))
        welcome = int(prepared.welcome[0])
        reward = float(found) - self._cost * float(welcome == 0)
        stop = int(self.conversations.state.stop[0])
        truncated = stop == STOPS.index("max_turns")
        terminated = stop >= 0 and not truncated
        self._over = terminated or truncated
        return self._observe(turn), reward, terminated, truncated, self._info(int(prepared.invalid[0]), welcome)

    def render(self) -> str:
        """Return what was said last."""
        if self.render_mode is None:
            raise ConfigError("render: got render_mode None, expected 'ansi' in gymnasium.make")
        return "" if self.turn is None else self._said(self.turn)

    def close(self) -> None:
        """Close the world."""
        if self._close is not None:
            self._close()

    def _answer(self, prepared: Prepared) -> Turn:
        self.turn = self.conversations.settle(prepared, self.conversations.users.decide(prepared.heard))
        return self.turn

    def _took_wanted(self, turn: Turn) -> bool:
        heard = turn.prepared.heard
        taken = heard.item_index[0] == self.catalog.index_of(turn.user.item_id)[0]
        return bool((taken & heard.wanted[0]).any())

    def _acts(self, action: Observation) -> PolicyActs:
        keys = tuple(self.action_space.keys())  # type: ignore[attr-defined]
        if not isinstance(action, Mapping) or set(action) != set(keys):
            got = f"the keys {sorted(map(str, action))}" if isinstance(action, Mapping) else type(action).__name__
            raise SlateError(f"action: got {got}, expected a dictionary of {', '.join(keys)}")
        items, attributes = len(self.catalog), len(self.conversations.attributes.names)
        act = _within(action["act"], "act", len(POLICY_ACTS), ())
        attribute = _within(action["attribute"], "attribute", attributes + 1, ())
        index = _within(action["items"], "items", items + 1, (self.conversations.slots,))
        if not isinstance(action["text"], str):
            raise SlateError(f"action, text: got {type(action['text']).__name__}, expected text, empty for none")
        if not self.action_space["text"].contains(action["text"]):  # type: ignore[index]
            raise SlateError(
                f"action, text: got {len(action['text']):,} characters, some of which do not lie in the action space, expected "
                f"{self.action_space['text']}"  # type: ignore[index]
            )
        ids = np.where(index < items, self.catalog.item_id[index % items], -1)
        text = np.array([action["text"]], object)
        return PolicyActs(act[None], np.where(attribute < attributes, attribute, -1)[None], ids[None], text)

    def _observe(self, turn: Turn) -> Observation:
        user = turn.user
        act, value, critique = int(user.act[0]), int(user.value[0]), int(user.critique[0])
        if act == CHANGE_MIND:
            self._wanted[:], self._unwanted[:] = 0, 0
        elif value >= 0:
            (self._unwanted if critique == LESS else self._wanted)[value] = 1
        item = self.catalog.index_of(user.item_id)[0] if user.item_id[0] >= 0 else len(self.catalog)
        return {
            "turn": np.array([min(int(turn.turn[0]) / self.settings.max_turns, 1.0)], np.float32),
            "act": np.int64(act),
            "value": np.int64(value if value >= 0 else len(self._wanted)),
            "critique": np.int64(critique if critique >= 0 else 3),
            "item": np.int64(item),
            "wanted": self._wanted.copy(),
            "unwanted": self._unwanted.copy(),
            "text": self._said(turn),
        }

    def _said(self, turn: Turn) -> str:
        return str(user_words(turn.user, self.catalog, self.conversations.attributes)[0])

    def _info(self, invalid: int, welcome: int) -> Info:
        state = self.conversations.state
        return {
            "user_id": int(self.world.population.user_id[state.user_index[0]]),
            "turn": int(state.turn[0]) - 1,
            "invalid_items": invalid,
            "welcome": welcome,
        }


def _settings(given: Mapping[str, Any] | ConversationSettings | None, told: Mapping[str, Any]) -> ConversationSettings:
    if isinstance(given, ConversationSettings):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"conversation: got {given!r}, expected settings by name, such as {{'mode': 'chat'}}")
    return ConversationSettings.read({**told, **(given or {})}, "conversation")


def _within(value: object, key: str, below: int, shape: tuple[int, ...]) -> IntArray:
    """Return int64 of a shape, from 0 to below a number."""
    array = as_array(value)  # type: ignore[arg-type]
    if array.dtype.kind not in "iu" or array.shape != shape or not ((array >= 0) & (array < below)).all():
        count = f"{shape[0]} whole numbers" if shape else "a whole number"
        raise SlateError(f"action, {key}: got {value!r}, expected {count} from 0 to {below - 1}")
    return array.astype(np.int64)


def _slots(given: int | None, told: int, items: int) -> int:
    slots = told if given is None else given
    if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= items:
        raise ConfigError(f"slate_size: got {slots!r}, expected a whole number from 1 to {items}, the items there are")
    return slots
