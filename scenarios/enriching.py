"""Item enrichers: words about items that are written before users arrive, as a scenario's section ``enrich`` says.

Only words are written. Ids, titles, genres, years, ratings and whatever users are fitted to stay as they are; a catalog with
more words is another one for whoever reads words: language users and policies, searches, stores of vectors, tools. What a
language model wrote is kept in the run's calls file, so that a run that was stopped, even before its first page, pays for
nothing twice; what stood in the end is in ``enrichment.jsonl``, a line an item, and in short in the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recsim_llm.agents.language.item_words import FIELDS, LONGEST, template_words, written_words
from recsim_llm.core.arrays import TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import ConfigError, LogError, PlugInError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.registry import blaming, import_attribute
from recsim_llm.scenarios.enrich_settings import TEMPLATE, WRITER, EnrichSettings

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["ENRICHMENT_FILE", "Allow", "Enricher", "Enrichment", "enrich_catalog", "read_enrichment"]

ENRICHMENT_FILE = "enrichment.jsonl"
"""What was written about the items of a run, in its folder."""
_TAGS = "Keywords: {}."

Allow = Callable[["LanguageModel", int], None]
"""Told the writer and how many calls it is to be asked before any is made; may raise to call them off."""


class Enricher(Protocol):
    """A function of one's own that writes about items, in a scenario ``by: module:function``.

    It must write the same about the same catalog each time that it is called: a run that goes on checks it.
    """

    def __call__(self, catalog: Catalog, model: LanguageModel | None) -> Mapping[str, Sequence[str]]:
        """Return columns str [n] by name, of those in ``fields``; '' where nothing is to be said about an item.

        Args:
            catalog: the items, as recommenders know them before the first page.
            model: of the role ``writer``, whose calls are kept and never paid twice; None where the scenario names none.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Enrichment:
    """What was written about the items of a catalog."""

    by: str
    """Who wrote it, as in ``EnrichSettings.by``."""
    model: str | None
    """Name of the language model that could be asked; None without one."""
    words: Mapping[str, TextArray]
    """Field to str [n]; '' where nothing was written, since the item had such words or no use could be made of a reply."""
    unwritten: int
    """Words that were asked for and did not come."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all words."""
        columns = {name: column.tolist() for name, column in self.words.items()}
        return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()

    def record(self) -> dict[str, Any]:
        """Return what a manifest says of it: whose words they are, and about how many items."""
        written = {name: int(np.count_nonzero(column != "")) for name, column in self.words.items()}
        known = {"by": self.by, "model": self.model, "written": written, "unwritten": self.unwritten}
        return known | {"fingerprint": self.fingerprint}

    def applied_to(self, catalog: Catalog) -> Catalog:
        """Return a catalog of the same items with these words."""
        described = self._column(catalog, "description")
        if "tags" in self.words:
            tags = [_TAGS.format(words) if words else "" for words in self.words["tags"]]
            prose = _told(catalog, "description") if described is None else described
            described = _texts([f"{one} {more}".strip() for one, more in zip(prose, tags, strict=True)])
        return replace(catalog, description=described, caption=self._column(catalog, "caption"))

    def _column(self, catalog: Catalog, name: str) -> TextArray | None:
        """Return a column with what was written in it; None where neither the data nor anybody has such words."""
        if name not in self.words:
            column: TextArray | None = getattr(catalog, name)
            return column
        return np.where(self.words[name] != "", self.words[name], _told(catalog, name))

    def write(self, catalog: Catalog, folder: Path) -> None:
        """Write ``enrichment.jsonl`` into a run folder: the words about each item that got some."""
        lines = [
            json.dumps({"item_id": int(item), **{name: column[place] for name, column in self.words.items() if column[place]}})
            for place, item in enumerate(catalog.item_id.tolist())
            if any(column[place] for column in self.words.values())
        ]
        write_atomically(folder / ENRICHMENT_FILE, "".join(f"{line}\n" for line in lines).encode())


def enrich_catalog(
    settings: EnrichSettings, catalog: Catalog, model: LanguageModel | None, allow: Allow = lambda _, __: None
) -> Enrichment:
    """Have words written about items.

    Args:
        settings: who writes what.
        catalog: the items.
        model: of the role ``writer``; None where the scenario names none.
        allow: told of the calls before any is made.

    Raises:
        ConfigError: a model is to write and there is none, or the function is not there.
        PlugInError: the function crashed, or returned something else than texts of the fields, one an item.
        BudgetExceeded: a limit is reached.
    """
    wanted: dict[str, list[int]] = {name: _lacking(catalog, name, settings) for name in FIELDS if name in settings.fields}
    if settings.by == WRITER:
        if model is None:
            raise ConfigError("enrich.by: got writer without a model, expected one; pass --set models.writer=provider/name")
        allow(model, sum(len(items) for items in wanted.values()))
        found = {name: written_words(model, catalog, items, name) for name, items in wanted.items()}
    elif settings.by == TEMPLATE:
        found = {name: template_words(catalog, items, name) for name, items in wanted.items()}
    else:
        columns = _called(settings, catalog, model)
        found = {name: [columns[name][item] for item in items] for name, items in wanted.items()}
    words = {name: np.full(len(catalog), "", object) for name in wanted}
    for name, items in wanted.items():
        words[name][items] = [safe_text(text, LONGEST) for text in found[name]]
    missing = sum(int(np.count_nonzero(words[name][items] == "")) for name, items in wanted.items())
    return Enrichment(by=settings.by, model=None if model is None else model.name, words=words, unwritten=missing)


def read_enrichment(folder: Path, catalog: Catalog, record: Mapping[str, Any]) -> Enrichment:
    """Return what was written about the items of a run.

    Args:
        folder: the run folder.
        catalog: its items.
        record: what its manifest says of it.

    Raises:
        LogError: the file is missing, damaged or another run's.
    """
    words = {name: np.full(len(catalog), "", object) for name in FIELDS if name in record["written"]}
    try:
        for line in (folder / ENRICHMENT_FILE).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for name in words.keys() & row.keys():
                words[name][catalog.index_of(np.array([row["item_id"]]))[0]] = row[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{folder}: got no {ENRICHMENT_FILE} that can be read, expected the run's own; restore it") from error
    found = Enrichment(by=record["by"], model=record["model"], words=words, unwritten=record["unwritten"])
    if found.fingerprint != record["fingerprint"]:
        raise LogError(f"{folder}: got another {ENRICHMENT_FILE} than manifest.json says, expected the run's own; restore it")
    return found


def _lacking(catalog: Catalog, name: str, settings: EnrichSettings) -> list[int]:
    """Return the positions of items to be written about; tags, of which a catalog has none, are written of all."""
    if settings.replace or name == "tags":
        return list(range(len(catalog)))
    return [item for item, told in enumerate(_told(catalog, name)) if not told]


def _called(settings: EnrichSettings, catalog: Catalog, model: LanguageModel | None) -> dict[str, list[str]]:
    enricher: Enricher = import_attribute(settings.by, "enrich.by")
    expected = f"{', '.join(settings.fields)} by name, {len(catalog):,} texts each"
    with blaming(f"enrich.by {settings.by!r}", expected):
        found = enricher(catalog, model)
    if not isinstance(found, Mapping):
        raise PlugInError(f"enrich.by {settings.by!r}: got {type(found).__name__}, expected {expected}")
    if unknown := sorted(map(str, set(found) - set(settings.fields))):
        raise PlugInError(
            f"enrich.by {settings.by!r}: got the field {unknown[0]!r}, expected {expected}; name it in enrich.fields"
        )
    columns: dict[str, list[str]] = {}
    for name in settings.fields:
        column = found.get(name)
        texts = [] if column is None or isinstance(column, str) else list(column)
        if len(texts) != len(catalog) or not all(isinstance(text, str) for text in texts):
            got = "nothing" if column is None else f"{len(texts):,} entries that are not all texts, or another number of them"
            raise PlugInError(f"enrich.by {settings.by!r}: got for {name} {got}, expected {expected}")
        columns[name] = texts
    return columns


def _told(catalog: Catalog, name: str) -> TextArray:
    """Return str [n]: what a catalog says of its items, '' where nothing."""
    column = getattr(catalog, name)
    return np.full(len(catalog), "", object) if column is None else _texts([str(text or "") for text in column.tolist()])


def _texts(texts: Sequence[str]) -> TextArray:
    column = np.empty(len(texts), object)
    column[:] = texts
    return column
