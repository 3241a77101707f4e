"""What one request may use up: calls of the model, calls of tools, tokens; time is no budget, since it would change results."""

from __future__ import annotations

from pydantic import Field

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.language.base.questions import Prompt
from recsim_llm.language.base.tokens import estimate_tokens

__all__ = ["Budget", "BudgetSettings"]


class BudgetSettings(FrozenSettings):
    """What an agent may use up for one page."""

    calls: int = Field(default=6, ge=1, le=50)
    """Calls of the model."""
    tool_calls: int = Field(default=12, ge=1, le=100)
    """Calls of tools; of more that the model asks for at once, the first ones are carried out."""
    tokens: int = Field(default=40_000, ge=100)
    """Tokens read and written, estimated, so that the same page costs the same everywhere."""


class Budget:
    """What is left of it for one request.

    Args:
        settings: what may be used up.
        reply_tokens: most tokens of one reply, which are set aside before a call.
        context: tokens that the model reads and writes in one call; None: not known.
    """

    def __init__(self, settings: BudgetSettings, reply_tokens: int, context: int | None = None) -> None:
        self.calls, self.tool_calls, self.tokens = settings.calls, settings.tool_calls, settings.tokens
        self._reply_tokens, self._context = reply_tokens, context

    def lacks(self, prompt: Prompt) -> str:
        """Return which part of the budget, or the ``context``, does not suffice for a call, empty where all does."""
        if self.calls < 1:
            return "calls"
        needed = estimate_prompt(prompt) + self._reply_tokens
        if self._context is not None and needed > self._context:
            return "context"
        return "tokens" if needed > self.tokens else ""

    def spend(self, prompt: Prompt, reply: str) -> int:
        """Count a call and return the tokens that it took, estimated."""
        tokens = estimate_prompt(prompt) + estimate_tokens(reply)
        self.calls -= 1
        self.tokens -= tokens
        return tokens


def estimate_prompt(prompt: Prompt) -> int:
    """Return about how many tokens a prompt takes."""
    return sum(estimate_tokens(part.text) for part in prompt.parts)
