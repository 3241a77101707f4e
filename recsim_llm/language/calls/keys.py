"""What makes two asks the same: keys of the cache, and the seeds of sampled answers that follow from them.

A key is BLAKE2b over the model's name, the way to a decision, the temperature, the number of samples, the prompt's parts, the
questions, the layout of prompts (``LAYOUT``), and, for sampled answers only, the nonce. A question that is asked alone has a
key of its own, the same whatever is asked beside it; how it is asked counts, for other ways give other numbers. Whom an ask
is about, and in which order asks are made, never enters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from recsim_llm.language.answers.question_lists import lead_of
from recsim_llm.language.base.questions import Elicitation, Part, Question
from recsim_llm.language.base.wire import ForcedWay

__all__ = ["LAYOUT", "ask_key", "derive_seed", "sample_key", "tools_key", "write_key"]

_LED = ("forced", "forced grammar", "forced prefill", "forced completions")
"""Ways in which every question has words before its answer, its own or those of ``question_lists.lead_of``."""
LAYOUT = 2
"""Version of the words around a prompt's parts; it is raised whenever they change, so that old answers are not reused."""


def ask_key(
    model: str,
    parts: tuple[Part, ...],
    questions: tuple[Question, ...],
    *,
    elicitation: Elicitation,
    samples: int,
    nonce: str,
    forced: ForcedWay = "",
    renormalise: bool = False,
) -> bytes:
    """Return the key of a decision, 32 bytes.

    ``nonce`` and ``samples`` count where answers are sampled only, ``renormalise`` for ``json`` only: other replies are asked
    for again there.
    """
    # How probable words are does not hang on the way to a decision.
    likely = questions[0].kind == "likelihood"
    sampled = not likely and (elicitation == "samples" or forced == "samples")
    way = "likelihood" if likely else f"{elicitation} {forced}".rstrip()
    way += " renormalised" if way == "json" and renormalise else ""
    digest = _ask_base(model, way, samples if sampled else None, questions).copy()
    digest.update("".join([part.hash for part in parts]).encode())
    if sampled:
        digest.update(b"|" + nonce.encode())
    return digest.digest()


def write_key(
    model: str,
    parts: tuple[Part, ...],
    *,
    temperature: float,
    max_tokens: int,
    nonce: str,
    schema: Mapping[str, object] | None = None,
) -> bytes:
    """Return the key of a text, 32 bytes; ``nonce`` counts above temperature 0 only, a schema where the text is held to one."""
    held = [] if schema is None else [schema]
    base = json.dumps([LAYOUT, model, "write", temperature, max_tokens, [part.hash for part in parts], *held])
    return blake2b((base + "|" + nonce if temperature > 0 else base).encode(), digest_size=32).digest()


def tools_key(model: str, parts: tuple[Part, ...], *, max_tokens: int) -> bytes:
    """Return the key of calls of tools, 32 bytes; what a part is counts, since it says who speaks."""
    base = json.dumps([LAYOUT, model, "tools", max_tokens, [(part.name, part.hash) for part in parts]])
    return blake2b(base.encode(), digest_size=32).digest()


def sample_key(key: bytes, number: int) -> bytes:
    """Return the key of one of the samples of an ask, where each is a call of its own."""
    return blake2b(number.to_bytes(4, "little"), key=key, digest_size=32).digest()


def derive_seed(key: bytes) -> int:
    """Return the seed of a sampled call, 31 bits, which every server takes."""
    word = blake2b(key, digest_size=4, person=b"seed").digest()
    return int.from_bytes(word, "little") >> 1


@lru_cache(maxsize=1024)
def _ask_base(model: str, way: str, samples: int | None, questions: tuple[Question, ...]) -> blake2b:
    # Without leads the keys are those of answers that were kept before there were any; but not where a question that is asked
    # alone has stood behind other words since then.
    if way in _LED:
        questions = tuple(question._replace(lead=lead_of(question)) for question in questions)
    asked = [question if question.lead else question[:4] for question in questions]
    text = json.dumps([LAYOUT, model, way, 0 if samples is None else 1, samples or 1, asked])
    return blake2b(text.encode(), digest_size=32)
