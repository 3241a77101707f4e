"""Remembering: is what a user was told long ago there when it is needed, is what comes to mind fresh, and does it matter?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.agents.audits.design import AuditTrial, Design, Finding
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.minds import Minds
from recsim_llm.agents.language.told_facts import user_names
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.pages import Pages
from recsim_llm.core.ratings import Dataset
from recsim_llm.core.user_memory import Rendered
from recsim_llm.errors import DataError
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.statistics.intervals import Estimate, mean_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["MEMORY_KINDS", "RememberedBy", "Remembering", "check_genres", "remembering"]

MEMORY_KINDS = ("stream", "window", "none")
"""Kinds of memory that are compared."""

_TOLD = "You never take anything of the genre {genre}."
_BUDGET = 200  # tokens for memories
_SHOWN = 8  # items a page of the life before
_ASIDE = (
    "You have a cat.",
    "You go to bed early.",
    "You wear glasses.",
    "You have a sister.",
    "You like it quiet.",
    "You cook on Sundays.",
    "You ride a bicycle to work.",
    "You have a garden.",
    "You read before sleep.",
    "You speak two languages.",
)
_HOMES = ("You live by the sea.", "You have moved to the mountains.")


@dataclass(frozen=True, kw_only=True)
class RememberedBy:
    """What one kind of memory has in mind on the last page."""

    kind: str
    """Its name."""
    needed: Estimate
    """Share of users with the one statement in mind that the page is about."""
    age: Estimate
    """Mean age of what was recalled for the page, in pages; users who recalled nothing are left out."""
    outdated: Estimate
    """Statements in mind, a user, in whose place a later one of the same subject was told."""


@dataclass(frozen=True, kw_only=True)
class Remembering(Finding):
    """What becomes of a statement told on the first page by the time it is needed."""

    turns: int
    """Pages between the two."""
    kinds: tuple[RememberedBy, ...]
    """One a kind of memory."""
    heeded: Estimate
    """How much less likely users take the items that the statement is about, with the stream's memory, than with the same
    memory without the statement; 0: told in vain."""
    others: Estimate
    """The same of the other items of the page."""


def remembering(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 30,
    page_size: int = 8,
    turns: int = 50,
    parameters: LanguageParameters | None = None,
) -> Remembering:
    """Tell users one thing that matters on the first page and others that do not, let them live, and show the page it is about.

    On each page of their life users take one item, drawn by the seed, and are now and then told something of no importance;
    where they live is told twice, the second time otherwise. The model is asked about the last page alone.

    Args:
        model: to be audited; asked twice a user.
        dataset: catalog and ratings.
        seed: of users, items, and what they take.
        users: how many users; those whose page offers no genre that some but not all of its items have are left out.
        page_size: items of the last page.
        turns: pages lived in between.
        parameters: for the templates.

    Raises:
        ConfigError: a number is out of range.
        DataError: nobody's page has such a genre.
        RecSimError: the model failed.
    """
    check_whole_number("remembering, turns", turns, least=1)
    design = Design(model, dataset, seed=seed, users=users, page_size=page_size, taken=1, parameters=parameters)
    genre = _genres(design)
    able = np.flatnonzero(genre >= 0)
    if not able.size:
        raise DataError("remembering: got no page with a genre that some of its items have, expected items with genres")
    life = _Life(design, able, genre[able], turns=turns)
    found, plain = {kind: life.live(kind) for kind in MEMORY_KINDS}, life.live("stream", told=False)
    said = design.answers(
        [
            AuditTrial(user, design.items[user], one.consolidated, one.recent, condition=name)
            for name, minds in (("told", found["stream"]), ("plain", plain))
            for user, one in zip(able.tolist(), minds, strict=True)
        ]
    )
    click = said.click.reshape(2, len(able), page_size)
    about = life.about
    return Remembering(
        **(design.about() | {"users": len(able)}),
        turns=turns,
        kinds=tuple(life.finding(kind, minds) for kind, minds in found.items()),
        heeded=mean_estimate(_fall(click, about), bounds=(-1, 1)),
        others=mean_estimate(_fall(click, ~about), bounds=(-1, 1)),
    )


class _Life:
    """Lets the users of a design live through the same pages with any kind of memory."""

    def __init__(self, design: Design, able: IntArray, genre: IntArray, *, turns: int) -> None:
        self._design, self._turns = design, turns
        self._user = design.pages.user_index[able]
        self._names = [user_names(design.population)[user] for user in self._user.tolist()]
        items = design.pages.item_index[able]
        self.about: BoolArray = design.catalog.genres[items, genre[:, None]]
        """bool [u, k]: items of the last page that the statement is about."""
        names = [safe_text(design.catalog.genre_names[place], 40) for place in genre.tolist()]
        self._needed = [_TOLD.format(genre=name) for name in names]
        self._queries = [design.writer.query(row) for row in items.tolist()]

    def live(self, kind: str, *, told: bool = True) -> list[Rendered]:
        """Return what each user has in mind on the last page."""
        own = LanguageParameters(templates=self._design.templates.name, memory_kind=kind)
        design, rows = self._design, np.arange(len(self._user))
        minds = Minds(design.catalog, design.population, own, templates=design.templates, writer=design.writer, history=None)
        minds.allocate(len(rows))
        minds.begin(rows, self._user, False)
        if told and kind != "none":
            for name, needed in zip(self._names, self._needed, strict=True):
                minds.tell(name, needed, "needed")
        for turn in range(self._turns):
            minds.take_in(rows, *self._page(rows, turn))
            for key, text in self._aside(turn) if kind != "none" else ():
                for name in self._names:
                    minds.tell(name, text, key)
        return [minds.render(row, query, _BUDGET) for row, query in zip(rows.tolist(), self._queries, strict=True)]

    def finding(self, kind: str, minds: Sequence[Rendered]) -> RememberedBy:
        """Return how well a kind of memory did."""
        there = [needed in f"{one.consolidated}\n{one.recent}" for needed, one in zip(self._needed, minds, strict=True)]
        ages = [float((self._turns - one.time).mean()) for one in minds if len(one.time)]
        return RememberedBy(
            kind=kind,
            needed=mean_estimate(np.array(there, np.float64), bounds=(0, 1)),
            age=mean_estimate(np.array(ages), bounds=(0, np.inf)) if ages else Estimate(value=None, users=0),
            outdated=mean_estimate(np.array([float(one.outdated) for one in minds]), bounds=(0, np.inf)),
        )

    def _page(self, rows: IntArray, turn: int) -> tuple[Pages, tuple[IntArray, IntArray, FloatArray]]:
        """Return a page of everyone's life, and what is taken of it: one item with its stars."""
        who, design = self._design.population.user_id[self._user], self._design
        width = min(_SHOWN, len(design.catalog))
        start = keyed.words(design.seed, "remembering page", who, turn) % np.uint64(len(design.catalog))
        items = (start.astype(np.int64)[:, None] + np.arange(width)) % len(design.catalog)
        taken = keyed.words(design.seed, "remembering taken", who, turn)
        stars = (1 + (taken // np.uint64(width)) % np.uint64(5)).astype(np.float32)
        place = rows * width + (taken % np.uint64(width)).astype(np.int64)
        zero = np.zeros(len(rows), np.int64)
        return Pages(rows, self._user, zero, zero + turn, items), (place, rows, stars)

    def _aside(self, turn: int) -> list[tuple[str, str]]:
        """Return what everyone is told after a page: subject and statement."""
        step = max(self._turns // (len(_ASIDE) + len(_HOMES)), 1)
        number, due = divmod(turn, step)
        if due or number >= len(_ASIDE) + len(_HOMES):
            return []
        if number < len(_ASIDE):
            return [(f"aside {number}", _ASIDE[number])]
        return [("home", _HOMES[number - len(_ASIDE)])]


def check_genres(catalog: Catalog) -> None:
    """See to it that there is a genre that some items have and others have not.

    Raises:
        DataError: there is none.
    """
    has = catalog.genres.sum(axis=0)
    if not ((has > 0) & (has < len(catalog))).any():
        raise DataError("remembering: got no genre that some items have and others lack, expected one; use data with genres")


def _genres(design: Design) -> IntArray:
    """Return int64 [u]: a genre that some, nearest to half, of a page's items have; -1 where there is none."""
    has = design.catalog.genres[design.pages.item_index].sum(axis=1)
    size = design.pages.item_index.shape[1]
    distance = np.where((has > 0) & (has < size), abs(2 * has - size), 2 * size)
    best = distance.argmin(axis=1)
    return np.where(distance.min(axis=1) < 2 * size, best, -1)


def _fall(click: DoubleArray, chosen: BoolArray) -> DoubleArray:
    """Return float64 [u]: how much less likely the chosen items are taken in the first condition than in the second."""
    mean = (click * chosen).sum(axis=2) / chosen.sum(axis=1)
    return np.asarray(mean[1] - mean[0])
