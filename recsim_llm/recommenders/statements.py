"""What users said, kept for the pages that follow: requests tell only what was said since the page before."""

from __future__ import annotations

import re

from recsim_llm.core.pages import Requests

__all__ = ["Statements", "wanted_words"]

_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_REFUSAL = re.compile(r"\b(?:no|not|never|seldom|rarely|avoid|hate|dislike|without|less|except|\w+n't)\b", re.IGNORECASE)


class Statements:
    """Remembers the latest statements of each user.

    Args:
        most: statements a user that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[int, tuple[str, ...]] = {}

    def take_in(self, requests: Requests) -> None:
        """Remember what users said in requests that were answered; to be called in ``observe``."""
        if requests.text is not None:
            for user_id, words in zip(requests.user_id.tolist(), requests.text.tolist(), strict=True):
                if words:
                    self._kept[user_id] = (*self._kept.get(user_id, ()), words)[-self._most :]

    def of(self, requests: Requests) -> list[tuple[str, ...]]:
        """Return what each user said so far, now included, latest last."""
        users = requests.user_id.tolist()
        now = [""] * len(users) if requests.text is None else requests.text.tolist()
        said = [(*self._kept.get(user_id, ()), words) for user_id, words in zip(users, now, strict=True)]
        return [tuple(words for words in own if words)[-self._most :] for own in said]


def wanted_words(text: str) -> str:
    """Return the sentences of a statement that refuse nothing: who counts words cannot tell what is wanted in the others."""
    return " ".join(sentence for sentence in _SENTENCE.split(text) if not _REFUSAL.search(sentence))
