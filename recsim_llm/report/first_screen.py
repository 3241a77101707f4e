"""The first screen of the report: who won, by how much, how sure that is, and with which users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from recsim_llm.comparison import ORACLE, Summary
from recsim_llm.report import numbers
from recsim_llm.report.words import join_names, verdict
from recsim_llm.statistics import Estimate

__all__ = ["compared_verdict", "first_screen", "user_model_name"]

Content = Mapping[str, Any]

_USERS = {
    "choice": "statistical (choice model)",
    "language": "played by {model}",
    "cascade": "statistical (choice model), passing what they are unsure of to {model}",
    "replay": "replayed from recorded decisions",
}
_LEVEL = ("undecided", "identical", "no difference that matters")


def first_screen(summary: Summary, manifest: Content, compared: Content | None) -> str:
    """Return title, facts, verdict, what its brackets mean, and notes.

    Args:
        summary: of the run.
        manifest: of the run.
        compared: what a comparison found; None where nothing was compared.
    """
    notes = "".join(f"<li>{escape(note)}</li>" for note in summary.notes)
    said = verdict(summary) if compared is None else compared_verdict(compared)
    return "\n".join(
        [
            f"<h1>{escape(summary.scenario)}</h1>",
            f'<p class="facts">{escape(" · ".join(_facts(summary, manifest)))}</p>',
            f'<p class="verdict">{escape(said)}</p>',
            f'<p class="aside">{escape(_sureness(summary, compared))} The users are simulated, not people: '
            '<a href="#section-how-far-to-trust-it">how far to trust it</a>.</p>',
            f'<ul class="notes">{notes}</ul>' if notes else "",
        ]
    )


def compared_verdict(content: Content) -> str:
    """Say in one or two sentences what was decided between the best recommender and each of the others."""
    metric, best = content["metrics"][0], content["best"]
    label, share = metric["label"].lower(), metric["unit"] == "share"
    rows = dict(_against(content, best))
    won = {rival: row for rival, row in rows.items() if row[0] == "better" and rival != ORACLE}
    lost = {rival: row for rival, row in rows.items() if row[0] == "worse" and rival != ORACLE}
    level = {rival: row for rival, row in rows.items() if row[0] in _LEVEL and rival != ORACLE}
    parts = []
    if won:
        gains = join_names([f"{_amount(row, share)} over {rival}" for rival, row in won.items()])
        start = f"{best} {'leads' if not level and not lost else 'is ahead'} in {label}"
        parts.append(f"{start}: {gains}.")
    for words, group in ((f"Nothing is decided in {label} between {best} and", level), (f"{best} falls behind", lost)):
        if group:
            parts.append(f"{words} {join_names([f'{rival} ({_amount(row, share)})' for rival, row in group.items()])}.")
    if ORACLE in rows and rows[ORACLE][0] == "worse":
        turned = (rows[ORACLE][0], rows[ORACLE][1].turned())
        parts.append(f"The oracle, which knows the users, has {_amount(turned, share)} more than {best}.")
    return " ".join(parts) or " ".join(content["verdict"])


def user_model_name(manifest: Content) -> str:
    """Return the name of the user model, which the manifest gives as a name or as settings with a name."""
    value = manifest.get("user_model")
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")


def _against(content: Content, best: str) -> Iterator[tuple[str, tuple[str, Estimate]]]:
    """Yield each rival of the best with the verdict and the difference, both as the best's."""
    turned = {"better": "worse", "worse": "better"}
    for row in content["comparisons"]:
        if row["metric"] != content["metrics"][0]["key"] or best not in (row["arm"], row["against"]):
            continue
        effect = numbers.read_estimate(row["effect"])
        if row["arm"] == best:
            yield row["against"], (row["verdict"], effect)
        else:
            yield row["arm"], (turned.get(row["verdict"], row["verdict"]), effect.turned())


def _amount(row: tuple[str, Estimate], share: bool) -> str:
    said, effect = row
    if said == "identical":
        return "the same from every user"
    open_size = said in ("better", "worse") and not effect.excludes(0.0)
    amount = numbers.with_interval(effect, share=share, sign=True) + (", by how much is open" if open_size else "")
    return amount + (", less than matters" if said == "no difference that matters" else "")


def _facts(summary: Summary, manifest: Content) -> list[str]:
    arms, data = len(summary.arms), (manifest.get("data") or {}).get("name")
    model = ((manifest.get("models") or {}).get("user") or {}).get("name") or "a language model"
    kind = _USERS.get(user_model_name(manifest), "").format(model=model)
    users = f"{numbers.count(summary.users)} simulated {'user' if summary.users == 1 else 'users'}"
    return [
        f"{users}, {kind}" if kind else users,
        f"{arms} {'recommender' if arms == 1 else 'recommenders'}",
        *([f"data {data}"] if data else []),
        f"pages of {manifest['slate_size']}, at most {manifest['max_pages']} a visit",
        f"seed {summary.seed}",
    ]


def _sureness(summary: Summary, compared: Content | None) -> str:
    if compared is not None:
        return f"In brackets: where the difference lies. {compared['verdict'][-1]}"
    rivals = [arm for arm in summary.arms if arm.arm != ORACLE]
    together = " that hold together over all pairs" if len(summary.arms) > 2 else ""
    same = ", the same users served by all" if len(rivals) > 1 else ""
    return f"In brackets: {summary.confidence:.0%} intervals with the user as the unit{together}{same}."
