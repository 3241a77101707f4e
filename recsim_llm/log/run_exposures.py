"""One call for every exposure log: a run's own, a table of impressions, or one in a layout in which logs are published."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Unpack, get_args

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.exposures import Exposures, Layout
from recsim_llm.data.exposure_logs.exposure_settings import ExposureOptions, ExposureSettings
from recsim_llm.data.exposure_logs.log_layouts import open_log
from recsim_llm.data.exposure_logs.log_rows import dense_rank
from recsim_llm.data.exposure_logs.placing import number_pages
from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.log.folders import MANIFEST
from recsim_llm.log.own_ids import ITEM_KEY, USER_KEY
from recsim_llm.log.reader import RunReader, open_run

__all__ = ["open_exposures", "read_exposures"]

_COLUMNS = ("user_id", "visit", "page", "position", "item_id", "propensity", "clicked", "rating", "dwell")
_OF_RUNS = ("part", "layout")
_USUAL = ExposureSettings().model_dump()


def open_exposures(path: str | PathLike[str], **options: Unpack[ExposureOptions]) -> Exposures:
    """Open an exposure log: what people were shown, and what they did with it.

    What it is, its files tell: a run folder (its log); TREC-style session files, EB-NeRD, MIND,
    KuaiRand, Open Bandit, Coat, as they are published; else a table with one row an item
    that was shown, a file or a folder that holds one (called ``impressions``, or the only one with its columns), as ``.csv``,
    ``.tsv``, ``.txt`` (each also ``.gz``) or ``.parquet``.

    A table needs ``item_id`` and ``clicked``, a ``user_id`` or a ``session``, and welcomes ``timestamp``, ``page``,
    ``position``, ``dwell`` (seconds), ``rating``, ``purchased`` and ``propensity``; ``columns`` maps these names to the file's.
    Positions count from 0, or from 1. A field that a row can do without costs the row nothing: it is unknown, and counted in
    ``Exposures.unread``.

    Args:
        path: a file or folder.
        options: fields of ``ExposureSettings``.

    Raises:
        ConfigError: there is no such path, it holds nothing known, or an option does not go with it.
        DataError: a file cannot be read, does not say what belongs to one session or page, or holds a row that cannot be used.
        LogError: a run folder is damaged, or has several arms and none was named.
    """
    settings, place = ExposureSettings.of(options), Path(path).expanduser()
    if not (place / MANIFEST).is_file():
        return open_log(place, settings)
    given = [key for key, usual in _USUAL.items() if key not in _OF_RUNS and getattr(settings, key) != usual]
    if given:
        raise ConfigError(
            f"exposures: got {', '.join(sorted(given))} for the run {place.name}, expected such options for tables only; leave "
            "them out"
        )
    return read_exposures(open_run(place), settings.part, settings)


def read_exposures(run: RunReader, arm: str | None = None, settings: ExposureSettings | None = None) -> Exposures:
    """Read what one arm of a run showed, a visit a session.

    Slots that were left blank are no impressions; they are counted in ``Exposures.skipped``. The days of a run have no date, so
    that times are unknown; dwell is known of users who were fitted to a log that tells it.

    Args:
        run: the run, finished or not.
        arm: name of the arm; None takes the only one.
        settings: how positions lie on a page; None for a list.

    Raises:
        ConfigError: there is no such arm, or several and none was named.
        LogError: the log cannot be read, or nothing was shown.
    """
    arm = _arm(run, arm)
    log = run.columns("impressions", _COLUMNS, arm=arm)
    shown = log["item_id"] >= 0
    if not shown.any():
        raise LogError(f"{run.folder}: got no item that arm {arm!r} showed, expected one or more; resume the run")
    columns = {name: values[shown] for name, values in log.items()}
    session = dense_rank(columns["user_id"], columns["visit"])
    page = number_pages(session, columns["page"])
    lost = len(np.unique(dense_rank(log["user_id"], log["visit"], log["page"]))) - len(np.unique(dense_rank(session, page)))
    rating, propensity = columns["rating"].astype(np.float64), columns["propensity"].astype(np.float64)
    unfinished = () if arm in run.finished_arms else (f"arm {arm!r} is not finished",)
    return Exposures(
        name=f"{run.folder.resolve().name}-{arm}",
        user_id=columns["user_id"],
        session=session,
        page=page,
        position=columns["position"],
        item_id=columns["item_id"],
        clicked=columns["clicked"],
        rating=None if np.isnan(rating).all() else rating,
        dwell=None if np.isnan(columns["dwell"]).all() else columns["dwell"].astype(np.float64),
        propensity=None if np.isnan(propensity).all() else propensity,
        layout=(settings.layout if settings is not None else None) or _layout(run),
        licence=str(run.manifest.get("data", {}).get("licence", "")),
        skipped=_counted({"blank slots": int((~shown).sum()), "pages of blank slots alone": lost}),
        notes=unfinished,
        user_keys=_keys(run, USER_KEY, columns["user_id"]),
        item_keys=_keys(run, ITEM_KEY, columns["item_id"]),
    )


def _arm(run: RunReader, arm: str | None) -> str:
    if arm is None and len(run.arms) == 1:
        return run.arms[0]
    if arm not in run.arms:
        got = "no arm" if arm is None else repr(arm)
        raise ConfigError(f"part: got {got} for the run {run.folder.name}, expected {one_of(arm or '', run.arms)}; name an arm")
    return arm


def _layout(run: RunReader) -> Layout:
    """Return how the users of a run read its pages, where they say it; else a list."""
    told = run.manifest.get("user_model_provenance") or {}
    named = (told.get("parameter_sources") or {}).get("layout", {}).get("value")
    return named if named in get_args(Layout) else "list"


def _counted(counts: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}


def _keys(run: RunReader, name: str, ids: IntArray) -> dict[int, str]:
    """Return the data's own ids where these are texts; nothing where the numbers are the data's own."""
    table = run.own_ids[name]
    known = np.unique(ids)
    if table is None:
        return {}
    own = zip(known.tolist(), table.of(known).to_pylist(), strict=True)
    return {number: key for number, key in own if key != str(number)}
