"""Reading the log of a run, arm by arm, for off-policy evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.errors import ConfigError, LogError
from recsim_llm.offpolicy.logged import HiddenTruth, LoggedSlates

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SlotReward", "read_log"]

SlotReward = Literal["clicked", "watched"]

_IMPRESSIONS = ("user_id", "visit", "page", "position", "item_id", "propensity", "prefix_propensity", "examine_prob")
_MORE = ("click_prob", "clicked", "watched", "rating")
_PAGES = ("user_id", "visit", "page", "slate_propensity", "reward")
_KEY = ("user_id", "visit", "page")
_Columns = dict[str, npt.NDArray[Any]]


def read_log(run: Path, arm: str, *, reward: SlotReward = "clicked", first_pages: bool = False) -> LoggedSlates:
    """Read what one arm of a run showed, how likely it was to, and what came of it.

    The Parquet files are read one after another, and of each only the arm's rows and the columns needed; what is kept is about
    70 bytes a slot. Pages come in the order of user, visit and page, whatever the segments of the log.

    Args:
        run: run folder.
        arm: name of the arm.
        reward: what a slot earns: 1 for a click (``clicked``), or the share watched (``watched``; 0 without a click, since what
            was not opened was not watched). The page's own reward is the one that the run logged.
        first_pages: keep only the first page of each user: there, every policy meets the same users in the same state.

    Raises:
        ConfigError: the run has no such arm, or the reward is unknown.
        LogError: the folder is no run, holds no page of the arm, or its tables do not fit together.
    """
    # The log's reader brings pyarrow, and policies that give propensities should not.
    from recsim_llm.metrics.evaluation import read_manifest

    manifest = read_manifest(run)
    names = [str(name) for name in manifest["arms"]]
    if arm not in names:
        raise ConfigError(f"arm: got {arm!r}, expected one of {', '.join(names)}")
    if reward not in ("clicked", "watched"):
        raise ConfigError(f"reward: got {reward!r}, expected clicked or watched")
    slots = int(manifest["slate_size"])
    parts = [_part(path, run / "pages" / path.name, arm, slots) for path in sorted((run / "impressions").glob("*.parquet"))]
    if first_pages:
        parts = [{name: column[_first(part)] for name, column in part.items()} for part in parts]
    if not sum(len(part["user_id"]) for part in parts):
        raise LogError(f"{run}: got no page of arm {arm!r}, expected at least one; start or resume the run first")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _logged(joined, reward)


def _first(part: _Columns) -> npt.NDArray[np.bool_]:
    return np.asarray((part["visit"] == 0) & (part["page"] == 0))


def _logged(columns: _Columns, reward: SlotReward) -> LoggedSlates:
    paid = columns["clicked"].astype(np.float64) if reward == "clicked" else np.nan_to_num(columns["watched"])
    return LoggedSlates(
        user_id=columns["user_id"],
        visit=columns["visit"].astype(np.int64),
        page=columns["page"].astype(np.int64),
        place=np.full(len(columns["page"]), -1),
        item_id=columns["item_id"],
        clicked=columns["clicked"],
        rating=columns["rating"],
        reward=paid,
        page_reward=columns["reward"],
        propensity=columns["propensity"],
        prefix_propensity=columns["prefix_propensity"],
        slate_propensity=columns["slate_propensity"],
        truth=HiddenTruth(columns["examine_prob"], columns["click_prob"]),
    ).numbered()


def _part(impressions: Path, pages: Path, arm: str, slots: int) -> _Columns:
    """Return the arm's pages of one segment: columns [n, slots] and [n], keyed alike."""
    shown, served = _table(impressions, (*_IMPRESSIONS, *_MORE), arm), _table(pages, _PAGES, arm)
    count = len(served["user_id"])
    if len(shown["user_id"]) != count * slots:
        raise LogError(f"{impressions}: got {len(shown['user_id'])} slots for {count} pages, expected {slots} a page")
    by_slot = np.lexsort([shown[name] for name in ("position", *reversed(_KEY))])
    by_page = np.lexsort([served[name] for name in reversed(_KEY)])
    wide = {name: column[by_slot].reshape(count, slots) for name, column in shown.items()}
    flat = {name: column[by_page] for name, column in served.items()}
    same = all(np.array_equal(wide[name], np.repeat(flat[name][:, None], slots, axis=1)) for name in _KEY)
    if not same or (count and not (wide.pop("position") == np.arange(slots)).all()):
        raise LogError(f"{impressions}: got slots that do not fit the pages of {pages.name}, expected one row a position")
    return {**{name: column for name, column in wide.items() if name not in (*_KEY, "position")}, **flat}


def _table(path: Path, columns: tuple[str, ...], arm: str) -> _Columns:
    """Return the arm's rows of a file; floats as float64 with NaN for null."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            missing = {"arm", *columns} - set(file.schema_arrow.names)
            if missing:
                raise LogError(f"{path}: got no column {min(missing)!r}, expected {', '.join(columns)}")
            batches = file.iter_batches(columns=["arm", *columns])
            kept = [batch.filter(pc.equal(batch.column("arm").cast(pa.string()), arm)) for batch in batches]
            table = pa.Table.from_batches(kept) if kept else file.schema_arrow.empty_table()
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error
    return {name: _column(table.column(name)) for name in columns}


def _column(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    return values
