"""The visits behind a verdict: users with whom a recommender fell behind most, page by page with both recommenders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from recsim_llm.log.visit_rows import VisitKey, VisitRows
from recsim_llm.report import numbers
from recsim_llm.report.claims import Claim
from recsim_llm.report.names import Names
from recsim_llm.report.page_layout import fold
from recsim_llm.report.visit_pages import visit_pages

__all__ = ["WorstVisits", "worst_visits_section"]

_MOST_PAGES = 3
_FIRST_VISIT = 0
_LINK = "worst visits"


class _Case(NamedTuple):
    """A user with whom one recommender fell behind another."""

    arm: str
    against: str
    user_id: int


class WorstVisits:
    """The users to look at for some claims, each once however many metrics point there.

    Args:
        claims: what the page claims; of each the user who lost most is looked at.
        arms: names of the recommenders, in an order that gives the places on the page.
    """

    def __init__(self, claims: Iterable[Claim], arms: Sequence[str]) -> None:
        self._arms = [*arms]
        self.cases: dict[_Case, list[Claim]] = {}
        """By case the claims that it speaks against."""
        for claim in claims:
            case = _case(claim)
            if case is not None:
                known = self.cases.setdefault(case, [])
                if all(claim.metric != other.metric for other in known):
                    known.append(claim)

    def visits(self) -> set[VisitKey]:
        """Return the visits to read: the first one of each user with either recommender."""
        return {VisitKey(arm, case.user_id, _FIRST_VISIT) for case in self.cases for arm in (case.arm, case.against)}

    def link(self, claim: Claim) -> str:
        """Return the link of a claim to its worst visits, as HTML; where nobody lost it says so."""
        case = _case(claim)
        if case is None:
            return "" if claim.effect.value is None else "<small>nobody fell behind</small>"
        label = escape(f"Worst visits behind {claim.metric.lower()}: {claim.arm} against {claim.against}", quote=True)
        return f'<a class="worst" href="#{self.place(case)}" aria-label="{label}">{_LINK}</a>'

    def place(self, case: _Case) -> str:
        """Return the id of a case on the page."""
        return f"worst-{self._arms.index(case.arm)}-{self._arms.index(case.against)}-{case.user_id}"


def worst_visits_section(worst: WorstVisits, rows: Mapping[VisitKey, VisitRows], names: Mapping[str, Names]) -> str:
    """Return the section; empty where no recommender fell behind with anybody.

    Args:
        worst: the users to look at.
        rows: their visits.
        names: by recommender, of its items and users.
    """
    if not worst.cases:
        return ""
    about = (
        "For each pair and metric the user with whom the recommender fell behind the other most, whatever the verdict on all "
        f"users is: their first visit with both, the first {_MOST_PAGES} pages of it. Picked for being extreme, they show what "
        "can go wrong and not how often."
    )
    parts = [_entry(worst, case, rows, names[case.arm]) for case in worst.cases]
    content = "\n".join(parts)
    return f'<h2>Worst visits</h2>\n<p class="aside">{about}</p>\n<div class="cases">\n{content}\n</div>'


def _case(claim: Claim) -> _Case | None:
    return _Case(claim.arm, claim.against, int(claim.lost[0]["user_id"])) if claim.lost else None


def _entry(worst: WorstVisits, case: _Case, rows: Mapping[VisitKey, VisitRows], names: Names) -> str:
    said = "; ".join(_amounts(claim) for claim in worst.cases[case])
    title = f"{case.arm} against {case.against}, {names.user(case.user_id)}: {said}"
    others = [user for claim in worst.cases[case][:1] for user in claim.lost[1:]]
    more = f"Next worst: {', '.join(names.user(user['user_id']) for user in others)}." if others else ""
    parts = [f'<p class="aside">{escape(more)}</p>'] if more else []
    for arm in (case.arm, case.against):
        visit = rows.get(VisitKey(arm, case.user_id, _FIRST_VISIT))
        pages = visit_pages(visit, names, most_pages=_MOST_PAGES, opened=False) if visit else "<p>Not in the log.</p>"
        parts.append(f"<div><h3>With {escape(arm)}</h3>\n{pages}</div>")
    return f'<div id="{worst.place(case)}">{fold(title, chr(10).join(parts))}</div>'


def _amounts(claim: Claim) -> str:
    user: Mapping[str, Any] = claim.lost[0]
    one, other = (numbers.plain(user[name], 2, share=claim.share).removesuffix(".00") for name in ("one", "other"))
    return f"{claim.metric.lower()} {one} against {other}"
