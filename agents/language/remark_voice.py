"""A word of feedback in a model's words: what is meant was decided before, and stays what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.voice import each_or_none
from recsim_llm.language.base.questions import Part, Prompt
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.language.calls.writing import Writing

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["REMARK_FILES", "Meant", "RemarkVoice"]

REMARK_FILES: Mapping[str, tuple[str, ...]] = {"remark": ("meant", "rules")}
"""Templates that a word of feedback needs."""
_MAX_TOKENS, _LONGEST = 60, 200


class Meant(NamedTuple):
    """What somebody says about an item."""

    title: str
    """Of the item."""
    words: str
    """What is meant, in the words of ``recsim_llm.dynamics.remarks``."""
    user_id: int
    """Outside id of who says it."""


class RemarkVoice:
    """Puts words of feedback into a model's words, the likeliest ones, so that the same is said in the same way.

    Args:
        writer: the model.
        templates: language of the prompts.

    Raises:
        ConfigError: the templates have no words for it.
    """

    def __init__(self, writer: LanguageModel, templates: str = "en") -> None:
        self._writer, self._templates = writer, Templates(templates, REMARK_FILES)
        self._rules = Part("rules", self._templates.say("remark.rules"))

    def say(self, meant: Sequence[Meant]) -> list[str]:
        """Return one line for each; empty where the model's replies could not be used, of which the calls file tells the cause.

        Raises:
            RecSimError: the model could not be asked, see ``LanguageModel.write``.
        """
        texts = each_or_none(self._writer.write, [self._writing(one) for one in meant])
        return ["" if text is None else safe_text(text, _LONGEST) for text in texts]

    def _writing(self, meant: Meant) -> Writing:
        told = Part("meant", self._templates.say("remark.meant", title=meant.title, words=meant.words))
        return Writing(Prompt((self._rules, told)), _MAX_TOKENS, subject=str(meant.user_id))
