"""How many tokens a prompt may take: what was set, or what a page of its size needs, within the model's context."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PromptBudget", "usual_tokens"]

_LEAST, _APART, _AN_ITEM = 1200, 400, 80
_CAUTION = 1.25  # a tokenizer with few words cuts texts into that many more pieces than estimated, nine times of ten
_LEAD = 64  # tokens of the words that stand before an answer, and of the chat format around a prompt


def usual_tokens(count: int) -> int:
    """Return the tokens of a prompt about ``count`` items where nothing is set and the model's context is not known."""
    return max(_LEAST, _APART + _AN_ITEM * count)


@dataclass(frozen=True, kw_only=True)
class PromptBudget:
    """What bounds the prompts of one model's users."""

    tokens: int | None = None
    """Most tokens of a prompt, questions included, estimated; None: ``usual_tokens``, or less where the context is short."""
    memory: int = 120
    """Of them, tokens that are kept for memories."""
    ratings: int = 20
    """Most ratings of a user's history that are told, the latest ones; fewer where the rest of a prompt leaves no room."""
    context: int | None = None
    """Tokens that the model reads and writes in one call; None: not known."""

    def most(self, count: int, answer: int) -> int:
        """Return the most tokens of a prompt about ``count`` items.

        Args:
            count: items on the page.
            answer: tokens that the reply may take.
        """
        if self.tokens is not None or self.context is None:
            return usual_tokens(count) if self.tokens is None else self.tokens
        return max(min(usual_tokens(count), int(self.holds(answer) / _CAUTION)), 0)

    def holds(self, answer: int) -> int:
        """Return how many tokens of a prompt the model's context holds beside a reply, if it is known."""
        return max((1 << 30 if self.context is None else self.context) - answer - _LEAD, 0)
