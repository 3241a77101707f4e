"""What the report says of its users: who they are, what they cannot show, and how they did against real people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from recsim_llm.report.card_file import CARD_FILE, read_card
from recsim_llm.report.first_screen import user_model_name
from recsim_llm.report.page_layout import line_with_code, table
from recsim_llm.report.realism_figures import CARD_FIGURES
from recsim_llm.report.realism_rows import ROLES, headline, row_cells, standing
from recsim_llm.report.summary_tables import Cell

__all__ = ["CARD_FIGURE", "read_run_card", "trust_section"]

Content = Mapping[str, Any]

CARD_FIGURE = CARD_FIGURES[0]
"""The card's figure that the report of a run shows, too."""
_USERS = {
    "choice": "The users are statistical: a choice model, fitted to {data} or set by hand, says how likely each look, {acts} "
    "is, and keyed random numbers decide.",
    "language": "The users are played by a language model, which says how likely each {acts} is; keyed random numbers decide.",
    "cascade": "The users are a statistical choice model that passes the pages it is unsure of to a language model; keyed "
    "random numbers decide.",
    "replay": "The users replay recorded decisions; what they never saw, they cannot judge.",
}
_ANY_USERS = "The users are simulated: a model says how likely each {acts} is, and keyed random numbers decide."
_STARS = {"data": "ratings", "acts": "click, rating and departure"}
_NO_STARS = {"data": "clicks or purchases", "acts": "click and departure"}
_NOT_PEOPLE = (
    "They are not people. What is measured here is how these recommenders do with these simulated users; whether people "
    "would act alike is a separate question. "
)
_NO_CARD = (
    "It has not been asked here: <code>recsim-llm realism --data DATA --users MODEL --out CARD</code> scores users against "
    "real people, and <code>recsim-llm report RUN --realism CARD</code> puts the answer on this page."
)
_CARD = "The realism card, measured on {data} of real people that the users had not seen, says how near they come."
_LIMITS = (
    "Tastes that were fitted by a factor model favour recommenders of that family: matrix factorisation then looks for what "
    "matrix factorisation put there. Take a lead of such a recommender for an upper bound until users of another make "
    "confirm it.",
    "Every recommender served the same users with the same dice, so differences are taken user by user. Intervals are over "
    "users of this population and this seed; they do not cover errors of the user model itself.",
)
_LEGEND = (
    "Behind each number the row that it is of, below it the 95% interval and how the users of the card stand against that row, "
    "where the interval of the paired difference leaves out zero. All lines and rows are in the card itself."
)


def read_run_card(run: Path) -> dict[str, Any] | None:
    """Return the realism card in a run folder; None where there is none.

    Raises:
        LogError: the file is no realism card.
    """
    return read_card(run) if (run / CARD_FILE).is_file() else None


def trust_section(manifest: Content, card: Content | None, figure: str) -> str:
    """Return the section.

    Args:
        manifest: of the run.
        card: as ``read_run_card`` returns it.
        figure: ``svg`` element of the card's figure; empty where the card cannot have it.
    """
    words = _NO_STARS if (manifest.get("data") or {}).get("feedback") == "implicit" else _STARS
    parts = [
        "<h2>How far to trust it</h2>",
        f"<p>{_USERS.get(user_model_name(manifest), _ANY_USERS).format(**words)}</p>",
        f"<p>{_NOT_PEOPLE}{(_NO_CARD if card is None else _CARD).format(**words)}</p>",
        *_little_known(manifest),
        *(_card(manifest, card, figure) if card is not None else ()),
        *(f"<p>{text}</p>" for text in _LIMITS),
    ]
    return "\n".join(parts)


def _little_known(manifest: Content) -> Iterator[str]:
    """Say what the data were too few to tell of the users; nothing where they were enough."""
    notes = (manifest.get("population") or {}).get("little_known") or ()
    if notes:
        told = "".join(f"<li>{line_with_code(note[:1].upper() + note[1:])}.</li>" for note in notes)
        yield f"<p>What the data do not tell of these users:</p>\n<ul>{told}</ul>"


def _card(manifest: Content, card: Content, figure: str) -> Iterator[str]:
    yield f'<p class="verdict minor">{escape(headline(card))}</p>'
    doubts = list(_doubts(manifest, card))
    if doubts:
        yield f"<p>{escape(' '.join(doubts))}</p>"
    yield (
        table(["Users of the card", *map(escape, ROLES)], [("", list(_rows(card)))])
        + f'\n<p class="aside">{escape(_LEGEND)}</p>'
    )
    if figure:
        title, caption = escape(CARD_FIGURE.title(card)), escape(CARD_FIGURE.caption)
        yield f'<figure class="single"><h3 id="{CARD_FIGURE.name}-title">{title}</h3>\n{figure}'
        yield f"<figcaption>{caption}</figcaption></figure>"


def _doubts(manifest: Content, card: Content) -> Iterator[str]:
    """Say where the card is not about the users of this run."""
    users, data = user_model_name(manifest), manifest.get("data") or {}
    if users and users not in card["name"]:
        yield f"The card is of {card['name']}, and this run's users are {users}."
    if data.get("fingerprint") != card["fingerprint"]:
        other = "a part or another version of" if data.get("name") == card["data"] else "other data than this run's,"
        yield f"The card was measured on {other} {card['data']}."


def _rows(card: Content) -> Iterator[tuple[str, list[Cell]]]:
    for line in card["lines"]:
        if line["measures"]:
            measure = line["measures"][0]
            (_, own, _), *others = row_cells(measure)
            cells = [own, *(_rival(*other) for other in others)]
            yield f"{line['name'].capitalize()}: {measure['name']} ({measure['unit']})", cells


def _rival(name: str, cell: Cell, words: str) -> Cell:
    return Cell(f"{cell.value} {name}".strip(), f"{cell.interval} {standing(words)}".strip())
