"""Narrative queries in a language model's words: what it will be asked is confirmed first, and what it wrote is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recsim_llm.agents.language.voice import each_or_none
from recsim_llm.exports.narratives import NARRATIVE_TOKENS, PROMPT_TOKENS, NarrativeWriter
from recsim_llm.language.base.questions import Prompt
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.writing import Writing
from recsim_llm.language.providers import Roles
from recsim_llm.scenarios.estimates import Confirm
from recsim_llm.scenarios.study_requests import holding_calls, limits_of, most_cost

__all__ = ["NarrativeModel", "open_narrative_writer"]


@dataclass(frozen=True, kw_only=True)
class NarrativeModel:
    """The language model that writes narrative queries, and what it may use up."""

    settings: ModelSettings
    """Which model."""
    cache: Path | None = None
    """Run folder or calls file whose answers are used before it is asked."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """As of ``LimitSettings``."""
    confirm: Confirm = lambda _: None
    """Told what it will be asked before anything is; may raise to call it off."""


@contextmanager
def open_narrative_writer(model: NarrativeModel, out: Path, queries: int) -> Iterator[NarrativeWriter]:
    """Open what writes queries, a call each; closed at the end.

    Args:
        model: which.
        out: folder of the export. Calls are kept in a file beside it, see ``calls_beside``: an export that was stopped and is
            given again pays for nothing twice.
        queries: how many there are to be written, at most.

    Raises:
        FolderInUseError: another process has the same export written.
        ConfigError: the model cannot be opened, or was called off.
    """
    limits = limits_of(model.limits)
    with (
        holding_calls("export", out) as calls,
        Roles({"writer": model.settings}, calls=calls, cache=model.cache, limits=limits) as roles,
    ):
        writer = roles.role("writer")
        tokens = TokenUsage(prompt=queries * PROMPT_TOKENS, completion=queries * NARRATIVE_TOKENS)
        model.confirm(most_cost(writer, model.settings, calls=queries, tokens=tokens))

        def write(asked: Sequence[tuple[Prompt, str]]) -> list[str | None]:
            return each_or_none(writer.write, [Writing(prompt, NARRATIVE_TOKENS, subject=user) for prompt, user in asked])

        yield write
