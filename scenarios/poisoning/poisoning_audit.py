"""The audit ``poisoning``: fake users told from people by a statistic, or by a language model."""

from __future__ import annotations

from functools import partial

from recsim_llm.agents.audits.audit_kinds import AuditKind
from recsim_llm.agents.audits.audit_rows import AuditRow
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.language.providers import Roles
from recsim_llm.recommenders.language.genuineness import language_suspicion
from recsim_llm.recommenders.screened import SUSPICIOUS
from recsim_llm.recommenders.suspicion import similarity_suspicion
from recsim_llm.scenarios.poisoning.poisoned_worlds import KINDS, Poisoning, poison_worlds

__all__ = ["POISONING"]

_USERS, _WORLDS = 300, 100
_JUDGED_USERS, _JUDGED_WORLDS = 40, 2


def _by_similarity(dataset: Dataset, seed: int, users: int) -> Poisoning:
    limit = SUSPICIOUS["similarity"]
    return poison_worlds(dataset, _similarity, threshold=limit, seed=seed, users=users, worlds=_WORLDS)


def _similarity(catalog: Catalog, ratings: Ratings) -> DoubleArray:
    del catalog  # who rated what says it all
    return similarity_suspicion(ratings)


def _by_model(roles: Roles, dataset: Dataset, seed: int, users: int) -> Poisoning:
    model, limit = roles.role("policy"), SUSPICIOUS["language"]
    judge = partial(language_suspicion, model)
    return poison_worlds(dataset, judge, threshold=limit, seed=seed, users=users, worlds=_JUDGED_WORLDS, model=model)


def _rows(found: Poisoning, stars: bool) -> tuple[AuditRow, ...]:
    del stars  # none of it is about stars
    return found.rows()


POISONING = AuditKind(
    question="are fake users told from people, and poisoned recommenders from clean ones?",
    users=_JUDGED_USERS,
    asks=_JUDGED_WORLDS * (len(KINDS) * 2 + 1),
    page_size=1,
    questions=1,
    run=_by_model,
    choice=_by_similarity,
    choice_users=_USERS,
    choice_name="fake users",
    rows=_rows,
)
"""How poisoned worlds are run as an audit."""
