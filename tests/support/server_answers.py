"""Answers and failures as servers of the OpenAI dialect give them: the rows of ``docs/servers/answers.md``."""

from __future__ import annotations

import json
from typing import NamedTuple

__all__ = ["GOOD", "SHAPES", "Shape", "error", "message"]

GOOD = "leave: yes"


class Shape(NamedTuple):
    """An answer as a server gave it, and what is made of it."""

    name: str
    body: object
    status: int = 200
    cause: str = ""
    """Of the failure; empty: it is read as an answer."""
    again: bool = False
    """Whether the same call is sent again."""
    words: str = ""
    """Of the provider, in the text of the failure."""
    advice: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012


def message(content, finish="stop", **more):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}]}


def error(words, **more):
    return {"error": {"message": words, **more}}


CLOUDFLARE = (
    b"<!DOCTYPE html><html><head><title>api.example.org | 524: A timeout occurred</title><style>p {x}</style></head>"
    b"<body><script>var a;</script><p>The origin took too long.</p></body></html>"
)
GATEWAY = b"<html>\r\n<body><center><h1>502 Bad Gateway</h1></center><hr>nginx</body></html>"
TEXT = {"type": "text", "text": GOOD}
SHAPES = (
    Shape("text parts", message([TEXT])),
    Shape("several text parts", message([{"type": "text", "text": "leave"}, {"type": "output_text", "text": ": yes"}])),
    Shape("thinking part", message([{"type": "thinking", "thinking": [{"type": "text", "text": "leave: no"}]}, TEXT])),
    Shape("unknown part", message([{"type": "reference", "reference_ids": [1]}, TEXT])),
    Shape("refusal part", message([{"type": "refusal", "refusal": "I cannot."}]), cause="refusal", words="I cannot."),
    Shape(
        "only thinking parts", message([{"type": "thinking", "thinking": "leave: yes"}]), cause="no_answer", advice="not think"
    ),
    Shape("reasoning_content", message(None, reasoning_content=GOOD), cause="no_answer", advice="enable_thinking=false"),
    Shape("reasoning", message("", reasoning=GOOD), cause="no_answer", advice="without a parser of thoughts"),
    Shape("reasoning beside an answer", message(GOOD, reasoning_content="leave: no")),
    Shape("think block", message(f"<think>leave: no</think>\n\n{GOOD}")),
    Shape("think block without its start", message(f"leave: no\n</think>\n{GOOD}")),
    Shape("thought up the tokens", message("", "length"), cause="cut_off", advice="reasoning_effort=low"),
    Shape("thought up the tokens, null", message(None, "length", reasoning_content="Hm"), cause="cut_off", advice="not think"),
    Shape("tool calls", message(None, "tool_calls", tool_calls=[{"id": "1"}]), cause="empty", advice="without tools"),
    Shape("content filter", message(None, "content_filter"), cause="refusal", words="content filter"),
    Shape("usage null", message(GOOD) | {"usage": None}),
    Shape("null fields", message(GOOD, None, refusal=None, tool_calls=[], function_call=None, annotations=[])),
    Shape("empty choices", {"choices": []}, cause="bad_reply", again=True, words="no choices"),
    Shape("null choices", {"choices": None, "usage": None}, cause="bad_reply", again=True, words="choices, usage"),
    Shape("another dialect", {"message": {"content": GOOD}, "done": True}, cause="bad_reply", again=True, advice="with /v1"),
    Shape(
        "stream not asked for",
        b'data: {"choices": [{"delta": {"content": "leave"}}]}\n\ndata: [DONE]\n\n',
        cause="bad_reply",
        advice="--set models.user.request.stream=false",
        headers={"Content-Type": "text/event-stream"},
    ),
    Shape("error in a stream", b'data: {"error": "no such option"}\n\n', cause="server", again=True, words="no such option"),
    Shape(
        "error inside 200, with its code",
        {"id": None, "choices": None} | error("Provider returned error", code=429, metadata={"raw": "Too Many Requests"}),
        cause="rate_limit",
        again=True,
        words="Provider returned error; Too Many Requests",
    ),
    Shape("error inside 200, upstream", error("Upstream is overloaded", code=502), cause="overloaded", again=True),
    Shape("error inside 200, final", error("No endpoints found that support this", code=404), cause="refused"),
    Shape(
        "error inside a choice",
        {"choices": [{"error": {"code": 502, "message": "Lost connection"}, "finish_reason": "error", "message": {}}]},
        cause="server",
        again=True,
        words="Lost connection",
    ),
    Shape("error beside an answer", message(GOOD) | {"error": {"code": 0}}),
    Shape(
        "error as a text", {"error": "model 'm' not found"}, 404, cause="refused", words="model 'm' not found", advice="name"
    ),
    Shape("detail", {"detail": "Unexpected fields"}, 400, cause="refused", words="Unexpected fields"),
    Shape(
        "detail of a field",
        {"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "value_error.extra"}]},
        422,
        cause="refused",
        words="body.seed: extra fields not permitted",
        advice="models.user.realisation=json",
    ),
    Shape(
        "flat error",
        {"object": "error", "message": "System role not supported", "code": 400},
        400,
        cause="refused",
        advice="system messages",
    ),
    Shape(
        "list of errors",
        [error("Unknown name", code=400, status="INVALID_ARGUMENT")],
        400,
        cause="refused",
        words="Unknown name",
    ),
    Shape("list of errors inside 200", [error("Quota", code=429)], cause="rate_limit", again=True, words="Quota"),
    Shape("error in an error", {"error": json.dumps(error("input tokens exceed the limit"))}, 400, cause="context_length"),
    Shape("quota", error("You exceeded your current quota", code="insufficient_quota"), 429, cause="quota", advice="credit"),
    Shape("no credit", error("Insufficient credits"), 402, cause="quota", words="Insufficient credits", advice="resumed"),
    Shape("rate limit", error("Rate limit reached", code="rate_limit_exceeded"), 429, cause="rate_limit", again=True),
    Shape(
        "rate limit that speaks of quota",
        error("You exceeded your current quota. Please retry in 20s.", status="RESOURCE_EXHAUSTED", code=429),
        429,
        cause="rate_limit",
        again=True,
    ),
    Shape(
        "context length",
        error("This model's maximum context length is 512 tokens"),
        400,
        cause="context_length",
        advice="memory_tokens",
    ),
    Shape(
        "context length, llama.cpp",
        error("Context size has been exceeded.", code=500, type="server_error"),
        500,
        cause="context_length",
    ),
    Shape(
        "context length, sglang",
        error("The input (9 tokens) is longer than the model's context length (4 tokens)."),
        400,
        cause="context_length",
    ),
    Shape(
        "context length, Gemini",
        [error("The input token count exceeds the maximum number of tokens allowed", code=400)],
        400,
        cause="context_length",
    ),
    Shape(
        "context length inside 200", error("the request exceeds the available context size", code=400), cause="context_length"
    ),
    Shape(
        "request too large",
        b"<html><head><title>413 Request Entity Too Large</title></head></html>",
        413,
        cause="context_length",
    ),
    Shape(
        "filtered prompt",
        error("The response was filtered", code="content_filter"),
        400,
        cause="content_filter",
        advice="filter",
    ),
    Shape(
        "model not found", error("The model `m` does not exist", code="model_not_found"), 404, cause="refused", advice="/models"
    ),
    Shape("wrong path", {"detail": "Not Found"}, 404, cause="refused", words="Not Found", advice="up to and with /v1"),
    Shape(
        "wrong key",
        error("Incorrect API key provided", code="invalid_api_key"),
        401,
        cause="authentication",
        advice="OPENAI_API_KEY",
    ),
    Shape("forbidden", b"error code: 1010", 403, cause="authentication", words="error code: 1010"),
    Shape(
        "max_tokens not supported",
        error(
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
            param="max_tokens",
        ),
        400,
        cause="refused",
        advice="openai/NAME",
    ),
    Shape(
        "temperature not supported",
        error(
            "Unsupported value: 'temperature' does not support 0 with this model.",
            param="temperature",
            code="unsupported_value",
        ),
        400,
        cause="refused",
        advice="--set models.user.realisation=samples",
    ),
    Shape(
        "response_format not supported",
        error("response_format json_schema is not supported"),
        400,
        cause="refused",
        advice="realisation=samples",
    ),
    Shape("logprobs not supported", error("logprobs is not supported"), 400, cause="refused", advice="realisation=json"),
    Shape("logprobs capped", error("top_logprobs must be less than or equal to 5."), 400, cause="refused", advice="probe"),
    Shape("max_tokens capped", error("max_tokens must be at most 64"), 400, cause="refused", advice="the server's limit"),
    Shape(
        "moved",
        b"",
        307,
        cause="refused",
        words="http://[hidden]@127.0.0.1/v1",
        advice="redirects are not followed",
        headers={"Location": "http://u:secret@127.0.0.1/v1"},
    ),
    Shape(
        "overloaded",
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        529,
        cause="overloaded",
        again=True,
    ),
    Shape("not implemented", error("This model is not a decision model"), 501, cause="refused"),
    Shape("gateway", GATEWAY, 502, cause="server", again=True, words="502 Bad Gateway"),
    Shape("Cloudflare", CLOUDFLARE, 524, cause="server", again=True, words="api.example.org | 524: A timeout occurred"),
    Shape("truncated", b'{"choices": [{"mess', cause="bad_reply", again=True),
    Shape("page with a good status", b"<html>Sign in</html>", cause="bad_reply", again=True, words="an HTML page"),
    Shape("not UTF-8", b'{"choices": "\xff\xfe\xff"}', cause="bad_reply", again=True),
    Shape("not what it is packed as", b"no gzip", cause="connection", again=True, headers={"Content-Encoding": "gzip"}),
    Shape("half a character", message("leave: yes\n\ud83d")),
    Shape("deep nesting", b'{"choices": ' + b"[" * 100_000, cause="bad_reply", again=True),
    Shape("deep nesting of an error", b'{"error": ' * 900 + b'"deep"' + b"}" * 900, 400, cause="refused"),
    Shape("counts beyond all bounds", message(GOOD) | {"usage": {"prompt_tokens": 10**30, "completion_tokens": 2**63}}),
    Shape(
        "numbers that are none",
        b'{"choices": [{"message": {"content": "leave: yes"}, "index": NaN}], "usage": {"prompt_tokens": Infinity}}',
    ),
)
