"""The first screen of the report: who won, by how much, how sure that is, and with which users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from recsim_llm.comparison import CEILINGS, PLANNER, Summary
from recsim_llm.comparison.two_runs import WARNING
from recsim_llm.report import numbers
from recsim_llm.report.ceiling_words import compared_beaten, summary_beaten, warn_of_beaten
from recsim_llm.report.claims import DECIDED, Claim, best_claims, compared_claims
from recsim_llm.report.page_layout import fold, line_with_code
from recsim_llm.report.words import join_names
from recsim_llm.statistics import Estimate

__all__ = ["compared_head", "evidence_list", "facts_line", "first_screen", "page_title", "user_model_name", "winner"]

Content = Mapping[str, Any]

_USERS = {
    "choice": "statistical (choice model)",
    "language": "played by {model}",
    "cascade": "statistical (choice model), passing what they are unsure of to {model}",
    "replay": "replayed from recorded decisions",
}
_LONGEST_NAMES = 44
_MOST_NAMED = 3
_MOST_RIVALS = 5
_ABOUT_USERS = 'The users are simulated, not people: <a href="#section-how-far-to-trust-it">how far to trust it</a>.'


def first_screen(summary: Summary, manifest: Content, compared: Content | None, link: Callable[[Claim], str]) -> str:
    """Return title, winner, evidence against each other recommender, what its brackets mean, facts and notes.

    Args:
        summary: of the run.
        manifest: of the run.
        compared: what a comparison found; None where nothing was compared.
        link: gives the link of a claim to its worst visits.
    """
    title = page_title(summary.scenario, [arm.arm for arm in summary.arms], manifest)
    facts = facts_line(summary.users, len(summary.arms), manifest)
    claims = best_claims(summary, compared)
    said = (_winner(summary, compared, claims), evidence_list(claims, link), _sureness(summary, compared))
    beaten = warn_of_beaten(summary_beaten(summary), [arm.arm for arm in summary.arms])
    return _head(title, said, facts, summary.notes, beaten=[*summary.warnings, *beaten])


def compared_head(title: str, content: Content, manifest: Content, link: Callable[[Claim], str]) -> str:
    """Return the same of two runs compared.

    Args:
        title: of the page.
        content: what the comparison found; its warnings of where the runs drifted apart stand here.
        manifest: of the first run.
        link: as in ``first_screen``.
    """
    claims = compared_claims(content)
    said = (_compared_winner(content, claims), evidence_list(claims, link), _compared_sureness(content))
    warnings = [note for note in content["notes"] if note.startswith(WARNING)]
    beaten = warn_of_beaten(compared_beaten(content), content["arms"])
    facts = facts_line(content["users"], len(content["arms"]), manifest)
    return _head(title, said, facts, warnings, beaten=[*content["warnings"], *beaten])


def _head(title: str, said: tuple[str, str, str], facts: str, notes: Sequence[str], *, beaten: Sequence[str]) -> str:
    winning, evidence, sureness = said
    lines = "".join(f"<li>{line_with_code(note)}</li>" for note in notes)
    return "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            *(f'<p class="verdict">{line_with_code(line)}</p>' for line in beaten),
            f'<p class="verdict">{escape(winning)}</p>',
            evidence,
            f'<p class="aside">{escape(sureness)} {_ABOUT_USERS}</p>',
            f'<p class="facts">{escape(facts)}</p>',
            f'<ul class="notes">{lines}</ul>' if lines else "",
        ]
    )


def page_title(scenario: str, arms: Sequence[str], manifest: Content) -> str:
    """Return a title that tells this report from others: scenario, recommenders, data."""
    names = " against ".join(arms) if len(arms) == 2 else join_names(arms)
    shown = names if len(names) <= _LONGEST_NAMES else f"{len(arms)} recommenders"
    data = (manifest.get("data") or {}).get("name")
    return f"{scenario}: {shown}" + (f" on {data}" if data else "")


def winner(best: str, value: Estimate, label: str, claims: Sequence[Claim]) -> str:
    """Say in one sentence who won, or that nobody did.

    Args:
        best: the recommender with the most.
        value: of the metric that decides, with the best.
        label: of that metric, in a sentence.
        claims: the best against each other recommender.
    """
    rivals = [claim for claim in claims if claim.against not in CEILINGS]
    amount = numbers.with_interval(value, share=bool(claims) and claims[0].share)
    if not rivals:
        return f"{best}: {label} {amount}. It has nothing to be compared with."
    won = [claim for claim in rivals if claim.verdict == "better" and claim.state == DECIDED]
    if len(won) == len(rivals):
        return f"{best} has the most {label}: {amount}."
    if all(claim.verdict == "identical" for claim in rivals):
        return f"No winner in {label}: every user gave all the same."
    if not won:
        return f"No winner in {label} is decided; {best} has {amount}."
    level = [claim.against for claim in rivals if claim not in won]
    others = join_names(level) if len(level) <= _MOST_NAMED else f"{len(level)} of {len(rivals)} others"
    return f"{best} is ahead in {label}, {amount}, but not decidedly ahead of {others}."


def evidence_list(claims: Sequence[Claim], link: Callable[[Claim], str]) -> str:
    """Return a line for each rival, the nearest first: evidence state, difference, worst visits; a long list is folded."""
    ordered = sorted(claims, key=lambda claim: (claim.against in CEILINGS, claim.effect.value or 0.0))
    lines = [
        f"<li><b>{escape(claim.state)}</b><span>{escape(_difference(claim))} {link(claim)}</span></li>" for claim in ordered
    ]
    seen = f'<ul class="evidence">{"".join(lines[:_MOST_RIVALS])}</ul>' if lines else ""
    rest = lines[_MOST_RIVALS:]
    return seen + (fold(f"{len(rest)} more", f'<ul class="evidence">{"".join(rest)}</ul>') if rest else "")


def user_model_name(manifest: Content) -> str:
    """Return the name of the user model, which the manifest gives as a name or as settings with a name."""
    value = manifest.get("user_model")
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")


def facts_line(users: int, arms: int, manifest: Content) -> str:
    """Return the facts of a run in one line: users, recommenders, data, pages, seed."""
    data = (manifest.get("data") or {}).get("name")
    model = ((manifest.get("models") or {}).get("user") or {}).get("name") or "a language model"
    kind = _USERS.get(user_model_name(manifest), "").format(model=model)
    said = f"{numbers.count(users)} simulated {'user' if users == 1 else 'users'}"
    facts = [
        f"{said}, {kind}" if kind else said,
        f"{arms} {'recommender' if arms == 1 else 'recommenders'}",
        *([f"data {data}"] if data else []),
        f"pages of {manifest['slate_size']}, at most {manifest['max_pages']} a visit",
        f"seed {manifest['seed']}",
    ]
    return " · ".join(facts)


def _winner(summary: Summary, compared: Content | None, claims: Sequence[Claim]) -> str:
    waiting = [arm.arm for arm in summary.arms if not arm.finished]
    if waiting:
        return f"The run is not finished ({', '.join(waiting)}): nothing can be claimed before it is resumed."
    if compared is None:
        value = summary.arm(summary.best).metrics["clicks_per_user"]
        return winner(summary.best, value, "clicks per user", claims)
    return _compared_winner(compared, claims)


def _compared_winner(content: Content, claims: Sequence[Claim]) -> str:
    metric, best = content["metrics"][0], content["best"]
    return winner(best, numbers.read_estimate(content["values"][metric["key"]][best]), metric["label"].lower(), claims)


def _difference(claim: Claim) -> str:
    known = "which knows the users and looks ahead" if claim.against == PLANNER else "which knows the users"
    rival = f"the {claim.against}, {known}" if claim.against in CEILINGS else claim.against
    if claim.verdict == "identical":
        return f"the same from every user as {rival}"
    amount = numbers.with_interval(claim.effect, share=claim.share, sign=True)
    said = f"{amount} {'over' if claim.verdict == 'better' else 'against'} {rival}"
    if claim.verdict in ("better", "worse") and claim.state == DECIDED and not claim.effect.excludes(0.0):
        return f"{said}, by how much is open"
    return f"{said}, less than matters" if claim.verdict == "no difference that matters" else said


def _sureness(summary: Summary, compared: Content | None) -> str:
    if compared is not None:
        return _compared_sureness(compared)
    rivals = [arm for arm in summary.arms if arm.arm not in CEILINGS]
    together = " that hold together over all pairs" if len(summary.arms) > 2 else ""
    same = ", the same users served by all" if len(rivals) > 1 else ""
    users = numbers.counted(max(arm.users for arm in summary.arms), "user")
    return (
        f"In brackets: {summary.confidence:.0%} intervals with the user as the unit{together}{same}; {users}, "
        f"seed {summary.seed}."
    )


def _compared_sureness(content: Content) -> str:
    return f"In brackets: where the value or the difference lies. {content['verdict'][-1]} Seed {content['seed']}."
