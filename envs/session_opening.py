"""From an environment's arguments to a session: its world, its pages, its log."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Any

from recsim_llm.core.repetition import KnownItems
from recsim_llm.core.visits import Visits
from recsim_llm.envs.actions import Action, CandidateAction, EmbeddingAction, SlateAction
from recsim_llm.envs.arguments import BrowseSettings
from recsim_llm.envs.environment_worlds import OpenWorld, WorldArguments, open_world
from recsim_llm.envs.log_places import find_refusal
from recsim_llm.envs.observations import Observer
from recsim_llm.envs.rewards import resolve_reward
from recsim_llm.envs.session import Session
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World

__all__ = ["open_session"]


def open_session(world: WorldArguments, pages: Mapping[str, Any], *, rows: int, log: str | PathLike[str] | None) -> Session:
    """Put users in front of an empty screen.

    Args:
        world: what the environment was told about its world.
        pages: what it was told about pages and visits, by names of ``BrowseSettings``; None where it was told nothing: then
            what the scenario says holds.
        rows: users that browse at the same time.
        log: run folder to write every page to; None writes nothing.

    Raises:
        ConfigError: a name is unknown, settings and world do not go together, or the folder cannot be made.
        RunExistsError: the folder holds something.
    """
    told = {name: value for name, value in pages.items() if value is not None}
    BrowseSettings(**told)  # What is wrong in itself is said before anything is built.
    if not isinstance(log, str | PathLike | None):
        raise ConfigError(f"log: got {log!r}, expected the path of a new folder, or None")
    opened = open_world(world, None if log is None else Path(log).absolute())
    try:
        settings = BrowseSettings(**(dict(opened.settings) | told))
        settings.check_fits(opened.world.catalog, rows)
        session = _make_session(opened, settings, rows)
        if log is not None:
            _add_log(session, Path(log), settings, opened.description)
    except BaseException:
        if opened.close is not None:
            opened.close()
        raise
    return session


def _make_session(opened: OpenWorld, settings: BrowseSettings, rows: int) -> Session:
    # Two environments may be given the same users: what these remember about a batch must not be shared.
    world = opened.world._replace(users=copy(opened.world.users))
    visits = Visits(
        users=world.users,
        user_id=world.population.user_id,
        catalog=world.catalog,
        reward=resolve_reward(settings.reward, rates=opened.world.population.rates, users=world.users),
        rows=rows,
        slate_size=settings.slate_size,
        max_pages=settings.max_pages,
        repeats=settings.repeats,
        rated=world.rated,
    )
    observer = Observer(
        parts=settings.parts,
        catalog=world.catalog,
        population=world.population,
        rows=rows,
        slate_size=settings.slate_size,
        max_pages=settings.max_pages,
        history_pages=settings.history_pages,
        candidates=settings.offered,
        ratings=None if world.rated is None else world.rated.ratings,
        known=visits.known,
    )
    session = Session(world, visits, _action(world, settings, visits.known, rows=rows), observer=observer, settings=settings)
    session.close_world, session.model, session.recommender_seed = opened.close, opened.model, opened.recommender_seed
    return session


def _action(world: World, settings: BrowseSettings, known: KnownItems | None, *, rows: int) -> Action:
    slots = settings.slate_size
    if settings.action == "slate":
        return SlateAction(world.catalog, rows=rows, slate_size=slots)
    if settings.action == "embedding":
        return EmbeddingAction(world.catalog, known, rows=rows, slate_size=slots)
    user_id, candidates = world.population.user_id, settings.candidates
    return CandidateAction(world.catalog, user_id, known, rows=rows, slate_size=slots, candidates=candidates)


def _add_log(session: Session, folder: Path, settings: BrowseSettings, description: Mapping[str, Any]) -> None:
    session.refusal = find_refusal(folder)
    if session.refusal is None:
        # Only here, since a log brings in pyarrow.
        from recsim_llm.envs.recording import open_recorder

        told = {"rows": session.rows} | settings.described()
        session.recorder = open_recorder(folder, session.world, rows=session.rows, settings=told, more=description)
