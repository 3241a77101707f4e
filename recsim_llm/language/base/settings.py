"""Settings of language models, as a scenario, the command line and Python give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.language.base.addresses import holds_address, parse_address
from recsim_llm.language.base.questions import Elicitation

__all__ = ["ROLES", "LimitSettings", "ModelSettings", "PriceSettings"]

ROLES = ("user", "writer", "judge", "policy")
"""What language models do in a run: decide for users; write reviews and reasons; judge what was written; recommend."""

# Numbers may be texts, as --set and environment variables give them; what was refused is never part of pydantic's own words.
_LENIENT = ConfigDict(strict=False, hide_input_in_errors=True)
_SECRET_NAME = re.compile(r"(?:api[-_]?key|authorization|password|secret|(?:access|bearer)[-_]?token)$", re.IGNORECASE)
_BODY_LIMIT = 8 << 20


class PriceSettings(FrozenSettings):
    """What a provider charges, in US dollars for a million tokens."""

    model_config = _LENIENT

    input: float = Field(ge=0)
    """Tokens read."""
    cached_input: float | None = Field(default=None, ge=0)
    """Tokens read that came from the provider's prefix cache; None: as ``input``."""
    output: float = Field(ge=0)
    """Tokens written."""


class ModelSettings(FrozenSettings):
    """One language model.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type, is out of range or could hold a secret.
    """

    model_config = _LENIENT

    name: str
    """``provider/model``: openai, openai-compatible, llamacpp, transformers, scripted or replay."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server, for instance ``http://127.0.0.1:8000/v1``. None: for ``openai`` the environment
    variable OPENAI_BASE_URL, else the address of OpenAI."""
    transport: Literal["openai", "aiohttp"] = "openai"
    """How servers are called: by the official client, or by plain aiohttp, which costs about a third of the CPU time."""
    realisation: Elicitation | Literal["auto"] = "auto"
    """The elicitation: how decisions are got; ``auto`` takes the best that the model was found to do. A run never falls back to
    another."""
    renormalise: bool = False
    """Divide percentages that do not sum to 100 by their sum (elicitation ``json``), and count it; without it they are a
    failure. It is part of the key in the cache."""
    samples: int = Field(default=8, ge=2, le=1000)
    """Answers drawn a decision, for the elicitation ``samples``."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds after which an unanswered call is broken off; of ``llamacpp``, a server of our own, at least 1,800."""
    body_limit: int = Field(default=_BODY_LIMIT, ge=1024)
    """Most bytes of a server's answer that are read; a longer one is a failed call."""
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

    device: Literal["auto", "cpu", "cuda", "mps"] | None = None
    """Where a ``transformers`` model computes; ``auto`` takes a GPU where there is one. None: ``cpu``. Another kind of device
    gives other numbers, and is another model in the cache."""
    batch_size: int | None = Field(default=None, ge=1, le=4096)
    """Most calls that a ``transformers`` model takes over at once; the answers are the same. None: 16."""
    precision: Literal["float32", "bfloat16"] | None = None
    """Numbers in which a ``transformers`` model computes; ``bfloat16`` is 2 to 3 times faster on CPUs with AMX or AVX512-BF16,
    slower on others. Each gives other answers, and is another model in the cache. None: ``float32`` on a CPU, so that machines
    agree; elsewhere the type of the weights."""

    # Settings are written into manifests, calls files and reports, where a secret must never stand.

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        return None if base_url is None else parse_address(base_url)

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if holds_address(name):
            remedy = "with the address apart, as base_url (--base-url), and a key in the environment"
            raise ValueError(f"got a name that holds an address, which is not shown, expected provider/model, {remedy}")
        return name

    @field_validator("api_key_variable")
    @classmethod
    def _is_a_variable(cls, variable: str | None) -> str | None:
        if variable is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            got = "something else than a variable's name, which is not shown"
            raise ValueError(f"got {got}, expected the name of the environment variable that holds the key")
        return variable

    @field_validator("request")
    @classmethod
    def _has_no_secret(cls, request: dict[str, Any]) -> dict[str, Any]:
        named = _secret_key(request)
        if named:
            expected = "expected it in the environment, as OPENAI_API_KEY or the variable that api_key_variable names"
            raise ValueError(f"got {named}, whose value is not shown, {expected}")
        return request


def _secret_key(fields: object) -> str:
    """Return the first key, at any depth, that names a secret; nothing where there is none."""
    inner = list(fields.values()) if isinstance(fields, Mapping) else fields if isinstance(fields, list) else []
    own = (str(key) for key in fields if _SECRET_NAME.search(str(key))) if isinstance(fields, Mapping) else iter(())
    return next((key for key in (*own, *map(_secret_key, inner)) if key), "")


class LimitSettings(FrozenSettings):
    """What a run may use up before it stops, whole and resumable; None: no limit. Answers from a cache count nothing."""

    model_config = _LENIENT

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
