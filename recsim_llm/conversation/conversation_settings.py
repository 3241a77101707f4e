"""What a scenario says of its conversations: the section ``conversation``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsim_llm.core.configuration import FrozenSettings

__all__ = ["ConversationSettings"]

Share = Annotated[float, Field(ge=0, le=1)]


class ConversationSettings(FrozenSettings):
    """How users talk, and what they came for. All numbers are assumed: no log that is loaded tells of dialogues."""

    mode: Literal["questions", "chat"] = "questions"
    """``questions``: users answer questions about attributes, accept and refuse; ``chat``: they also say unasked what they look
    for, and criticise what they are shown. The two settings of iEvaLM (Wang et al. 2023, section 3)."""
    goal: Literal["item", "attributes", "none"] = "item"
    """``item``: each user looks for one item; ``attributes``: for any item that has the main value of every attribute of one;
    ``none``: users go by their taste alone. The first two are goal-controlled sessions, the last one is profile-controlled
    (Friedman et al. 2023, section 5)."""
    pool: int = Field(default=20, ge=2)
    """The goal is drawn from so many items on sale that the user likes most, of those that the user has not rated before."""
    max_turns: int = Field(default=10, ge=1)
    """Turns of the policy after which a dialogue is cut off."""
    patience: float = Field(default=3.0, gt=0)
    """What a user of ordinary patience puts up with before leaving; an unwanted interruption costs 1."""
    noise: Share = 0.0
    """Share of the answers that are not true: another value of the same attribute."""
    critiques: Share = 0.3
    """In ``chat``: share of the refusals that say what was wrong."""
    browse: Share = 0.0
    """Share of the users who would rather look around by themselves at first, whom every act but silence interrupts."""
    change_of_mind: Share = 0.0
    """Chance that a user looks for something else from the next turn on, each turn."""
    words: bool = False
    """Whether words stand in the log where no policy reads them."""
