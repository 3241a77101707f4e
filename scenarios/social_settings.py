"""Who knows whom, and what friends' likes do: the section ``social`` of a scenario."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from recsim_llm.agents.influenced_users import influence_on
from recsim_llm.core.protocols import HearsFriends, ReadsMessages
from recsim_llm.data.friend_pairs import read_friend_pairs
from recsim_llm.dynamics.chats import Chats
from recsim_llm.dynamics.influence import LIMIT, Influence
from recsim_llm.dynamics.word_of_mouth import WordOfMouth
from recsim_llm.errors import ConfigError
from recsim_llm.log.tables import FRIENDS, write_table
from recsim_llm.population.friendship_draws import MOST_FRIENDS, draw_friendships
from recsim_llm.population.friendships import Friendships, from_user_ids
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

__all__ = [
    "ChatSettings",
    "FriendSettings",
    "SocialSettings",
    "befriend",
    "friends_left_out",
    "known_friends",
    "make_friendships",
    "make_word_of_mouth",
    "social_record",
    "write_friends",
]

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class FriendSettings(BaseModel):
    """Who knows whom: from a file, or drawn."""

    model_config = _STRICT

    file: str | None = Field(default=None, min_length=1)
    """Table with the columns ``user_id`` and ``friend_id``, a friendship a row; see ``read_friend_pairs``. None draws."""
    degree: float = Field(default=10.0, gt=0, le=MOST_FRIENDS)
    """Mean number of friends."""
    homophily: float = Field(default=0.5, ge=0, le=1)
    """Share of friendships made for taste; 0 mixes at random."""
    clustering: float = Field(default=0.0, ge=0, lt=1)
    """Share of friendships between friends of friends."""

    @model_validator(mode="after")
    def _file_or_draw(self) -> FriendSettings:
        # By values, since settings that were written out name all of them.
        drawn = [
            name for name, field in type(self).model_fields.items() if name != "file" and getattr(self, name) != field.default
        ]
        if self.file is not None and drawn:
            raise ValueError(f"got a file and {', '.join(drawn)}, expected one of both; leave the other out")
        return self


class ChatSettings(BaseModel):
    """Two friends talk about an item that one of them consumed."""

    model_config = _STRICT

    share: float = Field(default=0.05, gt=0, le=1)
    """Of the friendships of which one or both consumed something in a step of the clock, the share that chat about it."""
    strength: float = Field(default=1.0, ge=0.02, le=LIMIT)
    """Log-odds of a click that a friend who gives the item five stars adds, and one who gives it one star takes."""


class SocialSettings(BaseModel):
    """What friends' likes do. An unknown key is an error."""

    model_config = _STRICT

    friends: FriendSettings = FriendSettings()
    """Who knows whom; may be written as the name of a file alone."""
    strength: float = Field(default=0.5, ge=0.02, le=LIMIT)
    """Log-odds of a click that one friend who liked the item adds."""
    memory: float = Field(default=0.8, ge=0, lt=1)
    """Share of what was heard that is left after a day."""
    limit: float = Field(default=2.0, ge=0.02, le=LIMIT)
    """Most that all friends together add to the log-odds of a click."""
    chats: ChatSettings | None = Field(default=None, exclude_if=lambda value: value is None)
    """Two friends talk about what one of them consumed; ``memory`` and ``limit`` hold for what is said. None: nobody chats."""

    @field_validator("friends", mode="before")
    @classmethod
    def _a_name_is_a_file(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value


def make_friendships(settings: FriendSettings, population: Population, seed: int) -> Friendships:
    """Read or draw who knows whom among the users of a run.

    Args:
        settings: how.
        population: the users.
        seed: of the draw.

    Raises:
        ConfigError: friendships cannot be drawn so.
        DataError: the file cannot be read, or names no two of the users.
    """
    if settings.file is None:
        shape = {"degree": settings.degree, "homophily": settings.homophily, "clustering": settings.clustering}
        return draw_friendships(population, **shape, seed=seed)
    pairs = read_friend_pairs(settings.file, texts=population.user_key is not None)
    graph = from_user_ids(population, pairs.one, pairs.other, source=str(settings.file))
    unknown = graph.left_out.unknown + pairs.malformed
    return replace(graph, left_out=replace(graph.left_out, unknown=unknown))


def make_word_of_mouth(settings: SocialSettings, population: Population, *, items: int, seed: int) -> WordOfMouth:
    """Return users who tell their friends what they liked, and have told nothing yet.

    Args:
        settings: who knows whom, and what it does.
        population: the users.
        items: of the catalog.
        seed: of the friendships, where they are drawn, and of who told first.

    Raises:
        ConfigError: friendships cannot be drawn so.
        DataError: the file cannot be read, or names no two of the users.
    """
    return WordOfMouth(
        make_friendships(settings.friends, population, seed),
        user_id=population.user_id,
        items=items,
        strength=settings.strength,
        memory=settings.memory,
        limit=settings.limit,
        seed=seed,
    )


def befriend(influence: Influence, settings: SocialSettings, world: World, seed: int, *, sends: bool = False) -> None:
    """Let the users of a world hear of what their friends like, before anything moves them.

    Args:
        influence: of the world; what friends tell is added to it, unless the users take it in themselves.
        settings: who knows whom, and what it does.
        world: items and users, not yet moved from outside.
        seed: of the friendships, where they are drawn, of who told first, and of who chats.
        sends: whether users may send items to friends.

    Raises:
        ConfigError: friendships cannot be drawn so, or users who hear in words read no messages and are to chat.
        DataError: the file cannot be read, or names no two of the users.
    """
    heard = influence.heard = make_word_of_mouth(settings, world.population, items=len(world.catalog), seed=seed)
    if settings.chats is not None:
        influence.chats = _make_chats(settings, heard, world, seed)
    if isinstance(world.users, HearsFriends):
        influence.in_words = True
        world.users.meet_friends()
        if settings.chats is not None and not isinstance(world.users, ReadsMessages):
            raise ConfigError(
                f"social.chats: got users {type(world.users).__name__}, who hear friends in words and read no messages, "
                "expected some with expect_messages(), receive() and chat(); leave chats out"
            )
        if isinstance(world.users, ReadsMessages) and (sends or settings.chats is not None):
            world.users.expect_messages()


def _make_chats(settings: SocialSettings, heard: WordOfMouth, world: World, seed: int) -> Chats:
    assert settings.chats is not None
    return Chats(
        heard.friendships,
        user_id=world.population.user_id,
        items=len(world.catalog),
        share=settings.chats.share,
        strength=settings.chats.strength,
        memory=settings.memory,
        limit=settings.limit,
        seed=seed,
    )


def _friendships(world: World) -> Friendships | None:
    influence = influence_on(world.users)
    heard = None if influence is None else influence.heard
    return heard.friendships if isinstance(heard, WordOfMouth) else None


def write_friends(run: Path, world: World) -> None:
    """Write the table ``friends`` into a run folder; nothing where nobody knows anybody."""
    graph = _friendships(world)
    if graph is not None:
        one, other = (world.population.user_id[side] for side in graph.pairs)
        write_table(run, "friends", pa.table([one, other], schema=FRIENDS))


def known_friends(world: World) -> dict[int, tuple[int, ...]] | None:
    """Return outside ids of each user's friends, by outside id; None where nobody knows anybody."""
    graph = _friendships(world)
    if graph is None:
        return None
    user_id = world.population.user_id
    of_each = np.split(user_id[graph.friends], graph.starts[1:-1])
    return {user: tuple(sorted(friends.tolist())) for user, friends in zip(user_id.tolist(), of_each, strict=True)}


def friends_left_out(world: World) -> list[str]:
    """Say in a line what a file of friends holds besides these users' friendships; none where there is nothing."""
    graph = _friendships(world)
    told = "" if graph is None else graph.left_out.text()
    return [f"friends: {told}"] if told else []


def social_record(world: World) -> dict[str, Any]:
    """Return what a manifest tells of the friendships of a run, under ``friendships``; empty where nobody knows anybody."""
    graph, population = _friendships(world), world.population
    if graph is None:
        return {}
    measured = {"clustering": graph.clustering(), "taste_assortativity": graph.assortativity(population.taste)}
    return {
        "friendships": {
            "pairs": len(graph.friends) // 2,
            "mean_degree": float(graph.degree.mean()),
            "without_friends": int((graph.degree == 0).sum()),
            **{name: None if math.isnan(value) else round(value, 6) for name, value in measured.items()},
            "left_out": asdict(graph.left_out),
            "fingerprint": graph.fingerprint,
        }
    }
