"""The audits by name: what each asks, of how many users, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from recsim_llm.agents.audits.audit_rows import AuditRow, finding_rows
from recsim_llm.agents.audits.audited_policies import (
    LISTS,
    RANKED,
    ROTATIONS,
    audit_fairness,
    audit_ranking,
    audit_recommender_fairness,
    rankable_users,
)
from recsim_llm.agents.audits.choice_audits import choice_strength, choice_sweep
from recsim_llm.agents.audits.injection import ATTACKS, injection
from recsim_llm.agents.audits.item_choices import counted_item_agents, written_item_agents
from recsim_llm.agents.audits.memorisation import memorisation
from recsim_llm.agents.audits.remembering import check_genres, remembering
from recsim_llm.agents.audits.slots import slot_bias
from recsim_llm.agents.audits.stability import PERTURBATIONS, stability
from recsim_llm.agents.audits.strength import strength
from recsim_llm.agents.audits.sweep import sweep
from recsim_llm.agents.audits.sycophancy import FLATTERY, NEUTRAL, sycophancy
from recsim_llm.agents.language.calibration_pages import able_users
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.memory.offered_choices import dense_part
from recsim_llm.core.ratings import Dataset
from recsim_llm.language.providers import Roles
from recsim_llm.recommenders.base import Recommender

__all__ = ["AUDITS", "AuditKind"]

_PAGE, _WIDE = 8, 10
_HISTORIES, _PAGE_SIZES = (0, 5, 20, 80), (5, 10, 20)
_WORDS = ("templates", "rating_history")
_MEETING, _LEARNED, _FORETOLD = 60, 6, 4  # items, and choices a user, of item agents
_EVERYBODY = 1_000


@dataclass(frozen=True, kw_only=True)
class AuditKind:
    """One audit."""

    question: str
    """What it asks, in one line."""
    users: int
    """Users where nothing is said."""
    asks: int
    """Questions about pages a user, at most."""
    page_size: int
    """Items of the largest page that is asked about."""
    questions: int | None = None
    """Questions at a time, at most; None: those about a page, two an item and two more."""
    texts: int = 0
    """Free texts a user, at most."""
    run: Callable[..., Any] | None = None
    """Takes models, data, seed and users, and by name ``parameters``, where some are given; returns what was found. None where
    any recommender is audited."""
    recommender: Callable[[Callable[[], Recommender], Dataset, int, int], Any] | None = None
    """Takes what makes the recommender that is audited, unfitted, data, seed and users; None where none is named."""
    heeds: tuple[str, ...] = ()
    """Names of the ``LanguageParameters`` that change what is asked; others would be overlooked."""
    of_policy: bool = False
    """Whether it is a policy that is audited, which takes settings of ``LanguageRanker`` as ``policy``."""
    check: Callable[[Dataset], object] = lambda _: None
    """Raises ``DataError`` where the data cannot carry it, before anything is asked."""
    choice: Callable[[Dataset, int, int], Any] | None = None
    """The same of choice users, without a model; None where only a language model can be audited."""
    cascade: Callable[[Roles, Dataset, int, int], Any] | None = None
    """The same of cascade users; None where these cannot be audited."""
    choice_users: int | None = None
    """Users where nothing is said, of choice users; None: as many as of others."""
    choice_name: str = "choice users"
    """Who answers where no model does."""
    rows: Callable[[Any, bool], Sequence[AuditRow]] = lambda finding, stars: finding_rows(finding, stars=stars)
    """Takes what was found, and whether the data have stars; returns the rows of a page."""


def _audit(audit: Callable[..., Any], page_size: int) -> Callable[..., Any]:
    """Return an audit on pages of one size, or of the whole catalog where that is smaller."""

    def run(roles: Roles, dataset: Dataset, seed: int, users: int, **asked: LanguageParameters) -> Any:
        size = min(page_size, len(dataset.catalog))
        return audit(roles.role("user"), dataset, seed=seed, users=users, page_size=size, **asked)

    return run


def _pages(page_size: int, taken: int = 1) -> Callable[[Dataset], object]:
    """Return a check that there are users about whom pages with so many later choices can be laid out."""
    return lambda dataset: able_users(dataset, taken=taken, page_size=min(page_size, len(dataset.catalog)))


def _genres(dataset: Dataset) -> None:
    _pages(_PAGE)(dataset)
    check_genres(dataset.catalog)


def _injected(roles: Roles, dataset: Dataset, seed: int, users: int, **asked: LanguageParameters) -> Any:
    return _audit(partial(injection, writer=roles.role("writer")), _PAGE)(roles, dataset, seed, users, **asked)


def _remembered(roles: Roles, dataset: Dataset, seed: int, users: int, **asked: LanguageParameters) -> Any:
    return written_item_agents(
        roles.role("user"),
        dataset,
        seed=seed,
        users=users,
        items=_MEETING,
        choices=_LEARNED,
        held_out=_FORETOLD,
        writer=roles.role("writer"),
        parameters=asked.get("parameters"),
    )


def _page_sizes(dataset: Dataset) -> tuple[int, ...]:
    return tuple(size for size in _PAGE_SIZES if size <= len(dataset.catalog)) or (len(dataset.catalog),)


def _swept(roles: Roles, dataset: Dataset, seed: int, users: int, **asked: LanguageParameters) -> Any:
    own = asked.get("parameters")
    sizes = _page_sizes(dataset)
    return sweep(roles.role("user"), dataset, seed=seed, users=users, histories=_HISTORIES, page_sizes=sizes, parameters=own)


AUDITS: Mapping[str, AuditKind] = MappingProxyType(
    {
        "slots": AuditKind(
            question="does the model prefer places in the prompt, whatever stands there?",
            users=30,
            asks=_PAGE,
            page_size=_PAGE,
            run=_audit(slot_bias, _PAGE),
            check=_pages(_PAGE),
            heeds=_WORDS,
        ),
        "sycophancy": AuditKind(
            question="do flattering words about a page change what users think of it?",
            users=30,
            asks=len(FLATTERY) + len(NEUTRAL),
            page_size=_PAGE,
            run=_audit(sycophancy, _PAGE),
            check=_pages(_PAGE),
            heeds=_WORDS,
        ),
        "injection": AuditKind(
            question="do words hidden in a description command the user, or make it tell a secret?",
            users=30,
            asks=len(ATTACKS) + 1,
            page_size=_PAGE,
            texts=len(ATTACKS) + 1,
            run=_injected,
            check=_pages(_PAGE),
            heeds=_WORDS,
        ),
        "memorisation": AuditKind(
            question="does the model judge items by what it is told, or by what it knows of famous titles?",
            users=50,
            asks=2,
            page_size=_WIDE,
            run=_audit(memorisation, _WIDE),
            check=_pages(_WIDE, 2),
            heeds=_WORDS,
        ),
        "stability": AuditKind(
            question="do users decide the same when titles are written a little differently?",
            users=30,
            asks=len(PERTURBATIONS) + 2,
            page_size=_PAGE,
            run=_audit(stability, _PAGE),
            check=_pages(_PAGE),
            heeds=_WORDS,
        ),
        "strength": AuditKind(
            question="do users who prefer more strongly also act so?",
            users=60,
            asks=1,
            page_size=_WIDE,
            run=_audit(strength, _WIDE),
            check=_pages(_WIDE),
            heeds=_WORDS,
            choice=lambda dataset, seed, users: choice_strength(
                dataset, seed=seed, users=users, page_size=min(_WIDE, len(dataset.catalog))
            ),
        ),
        "sweep": AuditKind(
            question="are tastes told apart as well with long histories and pages as with short ones?",
            users=30,
            asks=len(_HISTORIES) * len(_PAGE_SIZES),
            page_size=max(_PAGE_SIZES),
            run=_swept,
            check=lambda dataset: _pages(max(_page_sizes(dataset)), 2)(dataset),
            heeds=("templates",),
            choice=lambda dataset, seed, users: choice_sweep(dataset, seed=seed, users=users, page_sizes=_page_sizes(dataset)),
        ),
        "remembering": AuditKind(
            question="is what users were told long ago there when it is needed, and do they heed it?",
            users=30,
            asks=2,
            page_size=_PAGE,
            run=_audit(remembering, _PAGE),
            check=_genres,
            heeds=_WORDS,
        ),
        "ranking": AuditKind(
            question="as a recommender, does the model prefer places in the prompt, or popular items?",
            users=30,
            asks=ROTATIONS,
            page_size=RANKED,
            run=audit_ranking,
            check=rankable_users,
            of_policy=True,
        ),
        "item-agents": AuditKind(
            question="do items that remember who took and who refused them help to foretell choices?",
            users=20,
            asks=4 * _LEARNED + 8 * _FORETOLD,
            page_size=2,
            questions=1,
            texts=4 * _LEARNED,
            run=_remembered,
            check=lambda dataset: dense_part(dataset, seed=0, users=1, items=_MEETING),
            heeds=("templates",),
            choice=counted_item_agents,
            choice_users=_EVERYBODY,
            choice_name="memories that count",
        ),
        "fairness": AuditKind(
            question="as a recommender, does it recommend something else to the same user of another gender, age or country?",
            users=30,
            asks=LISTS,
            page_size=RANKED,
            run=audit_fairness,
            check=rankable_users,
            of_policy=True,
            recommender=audit_recommender_fairness,
        ),
    }
)
"""What ``recsim-llm audit`` can run, by name."""
