"""What audits have in common: users, pages, changed copies of items, and answers as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.language.calibration_pages import calibration_pages, known_population
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.prompt_budget import PromptBudget
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.agents.language.template_family import with_family
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.questions import Answer, Ask, Part, Prompt
from recsim_llm.realism.page_scores import pair_areas

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Answers", "AuditTrial", "Design", "Finding", "area_under_curve"]


KNOWN_SHARE = 0.8
"""Share of each user's ratings, in time, that personas and histories come from; as in ``calibrate``."""
_ROOM = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an audit found."""

    model: str
    """Provider and model."""
    realisation: str
    """The elicitation: how its decisions were got."""
    users: int
    """Users that were asked about."""
    asks: int
    """Questions put to the model, page by page; free texts are not counted."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names of the fields; estimates as value, low, high, users."""
        return asdict(self)


class AuditTrial(NamedTuple):
    """One page put to the model."""

    user: int
    """Row of the design."""
    items: tuple[int, ...]
    """Catalog positions, or copies, in the order of presentation."""
    memory: str = ""
    """Lines that the user holds for long."""
    recent: str = ""
    """Lines that the user recalls."""
    after: str = ""
    """What stands after the page."""
    condition: str = ""
    """Tells sampled answers of equal content apart."""


class Answers(NamedTuple):
    """What the model said; slots in the order of presentation."""

    click: DoubleArray
    """float64 [t, k]: probability of a click."""
    stars: DoubleArray
    """float64 [t, k]: expected stars."""
    satisfaction: DoubleArray
    """float64 [t]: expected level, 1 to 5."""
    leave: DoubleArray
    """float64 [t]: probability of ending the visit."""


class Design:
    """One page for each of some users, drawn by the seed; rows of the design are users.

    Args:
        model: to be audited.
        dataset: catalog and ratings.
        seed: of users, items and their order.
        users: how many users; at most those who have enough later ratings.
        page_size: items a page.
        taken: items of a page that the user really rated later.
        parameters: for the templates and the ratings told; None for the defaults.

    Raises:
        ConfigError: a number is out of range.
    """

    def __init__(
        self,
        model: LanguageModel,
        dataset: Dataset,
        *,
        seed: int,
        users: int,
        page_size: int,
        taken: int = 2,
        parameters: LanguageParameters | None = None,
    ) -> None:
        self.pages = calibration_pages(dataset, seed=seed, users=users, taken=taken, page_size=page_size)
        known, _ = dataset.ratings.split_by_time(KNOWN_SHARE)
        self.known = known
        self.model, self.seed = model, seed
        self.population = known_population(dataset)
        self.catalog = dataset.catalog
        own = with_family(parameters or LanguageParameters(), model)
        self.templates = Templates(own.templates)
        # Descriptions keep their full length, so that conditions differ in nothing else.
        self._budget = PromptBudget(tokens=_ROOM, ratings=own.rating_history)
        self.asks = 0
        self._copies: list[tuple[int, str, str, str]] = []
        self._writer: PromptWriter | None = None

    def __len__(self) -> int:
        return len(self.pages.user_index)

    @property
    def user_id(self) -> npt.NDArray[np.int64]:
        """int64 [u]: outside ids."""
        return self.population.user_id[self.pages.user_index]

    @property
    def items(self) -> list[tuple[int, ...]]:
        """Catalog positions of each user's page."""
        return [tuple(row) for row in self.pages.item_index.tolist()]

    @property
    def writer(self) -> PromptWriter:
        """Writes prompts about items and the copies made so far."""
        if self._writer is None:
            catalog = _with_copies(self.catalog, self._copies)
            history = RatingHistory(self.known, self.population.user_id, catalog, rates=self.population.rates)
            self._writer = PromptWriter(
                catalog, self.population, self.templates, self.model.elicitation, history=history, budget=self._budget
            )
        return self._writer

    def tell_latest(self, most: int) -> None:
        """Have personas tell at most so many of a user's ratings from now on, the latest ones, where the templates tell any."""
        self._budget, self._writer = replace(self._budget, ratings=most), None

    def copy(self, item: int, *, title: str | None = None, description: str | None = None) -> int:
        """Make a copy of an item with other words, and return its position; the rest of the item stays."""
        prose = [
            "" if column is None else str(column[item] or "") for column in (self.catalog.description, self.catalog.caption)
        ]
        # Other words in place of the description leave out the caption, too: nothing else is to be told then.
        prose = prose if description is None else [description, ""]
        self._copies.append((item, str(self.catalog.title[item]) if title is None else title, prose[0], prose[1]))
        self._writer = None
        return len(self.catalog) + len(self._copies) - 1

    def parts(self, trial: AuditTrial) -> tuple[Part, ...]:
        """Return a trial's prompt after what is the same for everybody."""
        user, writer = int(self.pages.user_index[trial.user]), self.writer
        after = (Part("policy", trial.after),) if trial.after else ()
        page = writer.page(trial.items, 0, _ROOM)
        return (writer.persona(user), *writer.memory(trial.memory, trial.recent), page, *after)

    def answers(self, trials: Sequence[AuditTrial]) -> Answers:
        """Ask about pages, all of one size, and return the answers in order.

        Raises:
            RecSimError: the model failed.
        """
        writer, count = self.writer, len(trials[0].items)
        ids = self.user_id.tolist()
        asks = [
            Ask(
                Prompt((*writer.opening, *self.parts(trial))),
                writer.questions(trial.items),
                f"{self.seed} {ids[trial.user]} {trial.condition}",
                str(ids[trial.user]),
            )
            for trial in trials
        ]
        self.asks += len(asks)
        return _as_numbers([reply.answers for reply in self.model.ask(asks)], count)

    def about(self) -> dict[str, Any]:
        """Return the fields that every finding has."""
        return {"model": self.model.name, "realisation": self.model.elicitation, "users": len(self), "asks": self.asks}


def area_under_curve(score: DoubleArray, taken: npt.NDArray[np.bool_]) -> DoubleArray:
    """Return float64 [u]: chance that a taken item scores above another of the same page, equal scores counting half.

    Args:
        score: float64 [u, k].
        taken: bool [u, k]: some of each row, not all.

    Raises:
        ConfigError: a row is all taken or has nothing taken.
    """
    if (taken.all(axis=1) | ~taken.any(axis=1)).any():
        raise ConfigError("area under the curve: got a page with all or none taken, expected some of each")
    return pair_areas(score, taken, ~taken)


def _as_numbers(replies: Sequence[Sequence[Answer]], count: int) -> Answers:
    return Answers(
        click=np.array([[answer.probabilities[0] for answer in page[:count]] for page in replies]),
        stars=np.array([[answer.mean for answer in page[count : 2 * count]] for page in replies]),
        satisfaction=np.array([page[-2].mean for page in replies]),
        leave=np.array([page[-1].probabilities[0] for page in replies]),
    )


def _with_copies(catalog: Catalog, copies: Sequence[tuple[int, str, str, str]]) -> Catalog:
    if not copies:
        return catalog
    of, titles, described_as, captions = zip(*copies, strict=True)
    described = np.full(len(catalog), "", object) if catalog.description is None else catalog.description
    columns: dict[str, Any] = {
        name: np.concatenate([column, column[np.array(of)]])
        for name in ("genres", "year", "popularity", "features", "provider", "quality", "retired")
        if (column := getattr(catalog, name)) is not None
    }
    return replace(
        catalog,
        item_id=np.concatenate([catalog.item_id, catalog.item_id.max() + 1 + np.arange(len(copies))]),
        title=np.concatenate([catalog.title, np.array(titles, object)]),
        description=np.concatenate([described, np.array(described_as, object)]),
        caption=None if catalog.caption is None else np.concatenate([catalog.caption, np.array(captions, object)]),
        **columns,
    )
