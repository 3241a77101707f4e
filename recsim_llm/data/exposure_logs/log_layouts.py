"""Which log a file or a folder holds, told by its files and their columns, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recsim_llm.core.exposures import Exposures
from recsim_llm.data.exposure_logs import bandit_feedback, coat, ebnerd, kuairand, mind, simeval_sessions, trec_sessions
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.impression_tables import read_impressions
from recsim_llm.data.table_files import TABLE_SUFFIXES, column_names
from recsim_llm.errors import ConfigError, DataError, one_of

__all__ = ["IMPRESSIONS", "PUBLISHED", "Parts", "open_log", "random_part"]

IMPRESSIONS = "impressions"
"""Name, without its suffix, of a table of impressions in a folder."""

Parts = Mapping[str, tuple[Path, ...]]
"""Name of each part of a log to its files; the empty name where the log has no parts."""

_MOST_FILES = 200
_OF_TABLES = ("columns", "feedback", "rating_scale", "not_rated")
_USUAL = ExposureSettings().model_dump()


@dataclass(frozen=True, kw_only=True)
class Published:
    """A layout in which logs are published."""

    find: Callable[[Path], Parts]
    """Returns the parts that a file or folder holds; none where it is of another layout."""
    read: Callable[[Parts, ExposureSettings, str], Exposures]
    """Reads some parts together."""
    apart: tuple[str, ...] = ()
    """Parts that are read only where they are asked for."""
    together: bool = True
    """Whether the others may be read together; else one must be named where there are several."""
    random: str | None = None
    """Part whose items were shown at random and rated."""


PUBLISHED: Mapping[str, Published] = {
    "Coat": Published(find=coat.find, read=coat.read, random="test"),
    "TREC sessions": Published(find=trec_sessions.find, read=trec_sessions.read, apart=(trec_sessions.JUDGED,)),
    "EB-NeRD": Published(find=ebnerd.find, read=ebnerd.read),
    "MIND": Published(find=mind.find, read=mind.read),
    "KuaiRand": Published(find=kuairand.find, read=kuairand.read),
    "Open Bandit": Published(find=bandit_feedback.find, read=bandit_feedback.read),
    "SimEval-IR": Published(find=simeval_sessions.find, read=simeval_sessions.read, together=False),
}
"""Layouts by name, in the order in which they are tried."""


def open_log(path: Path, settings: ExposureSettings) -> Exposures:
    """Read a log from a file or a folder; see ``recsim_llm.log.open_exposures``, which reads runs besides.

    Raises:
        ConfigError: there is no such path, it holds nothing known, or a setting does not go with it.
        DataError: a file cannot be read, or holds a row that cannot be used.
    """
    if not path.exists():
        raise ConfigError(f"exposures: got {str(path)!r}, expected a file or folder that is there; check the path")
    name = path.resolve().name.split(".")[0]
    if not settings.columns:
        for layout, published in PUBLISHED.items():
            if parts := published.find(path):
                _refuse_table_settings(layout, settings)
                return published.read(_wanted(path, parts, published, settings), settings, name)
    if settings.part is not None:
        raise ConfigError(f"part: got {settings.part!r} for {path.name}, a table of impressions, expected none; leave it out")
    return read_impressions(path if path.is_file() else _find_table(path, settings), settings, name=name)


def random_part(path: Path) -> str | None:
    """Return the part of a published log whose items were shown at random and rated; None where there is none."""
    for published in PUBLISHED.values() if path.exists() else ():
        if parts := published.find(path):
            return published.random if published.random in parts else None
    return None


def _wanted(path: Path, parts: Parts, published: Published, settings: ExposureSettings) -> Parts:
    if settings.part is None and (published.together or len(parts) == 1):
        whole = {part: files for part, files in parts.items() if part not in published.apart}
        return whole or parts
    if settings.part is None:
        raise ConfigError(f"part: got none for {path.name}, expected one of {', '.join(parts)}; name one")
    if settings.part not in parts:
        known = [part for part in parts if part]
        expected = one_of(settings.part, known) if known else "none, since it has no parts"
        raise ConfigError(f"part: got {settings.part!r} of {path.name}, expected {expected}; rename or drop it")
    return {settings.part: parts[settings.part]}


def _refuse_table_settings(layout: str, settings: ExposureSettings) -> None:
    given = [key for key in _OF_TABLES if getattr(settings, key) != _USUAL[key]]
    if given:
        raise ConfigError(
            f"exposures: got {', '.join(given)} for {layout}, whose layout is fixed, expected such options for your own tables "
            "only; leave them out"
        )


def _find_table(folder: Path, settings: ExposureSettings) -> Path:
    """Return the table of impressions of a folder: by its name, else the only one with its columns."""
    named = [folder / (IMPRESSIONS + suffix) for suffix in TABLE_SUFFIXES if (folder / (IMPRESSIONS + suffix)).is_file()]
    if len(named) > 1:
        raise DataError(f"{folder}: got {' and '.join(path.name for path in named)}, expected one of them; remove the others")
    if named:
        return named[0]
    needed = {settings.columns.get(ours, ours) for ours in ("item_id", "clicked")}
    tables = [path for path in sorted(folder.iterdir())[:_MOST_FILES] if path.is_file() and path.name.endswith(TABLE_SUFFIXES)]
    fitting = [path for path in tables if needed <= _columns(path, needed)]
    if len(fitting) != 1:
        got = f"{len(fitting)} tables" if fitting else "no table"
        raise ConfigError(
            f"exposures: got folder {str(folder)!r} with {got} of columns {' and '.join(sorted(needed))}, expected a run, "
            f"{', '.join(PUBLISHED)}, or one table of impressions; name it {IMPRESSIONS}.csv, .tsv, .txt or .parquet, or its "
            "columns with --column NAME=THEIRS, in Python columns={'NAME': 'THEIRS'}"
        )
    return fitting[0]


def _columns(path: Path, names: set[str]) -> set[str]:
    """Return a table's columns; none where it cannot be read, since it need not be the one looked for."""
    try:
        return set(column_names(path, names))
    except DataError:
        return set()
