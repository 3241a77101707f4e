"""The page that a probe asks about, and one of ten items for what a page would cost."""

from __future__ import annotations

import json

from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.base.wire import RawReply

__all__ = ["ASK", "CODE_SCHEMA", "LONE", "is_code", "page_of"]

_RULES = Part("rules", "You answer for a person who browses a page of films and decides what to watch.")
_PERSONA = Part("persona", "You love Comedy, Drama and Crime. You also like War. You seldom choose Horror or Western.")
_FILMS = ('"The Quiet Station" (1999) | Comedy, Drama', '"Night of the Red Moon" (2004) | Horror')


def page_of(items: int, *, leads: bool = False) -> Ask:
    """Return what is asked about a page: a click and stars an item, satisfaction, leaving.

    Args:
        items: on the page, 1 or more.
        leads: with words before each answer, for questions that are asked alone.
    """
    numbers = range(1, items + 1)
    lines = "\n".join(f"{number}. {_FILMS[(number - 1) % len(_FILMS)]}" for number in numbers)

    def lead(words: str) -> str:
        return words if leads else ""

    def title(number: int) -> str:
        return f"{number}. {_FILMS[(number - 1) % len(_FILMS)].partition(' (')[0]}"

    questions = (
        *(yes_no(f"click_{n}", f"Would you click on item {n}?", lead(f"{title(n)}, take it?")) for n in numbers),
        *(
            score(f"stars_{n}", f"How many stars would you give item {n}?", lead=lead(f"{title(n)}, stars 1 to 5:"))
            for n in numbers
        ),
        score("satisfaction", "How satisfied are you with this page?", lead=lead("Content with the page, 1 to 5:")),
        yes_no("leave", "Would you leave now?", lead("Leave now?")),
    )
    return Ask(Prompt((_RULES, _PERSONA, Part("page", f"<page>\n{lines}\n</page>"))), questions)


ASK = page_of(2)
"""Two items, all that users are asked."""
LONE = page_of(2, leads=True)
"""The same, each question with the words before its answer."""

_CODES = (417, 863)
CODE_SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "integer", "enum": list(_CODES)}},
    "required": ["code"],
    "additionalProperties": False,
}
"""A schema that allows two numbers, of which a poem about the rain has no word."""


def is_code(reply: RawReply) -> bool:
    """Return whether a reply keeps to the schema of codes."""
    try:
        stated = json.loads(reply.texts[0])
    except (ValueError, IndexError, RecursionError):
        return False
    return isinstance(stated, dict) and stated.keys() == {"code"} and stated["code"] in _CODES
