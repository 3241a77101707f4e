"""A run as a data set for Minari: an episode a visit, an action a page, and an environment in which they can be stepped again.

Source: O. Younis, R. Perez-Vicente, J. U. Balis, W. Dudley, A. Davey and J. K. Terry (2024), Minari; format HDF5 of 0.5.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Decisions, Mood, Pages
from recsim_llm.core.protocols import UserModel
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.recorded_visits import make_observer, slate_space
from recsim_llm.errors import ConfigError, RecSimError
from recsim_llm.exports import ExportSource, Portion, write_own_ids
from recsim_llm.exports.arm_log import BACK, SEARCH
from recsim_llm.population.world import World

__all__ = ["ENVIRONMENT", "Origin", "Replayed", "make_dataset_id", "replay", "write_minari"]

_ROOM = 64 << 20
"""Bytes that must be free: HDF5 holds so much back, and where the disk is full once it writes it, it ends the process."""
ENVIRONMENT = "RecSimLLM/Recorded-v0"
"""Name of the environment that a data set of a run is recovered as."""
_TOGETHER = 256  # visits that are laid out at a time
_TRIED = 20  # visits that are stepped through again before an environment is named

Buffer = Any


class Origin(NamedTuple):
    """Where an arm's pages come from, as far as it takes to see them again."""

    world: World
    """Items and users."""
    settings: Mapping[str, Any] | None
    """Of the run, with its seed, where its users can be simulated again; None for others and for an environment's log."""
    fingerprints: Mapping[str, str]
    """Of the run's data and population."""
    seed: int | None
    """Of an environment's log whose only row was seeded once; None for other logs."""
    by_visit: bool
    """Each visit has a number of its own, so that episodes come in the order of visits and not of users."""


class Replayed(NamedTuple):
    """One episode that was stepped through again."""

    episode: int
    """Its number in the data set."""
    recorded: npt.NDArray[np.float64]
    """float64 [t]: rewards of the data set."""
    rewards: npt.NDArray[np.float64]
    """float64 [t]: rewards of the environment; fewer where the visit ended earlier."""

    @property
    def same(self) -> bool:
        """Whether every reward came out as recorded, to the last bit."""
        return np.array_equal(self.recorded, self.rewards)


def write_minari(source: ExportSource, folder: Path, origin: Origin) -> dict[str, int]:
    """Write one data set, ``NAME-v0`` for a folder called NAME-v0; ``MINARI_DATASETS_PATH`` is the folder above.

    Observations are those of ``RecSimLLM/Browse-v0``; actions are pages as catalog positions, -1 for a blank slot (the space
    then starts at -1). ``infos`` has a row for the reset and one a page: ``user_id``, ``visit``, ``clicks``,
    ``invalid_slots``, ``propensity`` and ``prefix_propensity`` [k], ``slate_propensity``; NaN is unknown, and is what the
    reset has. A visit that was cut short ends truncated.

    The environment is named in the data set where the run's users can be simulated again, after its first visits were
    stepped through and gave the recorded rewards. Where the data's own ids are texts, ``items.csv`` and ``users.csv``
    translate the numbers. An anonymous data set has neither environment nor seeds nor options:
    who knows them finds out who browsed.

    Returns:
        What was written, by name; ``replays`` is 1 where the environment is named.

    Raises:
        ConfigError: Minari or h5py is not installed.
    """
    storage_of = _minari()
    _, blank = source.log.shown()
    anonymous = source.identities.anonymous
    named = None if anonymous or origin.settings is None else _specification(origin, blank > 0)
    if named is not None and not _comes_out(_episodes(source, origin), named):
        named = None
    (folder / "data").mkdir()
    items, slots = len(source.catalog), source.log.slate_size
    storage = storage_of.new(
        folder / "data",
        observation_space=make_observer(origin.world, slots, source.max_pages, rows=1).space,
        action_space=slate_space(items, slots, blanks=blank > 0),
        env_spec=named,
    )
    storage.update_metadata(_metadata(source, folder.name))
    write_own_ids(source, folder)
    counts = {"episodes": 0, "steps": 0, "replays": int(named is not None)}
    storage.update_episodes(_counted(_episodes(source, origin), counts, folder))
    return counts


def make_dataset_id(name: str) -> str:
    """Return the id of the data set in a folder for an arm: the first version, as Minari writes it."""
    return f"{name}-v0"


def replay(dataset: Any, env: gymnasium.Env[Any, Any] | None = None) -> Iterator[Replayed]:
    """Step through a data set's episodes again, in their order.

    Args:
        dataset: as ``minari.load_dataset`` returns it, whole.
        env: where to step; None recovers the data set's own.

    Raises:
        ConfigError: the data set names no environment, and none is given.
    """
    if env is None:
        if dataset.env_spec is None:
            raise ConfigError(f"replay: got {dataset.id} without an environment, expected env; make the one that was logged")
        env = dataset.recover_environment()
    known = dataset.storage.get_episode_metadata(dataset.episode_indices)
    for episode, metadata in zip(dataset, known, strict=True):
        options = {name: int(value) for name, value in metadata.get("options", {}).items()}
        rewards = _stepped(env, episode.actions, metadata.get("seed"), options)
        yield Replayed(int(episode.id), episode.rewards, rewards)


def _minari() -> Any:
    try:
        import h5py  # noqa: F401
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise ConfigError(f"export minari: got {error}, expected Minari and h5py; pip install minari h5py") from error
    return MinariStorage


def _specification(origin: Origin, blanks: bool) -> EnvSpec:
    settings = {"settings": dict(origin.settings or {}), "fingerprints": dict(origin.fingerprints), "blanks": blanks}
    return EnvSpec(id=ENVIRONMENT, entry_point="recsim_llm.scenarios.recorded:RecordedEnv", kwargs=settings)


def _metadata(source: ExportSource, dataset_id: str) -> dict[str, Any]:
    release = version("recsim_llm")
    return {
        "dataset_id": dataset_id,
        "algorithm_name": source.log.arm,
        "author": {"recsim_llm"},
        "description": f"Visits of simulated users whom {source.log.arm} recommends to, logged by recsim_llm {release}.",
        "minari_version": version("minari"),
        "requirements": [f"recsim_llm=={release}"],
    }


def _counted(buffers: Iterator[Buffer], counts: dict[str, int], folder: Path) -> Iterator[Buffer]:
    for buffer in buffers:
        if shutil.disk_usage(folder).free < _ROOM:
            raise OSError(errno.ENOSPC, f"less than {_ROOM >> 20} MB left on the disk", str(folder))
        counts["episodes"] += 1
        counts["steps"] += len(buffer.rewards)
        yield buffer


def _comes_out(buffers: Iterator[Buffer], named: EnvSpec) -> bool:
    """Tell whether the first visits give the recorded rewards in the environment that would be named."""
    try:
        env: gymnasium.Env[Any, Any] = gymnasium.make(named)
        for buffer, _ in zip(buffers, range(_TRIED), strict=False):
            if not np.array_equal(_stepped(env, buffer.actions, buffer.seed, buffer.options), buffer.rewards):
                return False
    except RecSimError:
        return False
    return True


def _stepped(
    env: gymnasium.Env[Any, Any], actions: IntArray, seed: int | None, options: dict[str, Any] | None
) -> npt.NDArray[np.float64]:
    env.reset(seed=seed, options=options or None)
    rewards = []
    for action in actions:
        _, reward, terminated, truncated, _ = env.step(action)
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return np.array(rewards)


def _episodes(source: ExportSource, origin: Origin) -> Iterator[Buffer]:
    order = np.arange(len(source.log.keys("visit")[0])) if origin.by_visit else source.user_order()
    number = 0
    for portion in source.log.portions(order, key="visit" if origin.by_visit else "user_id"):
        bounds = np.append(portion.first, len(portion.page))
        for start in range(0, len(bounds) - 1, _TOGETHER):
            for buffer in _together(source, origin, portion, bounds[start : start + _TOGETHER + 1], number=number):
                yield buffer
                number += 1


def _together(source: ExportSource, origin: Origin, portion: Portion, bounds: IntArray, *, number: int) -> Iterator[Buffer]:
    """Yield the episodes of some visits, whose observations are made side by side."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    item_index = source.item_index(portion.item_id)
    seen = _observations(source, origin.world, portion, item_index, bounds=bounds)
    for place, (start, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        rows = slice(start, stop)
        left = portion.left[rows]
        truncated = portion.out_of_pages[rows].copy()
        truncated[-1] = not left[-1]
        yield EpisodeBuffer(
            id=number + place,
            **_way_back(source, origin, portion, start),
            observations={name: values[: stop - start + 1, place] for name, values in seen.items()},
            actions=item_index[rows],
            rewards=cast(list[Any], portion.reward[rows]),
            terminations=cast(list[Any], left),
            truncations=cast(list[Any], truncated),
            infos=_infos(source, portion, rows),
        )


def _way_back(source: ExportSource, origin: Origin, portion: Portion, start: int) -> dict[str, Any]:
    """Return the seed and the options with which a visit begins again; nothing where it cannot or must not."""
    user_id, visit = int(portion.user_id[start]), int(portion.visit[start])
    if source.identities.anonymous:
        return {}
    if origin.settings is not None:
        return {"seed": origin.settings["seed"], "options": {"user_id": user_id, "visit": visit}}
    if origin.seed is not None:
        # One row goes on with the dice of its seed: only the first reset names it.
        return {"seed": origin.seed if visit == 0 else None, "options": {"user_id": user_id}}
    return {}


def _observations(
    source: ExportSource, world: World, portion: Portion, item_index: IntArray, *, bounds: IntArray
) -> Observation:
    """Return the observations of visits, by name [longest + 1, visits, ...], as the environment makes them."""
    length = np.diff(bounds)
    visits, slots = len(length), source.log.slate_size
    observer = make_observer(world, slots, source.max_pages, rows=visits)
    nobody, shown = np.zeros(visits, np.int64), np.zeros(visits, np.int64)
    seen = [observer.observe(shown, nobody, None)]
    for page in range(int(length.max())):
        on = page < length
        row = np.where(on, bounds[:-1] + page, 0)
        shown = shown + on
        clicked = portion.clicked[row] & on[:, None]
        items = np.where(on[:, None], item_index[row], -1)
        observer.record(_feedback(items, clicked, portion.rating[row]))
        seen.append(observer.observe(shown, nobody, None))
    return {name: np.stack([one[name] for one in seen]) for name in seen[0]}


def _feedback(items: IntArray, clicked: npt.NDArray[np.bool_], rating: npt.NDArray[np.float32]) -> Feedback:
    """Return a logged page as the environment saw it; what an observer does not look at is left out."""
    visits = len(items)
    slot = np.flatnonzero(clicked)
    nothing = np.zeros(visits, np.int64)
    empty = np.zeros((visits, 0), np.float32)
    return Feedback(
        pages=Pages(ALL_ROWS, nothing, nothing, nothing, items),
        decisions=Decisions(empty),
        draws=empty,
        clicked=clicked,
        slot=slot,
        row=slot // items.shape[1],
        rating=rating.reshape(-1)[slot],
        mood=Mood(empty, empty),
        left=np.zeros(visits, np.bool_),
        users=cast(UserModel, None),
    )


def _infos(source: ExportSource, portion: Portion, rows: slice) -> dict[str, npt.NDArray[Any]]:
    def after_reset(values: npt.NDArray[Any], first: Any) -> npt.NDArray[Any]:
        return np.concatenate([np.full((1, *values.shape[1:]), first, values.dtype), values])

    user_id, visit = source.identities.of(portion.user_id[rows]), portion.visit[rows]
    return {
        "user_id": after_reset(user_id, user_id[0]),
        "visit": after_reset(visit, visit[0]),
        "clicks": after_reset(portion.clicked[rows].sum(axis=1), 0),
        "invalid_slots": after_reset(portion.invalid[rows], 0),
        "propensity": after_reset(portion.propensity[rows], np.nan),
        "prefix_propensity": after_reset(portion.prefix_propensity[rows], np.nan),
        "slate_propensity": after_reset(portion.slate_propensity[rows], np.nan),
        **({} if portion.how is None else {"asked": after_reset(np.isin(portion.how[rows], (SEARCH, BACK)), False)}),
    }
