"""What a decision costs with a local model, in CPU time on one core: ``python benchmarks/local_model_speed.py``.

A random model of about 8 million parameters is made on the spot. Five users look at six pages each of 10 films: 22 questions
(clicks, stars, satisfaction, leaving) after a prompt of some 900 tokens, of which a user's pages share the first 600 or so.
Every page is answered in three ways: a full pass for each question, all questions packed into one pass, and packed with the
beginnings of earlier prompts reused. Each figure is the best of three repetitions, in CPU milliseconds a page.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import torch
import transformers
from env_speed import processor
from tiny_language_model import SENTENCES, make_tiny_model

import recsim_llm
from recsim_llm.language import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.backends.guided import Guide
from recsim_llm.language.backends.local_model import LocalModel
from recsim_llm.language.base.wire import Call, RawReply

USERS, PAGES, ITEMS, REPETITIONS = 5, 6, 10, 3
QUESTIONS = (
    *(yes_no(f"click_{slot}", f"Would you click on item {slot}?") for slot in range(1, ITEMS + 1)),
    *(score(f"stars_{slot}", f"How many stars would you give item {slot}?") for slot in range(1, ITEMS + 1)),
    score("satisfaction", "How satisfied are you?"),
    yes_no("leave", "Would you leave now?"),
)
RULES = Part("rules", SENTENCES[4])


def main() -> None:
    """Print every figure."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = make_tiny_model(Path(name) / "model", 1, hidden=320, layers=8, spread=0.1, words=4000)
        calls = [page_call(user, page) for user in range(USERS) for page in range(PAGES)]
        model = LocalModel(folder, "cpu", 0)
        head(model, calls)
        # An untimed page first: the first pass of a process sets up memory.
        one_by_one(model, calls[:1])
        plain = best(lambda: one_by_one(model, calls[:PAGES])) / PAGES
        packed = best(lambda: packed_pages(model, calls)) / len(calls)
        reused = best(lambda: packed_pages(LocalModel(folder, "cpu", 1 << 30), calls)) / len(calls)
        loading = best(lambda: LocalModel(folder, "cpu", 0)) / len(calls)
    print(f"{'a full pass a question':<42}{1000 * plain:>8.0f} CPU-ms a page")
    for text, seconds in (("questions packed", packed), ("questions packed, beginnings reused", reused - loading)):
        print(f"{text:<42}{1000 * seconds:>8.0f} CPU-ms a page, {plain / seconds:.1f} times less")
    print(f"\nreuse alone: {packed / (reused - loading):.1f} times less")


def head(model: LocalModel, calls: list[Call]) -> None:
    """Print what is measured on what."""
    prompts = [model.prompt(call.messages) for call in calls]
    shared = [common(prompts[row], prompts[row + 1]) for row in range(len(calls) - 1) if (row + 1) % PAGES]
    size = sum(weights.numel() for weights in model.network.parameters())
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, {versions}, {processor()}")
    print(
        f"{size / 1e6:.1f} million parameters, float32, one core; {len(calls)} pages of {ITEMS} films, {len(QUESTIONS)} "
        f"questions, prompts of {statistics.mean(map(len, prompts)):.0f} tokens, {statistics.mean(shared):.0f} of them "
        "shared with the user's last page\n"
    )


def page_call(user: int, page: int) -> Call:
    """Return the call that asks a user about a page."""
    persona = Part("persona", "\n".join(f"{SENTENCES[0]} Memory {user}{line}." for line in range(3)))
    films = [f'{slot}. "Other {user}{page}{slot}" (2004) | Drama | two friends meet again' for slot in range(1, ITEMS + 1)]
    text = "\n".join(["<page>", *films, "</page>"])
    return prepare(Ask(Prompt((RULES, persona, Part("page", text))), QUESTIONS), "logprobs")


def one_by_one(model: LocalModel, calls: list[Call]) -> None:
    """Answer each question by a pass over the whole prompt and the question."""
    with torch.inference_mode():
        for call in calls:
            prompt = model.prompt(call.messages)
            for question in call.questions:
                tokens = torch.tensor([prompt + list(model.options(question).lead)])
                model.network(tokens, logits_to_keep=1, use_cache=False)


def packed_pages(model: LocalModel, calls: list[Call]) -> list[RawReply]:
    """Answer pages in the order in which they come in a run: every user's first, then every user's second."""
    guide = Guide(model)
    order = [calls[user * PAGES + page] for page in range(PAGES) for user in range(USERS)]
    return [guide.answer(call, model.prompt(call.messages)) for call in order]


def common(one: list[int], other: list[int]) -> int:
    """Return how many first tokens are equal."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def best(repetition: Callable[[], object]) -> float:
    """Return the least CPU seconds of several repetitions."""
    times = []
    for _ in range(REPETITIONS):
        started = time.process_time()
        repetition()
        times.append(time.process_time() - started)
    return min(times)


if __name__ == "__main__":
    main()
