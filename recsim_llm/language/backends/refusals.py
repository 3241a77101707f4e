"""What servers say when they do not answer: the words wherever they stand, their cause, whether to send again, what to do.

The shapes are those that public client libraries report; ``docs/servers/answers.md`` lists them with their sources.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Refusal", "Told", "find_error", "judge", "read_words", "status_of"]

_DEEPEST = 6
_MOST_WORDS = 2_000
_MOST_PARTS = 5
_WORD_KEYS = ("message", "msg", "detail", "error", "errors", "error_description", "reason", "description", "title")
_CODE_KEYS = ("code", "type", "status", "__type", "param")
_INNER_KEYS = ("innererror", "metadata", "details", "raw")
_ANSWER_KEYS = ("choices", "answers")
_HIDDEN_HTML = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)

_QUOTA = re.compile(
    r"insufficient_quota|insufficient[ _](?:credits?|balance|funds)|credit balance|billing_|payment required|out of credits"
    r"|exceeded your current quota|key limit exceeded",
    re.IGNORECASE,
)
_PER_MINUTE = re.compile(r"retry in|try again in|per (?:minute|second|day)|retrydelay|resource_exhausted", re.IGNORECASE)
_CONTEXT = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|max_model_len|reduce the length"
    r"|(?:context (?:window|length|size)|available context|context).{0,40}exceed|exceed\w*.{0,40}context (?:window|length|size)"
    r"|(?:prompt|input|messages?) (?:is|are) too long|too many (?:input |prompt )?tokens|longer than the model'?s context"
    r"|tokens? (?:count )?exceeds?|length of all messages is too long|too large for model",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content_filter|responsibleaipolicy|content management policy|content_policy|data_inspection_failed|safety system"
    r"|flagged by|moderation",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model_not_found|(?:model|deployment)\b.{0,80}(?:not found|(?:does|do) not exist|not available)|no such model"
    r"|unknown model|invalid model|not a valid model|no endpoints found for",
    re.IGNORECASE | re.DOTALL,
)
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|n[o']t support|not permitted|extra_forbidden|unrecognized|unknown (?:name|parameter|field)"
    r"|unexpected (?:keyword|field|parameter)|invalid (?:value|parameter|argument)|must be|out of range|greater than",
    re.IGNORECASE,
)
_BOUND = re.compile(r"at most|less than|greater than|too (?:large|high|big)|exceed|maximum|range", re.IGNORECASE)
_RATE = re.compile(r"rate.?limit|too many requests|throttl|resource_exhausted", re.IGNORECASE)
_BUSY = re.compile(r"overloaded|over ?capacity|at capacity|no capacity|server is busy|try (?:again )?later", re.IGNORECASE)
_KEY = re.compile(r"invalid.{0,20}api.?key|incorrect api key|unauthori[sz]ed|authentication|no auth", re.IGNORECASE)

_KEY_ADVICE = "check the API key in the environment: OPENAI_API_KEY, or RECSIM_LLM_API_KEY before it for other servers"
_GENERAL_ADVICE = "check the base URL and the name of the model, and see `recsim-llm probe` for what the server takes"
_PARAMETERS = {
    "response_format": "take another realisation, --set models.user.realisation=samples",
    "json_schema": "take another realisation, --set models.user.realisation=samples",
    "top_logprobs": "probe the server again, or --set models.user.realisation=json",
    "logprobs": "take another realisation, --set models.user.realisation=json",
    "max_tokens": "name the model openai/NAME with the same --base-url: it is told max_completion_tokens",
    "max_completion_tokens": "name the model openai-compatible/NAME with the same --base-url: it is told max_tokens",
    "temperature": "take the realisation that asks at temperature 1, --set models.user.realisation=samples",
    "seed": "take a realisation without samples, --set models.user.realisation=json",
    "system role": "take a model or chat template that knows system messages",
}
_PARAMETER = re.compile(
    "|".join(rf"(?<![a-z_]){name.replace(' ', '[ _]')}(?![a-z_])" for name in sorted(_PARAMETERS, key=len, reverse=True)),
    re.IGNORECASE,
)


class Told(NamedTuple):
    """What an error body says."""

    words: str
    """Its words, on one line; empty where it has none."""
    codes: str
    """Its codes, types and parameters, parted by blanks."""
    status: int | None = None
    """The HTTP status that it names itself; None where it names none."""


class Refusal(NamedTuple):
    """What follows from a failed call."""

    cause: str
    """As in ``BackendError``."""
    retryable: bool
    """Whether sending the same again can help."""
    advice: str
    """What to do."""


def read_words(content: bytes) -> Told:
    """Return what the body of a failed call says: JSON of any layout, an HTML page, or plain text."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return Told(_page_words(content.decode("utf-8", "replace")), "")
    return _told(body)


def find_error(body: object) -> Told | None:
    """Return the error that stands where an answer was expected, in a body with a good status; None where there is none."""
    if isinstance(body, list):
        return next((_told(entry) for entry in body[:1] if isinstance(entry, dict) and entry.get("error")), None)
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(first, dict) and first.get("error"):
        return _told(first)
    if any(body.get(key) for key in _ANSWER_KEYS):
        return None
    said = body.get("error") or body.get("detail") or (body.get("message") if body.get("object") == "error" else None)
    return _told(body) if said else None


def judge(status: int, told: Told) -> Refusal:
    """Return what follows from a failed call.

    Args:
        status: HTTP status, or the one that the error names where it came with a good one.
        told: what it says.
    """
    text = f"{told.codes} {told.words}"
    if status == 402 or (_QUOTA.search(text) and not (_PER_MINUTE.search(text) and "insufficient_quota" not in told.codes)):
        return Refusal("quota", False, "add credit to the account, or take another key; the run can be resumed then")
    if status in (401, 403):
        return Refusal("authentication", False, _KEY_ADVICE)
    if status == 413 or (status != 429 and _CONTEXT.search(text)):
        remedy = "lower --set users.parameters.memory_tokens=60 or the slate size, or serve the model with a longer context"
        return Refusal("context_length", False, remedy)
    if status < 500 and status != 429 and _FILTER.search(text):
        return Refusal("content_filter", False, "take a model or account without that filter, or leave the item out")
    if status == 429:
        return Refusal("rate_limit", True, "send it later or fewer at once")
    if status in (503, 529) or (status >= 500 and _BUSY.search(text)):
        return Refusal("overloaded", True, "send it later")
    if status in (408, 409) or (status >= 500 and status != 501):
        return Refusal("server", True, "send it again")
    return Refusal("refused", False, _advice(status, told, text))


def status_of(told: Told) -> int:
    """Return the HTTP status that an error inside a good one stands for: the one it names, else the one its words mean."""
    if told.status is not None:
        return told.status
    text = f"{told.codes} {told.words}"
    meanings = ((_QUOTA, 429), (_RATE, 429), (_KEY, 401), (_BUSY, 503), (_CONTEXT, 400), (_MODEL, 404), (_UNSUPPORTED, 400))
    # Whoever answers with a good status and an error has mostly been failed by the server behind it.
    return next((status for words, status in meanings if words.search(text)), 502)


def _advice(status: int, told: Told, text: str) -> str:
    if 300 <= status < 400:
        return "give the address that the server leads to as the base URL; redirects are not followed"
    if _MODEL.search(text):
        return "check the model's name, --model PROVIDER/NAME; the server lists its own under BASE_URL/models"
    named = _PARAMETER.search(told.codes) or _PARAMETER.search(told.words)
    if named and _UNSUPPORTED.search(text):
        name = named[0].lower().replace("system_role", "system role")
        if name.startswith("max_") and _BOUND.search(text):
            return "raise the server's limit of tokens a reply, or ask about fewer items a page, --set slate_size=5"
        return _PARAMETERS[name]
    if status in (404, 405):
        return "check the base URL, up to and with /v1, and the model's name"
    return _GENERAL_ADVICE


def _told(body: object) -> Told:
    words = list(dict.fromkeys(filter(None, _words(body, 0))))[:_MOST_PARTS]
    codes = list(dict.fromkeys(_codes(body, 0)))[:20]
    numbers = [int(code) for code in codes if re.fullmatch("[345][0-9]{2}", code)]
    return Told("; ".join(words)[:_MOST_WORDS], " ".join(codes)[:_MOST_WORDS], numbers[0] if numbers else None)


def _words(value: object, depth: int) -> Iterator[str]:
    """Yield what is said, outermost first; a place that FastAPI names goes before the words about it."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield " ".join(_page_words(value[: 4 * _MOST_WORDS]).split())
    elif isinstance(value, list):
        for entry in value[:_MOST_PARTS]:
            yield from _words(entry, depth + 1)
    elif isinstance(value, Mapping):
        place = value.get("loc")
        before = ".".join(map(str, place[:6])) + ": " if isinstance(place, list | tuple) and place else ""
        named = {str(key).lower(): inner for key, inner in value.items()}
        for key in (*_WORD_KEYS, *_INNER_KEYS):
            if named.get(key):
                yield from (before + words for words in _words(named[key], depth + 1))


def _codes(value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for entry in value[:_MOST_PARTS]:
            yield from _codes(entry, depth + 1)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if str(key).lower() in _CODE_KEYS and isinstance(inner, str | int) and not isinstance(inner, bool):
                # A number of thousands of digits cannot even be written out.
                yield str(inner)[:80] if isinstance(inner, str) or abs(inner) < 10**9 else ""
            elif isinstance(inner, Mapping | list):
                yield from _codes(inner, depth + 1)


def _page_words(text: str) -> str:
    """Return the words of a text, of an HTML page its title or what a reader would see of it."""
    if "<" not in text:
        return text
    title = _TITLE.search(text)
    words = title[1] if title else _HIDDEN_HTML.sub(" ", text)
    return html.unescape(" ".join(words.split()))
