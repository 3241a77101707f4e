"""Settings of language models, as a scenario, the command line and Python give them."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsim_llm.language.base.questions import Elicitation

__all__ = ["ROLES", "LimitSettings", "ModelSettings", "PriceSettings"]

ROLES = ("user", "writer", "judge", "policy")
"""What language models do in a run: decide for users; write reviews and reasons; judge what was written; recommend."""

_STRICT = ConfigDict(extra="forbid", frozen=True)


class PriceSettings(BaseModel):
    """What a provider charges, in US dollars for a million tokens."""

    model_config = _STRICT

    input: float = Field(ge=0)
    """Tokens read."""
    cached_input: float | None = Field(default=None, ge=0)
    """Tokens read that came from the provider's prefix cache; None: as ``input``."""
    output: float = Field(ge=0)
    """Tokens written."""


class ModelSettings(BaseModel):
    """One language model."""

    model_config = _STRICT

    name: str
    """``provider/model``: openai, openai-compatible, transformers, scripted or replay."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server, for instance ``http://127.0.0.1:8000/v1``."""
    transport: Literal["openai", "aiohttp"] = "openai"
    """How servers are called: by the official client, or by plain aiohttp, which costs about a third of the CPU time."""
    realisation: Elicitation | Literal["auto"] = "auto"
    """The elicitation: how decisions are got; ``auto`` takes the best that the model was found to do. A run never falls back to
    another."""
    samples: int = Field(default=8, ge=2, le=1000)
    """Answers drawn a decision, for the elicitation ``samples``."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds after which an unanswered call is broken off."""
    concurrency: int | None = Field(default=None, ge=1)
    """Most calls in flight; None: what the probe found. Fewer are sent while the server asks for it."""
    request: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each chat request to a server, for instance ``{"reasoning_effort": "low"}`` or, for models that think
    first, ``{"chat_template_kwargs": {"enable_thinking": false}}``. They are part of the model's name in the cache."""
    api_key_variable: str | None = None
    """Environment variable that holds the key; None: OPENAI_API_KEY, and RECSIM_LLM_API_KEY before it for other servers. The
    key itself is never part of any setting."""
    prices: PriceSettings | None = None
    """None: costs are not known and not counted."""

    @field_validator("base_url")
    @classmethod
    def _no_credentials(cls, base_url: str | None) -> str | None:
        # Settings are written into manifests and reports, where a password must never stand.
        parts = urlsplit(base_url or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address like http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError("expected an address without a user, password or query; keys come from the environment")
        return base_url.rstrip("/") if base_url else None


class LimitSettings(BaseModel):
    """What a run may use up before it stops, whole and resumable; None: no limit. Answers from a cache count nothing."""

    model_config = _STRICT

    calls: int | None = Field(default=None, ge=1)
    """Calls of all language models together."""
    calls_a_user: int | None = Field(default=None, ge=1)
    """Calls about one user."""
    tokens: int | None = Field(default=None, ge=1)
    """Tokens read and written."""
    cost: float | None = Field(default=None, gt=0)
    """US dollars; needs prices."""
    seconds: float | None = Field(default=None, gt=0)
    """Wall-clock time of the run, or of its resumption."""
