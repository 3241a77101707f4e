"""The audits of recommenders by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from recsim_llm.agents.audits.audit_kinds import AuditKind
from recsim_llm.agents.audits.audit_rows import AuditRow
from recsim_llm.agents.audits.forgetting import ASKINGS, Forgetting, forgetting
from recsim_llm.core.ratings import Dataset
from recsim_llm.recommenders.base import Recommender

__all__ = ["POLICY_AUDITS"]

_FORGOTTEN, _OTHERS, _FITS = 30, 3, 5  # the others are so many for each who is forgotten


def _forgotten(make: Callable[[], Recommender], dataset: Dataset, seed: int, users: int) -> Forgetting:
    return forgetting(make, dataset, seed=seed, users=users, others=_OTHERS * users)


def _forgetting_rows(found: Forgetting, stars: bool) -> Sequence[AuditRow]:
    del stars  # pages hold items, whatever they were learned from
    rows = []
    for one in found.askings:
        who = f"pages of {ASKINGS[one.who]}"
        nearer = "lean to having seen the forgotten, agreement"
        rows += [
            AuditRow(label=f"{who}: {nearer}", estimate=one.kept, sound=0.0, expected="at most", leading=True),
            AuditRow(label=f"{who}: {nearer}, before anything was forgotten", estimate=one.had, sound=0.0, expected="above"),
            AuditRow(
                label=f"{who}: forgot or never saw, guessed rightly, share",
                estimate=one.guessed,
                sound=0.5,
                expected="at most",
            ),
            AuditRow(label=f"{who}: the same before anything was forgotten, share", estimate=one.had_guessed),
            AuditRow(label=f"{who}: agreement with never having seen them", estimate=one.agreement),
            AuditRow(label=f"{who}: the same before anything was forgotten", estimate=one.had_agreement),
            AuditRow(label=f"{who}: distance of ranks from never having seen them", estimate=one.rank_distance),
        ]
    moved = "exposure among the others that lies elsewhere than if the forgotten were never seen, share"
    return [
        *rows,
        AuditRow(label=moved, estimate=found.exposure),
        AuditRow(label=f"{moved}, before anything was forgotten", estimate=found.had_exposure),
    ]


POLICY_AUDITS: Mapping[str, AuditKind] = MappingProxyType(
    {
        "forgetting": AuditKind(
            question="does a recommender that was to forget users recommend as if it had never seen them?",
            users=_FORGOTTEN,
            asks=_FITS * (2 + _OTHERS),
            page_size=20,
            questions=1,
            recommender=_forgotten,
            rows=_forgetting_rows,
        )
    }
)
"""What ``recsim-llm audit`` can run on any recommender, by name."""
