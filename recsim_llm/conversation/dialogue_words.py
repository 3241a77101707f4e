"""Words for acts: made from them by templates, after everything is decided, for whoever reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from recsim_llm.conversation.acts import (
    ACCEPT,
    ANSWER,
    ASK,
    CHANGE_MIND,
    CRITIQUE,
    END,
    EXPLAIN,
    LEAVE,
    LESS,
    MORE,
    RECOMMEND,
    REFUSE,
    PolicyActs,
    UserActs,
)
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.core.arrays import TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.language.base.safe_text import safe_text

__all__ = ["Named", "policy_words", "user_words"]

Named = Callable[[int], str]
"""What stands for an item id in words."""

_TITLE, _LENGTH = 80, 500
_PLAIN = {
    REFUSE: "No, none of these.",
    CHANGE_MIND: "I have changed my mind: I am looking for something else now.",
    LEAVE: "I am leaving. Goodbye.",
}


def user_words(acts: UserActs, catalog: Catalog, attributes: Attributes, *, named: Named | None = None) -> TextArray:
    """Return str [d]: what users say with their acts; empty where they do nothing.

    Args:
        acts: of users.
        catalog: the items.
        attributes: what can be asked about.
        named: returns what stands for an item id of the catalog; None: its title in quotes.
    """
    rows = zip(acts.act.tolist(), acts.value.tolist(), acts.critique.tolist(), acts.item_id.tolist(), strict=True)
    title = _titles(catalog, named)
    return _texts([_user(*row, title, attributes) for row in rows])


def policy_words(acts: PolicyActs, catalog: Catalog, attributes: Attributes, *, named: Named | None = None) -> TextArray:
    """Return str [d]: what a policy says with its acts: its own words where it has some; empty where it is silent.

    Arguments as of ``user_words``.
    """
    title = _titles(catalog, named)
    own = [""] * len(acts.act) if acts.text is None else [str(text) for text in acts.text]
    rows = zip(acts.act.tolist(), acts.attribute.tolist(), acts.item_id.tolist(), own, strict=True)
    return _texts([said or _policy(act, attribute, items, title, attributes) for act, attribute, items, said in rows])


def _user(act: int, value: int, critique: int, item_id: int, title: Named, attributes: Attributes) -> str:  # noqa: PLR0917
    if act in _PLAIN:
        return _PLAIN[act]
    name = safe_text(attributes.value_names[value], _TITLE) if value >= 0 else ""
    if act == ANSWER:
        return f"I am looking for {attributes.names[attributes.attribute[value]]} {name}."
    if act == ACCEPT:
        return f"Yes, I take {title(item_id)}."
    if act == CRITIQUE:
        return {LESS: f"Less {name}, please.", MORE: f"More {name}, please."}.get(critique, f"Not {title(item_id)}, please.")
    return ""


def _policy(act: int, attribute: int, items: Sequence[int], title: Named, attributes: Attributes) -> str:  # noqa: PLR0917
    if act == ASK:
        return "What are you looking for?" if attribute < 0 else f"Which {attributes.names[attribute]} do you have in mind?"
    titles = ", ".join(title(item) for item in items if item >= 0)
    if act == RECOMMEND:
        return f"How about {titles}?"[:_LENGTH] if titles else "I have nothing to recommend."
    if act == EXPLAIN:
        return f"Let me tell you about {titles}."[:_LENGTH]
    return "Goodbye." if act == END else ""


def _titles(catalog: Catalog, named: Named | None) -> Named:
    """Return what stands for an item in words; ``this`` for one that the catalog does not have."""

    def title(item_id: int) -> str:
        index = int(catalog.index_of(np.array([item_id]))[0])
        if index < 0:
            return "this"
        return f"'{safe_text(str(catalog.title[index]), _TITLE)}'" if named is None else named(item_id)

    return title


def _texts(texts: Sequence[str]) -> TextArray:
    column = np.empty(len(texts), object)
    column[:] = texts
    return column
