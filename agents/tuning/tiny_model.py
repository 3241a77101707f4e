"""A model from scratch: a small Llama whose tokens are a catalog's titles and the turns of the templates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import LEVELS, LONGEST_DESCRIPTION, Item
from recsim_llm.agents.tuning.first_weights import ROPE_THETA, set_first_weights
from recsim_llm.agents.tuning.greedy_tokenizer import build_tokenizer, find_phrases, phrase_tokens
from recsim_llm.agents.tuning.tuning_examples import Example
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset
from recsim_llm.language.base.safe_text import safe_text

__all__ = ["CHAT_TEMPLATE", "new_network", "new_tokenizer", "tell_items"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|begin|>{{ message['role'] }}\n{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}"
)
_GENRES = 20  # characters, as the compact templates tell them
_TITLE = re.compile(r'"[^"\n]*"')
_TURNS = 600  # phrases of the templates
_WORDS = 3000  # words of titles and descriptions
_CONTEXT = 4096  # tokens


def tell_items(catalog: Catalog, templates: Templates) -> list[str]:
    """Return what stands before the answer to whether an item would be taken, as the first of a page, for each item."""
    return [
        templates.say(
            "leads.click",
            number=1,
            item=Item(str(catalog.title[item]), max(int(catalog.year[item]), 0), tuple(catalog.genres_of(item)), ""),
        )
        for item in range(len(catalog))
    ]


def new_tokenizer(catalog: Catalog, leads: Sequence[str], examples: Sequence[Example]) -> Any:
    """Return a tokenizer for a catalog's titles and the words of these examples.

    Args:
        catalog: the items.
        leads: from ``tell_items``.
        examples: as many as it takes for every turn of the templates to occur now and then.
    """
    titles = _titles(leads)
    lists = sorted(
        {", ".join(safe_text(name, _GENRES) for name in catalog.genres_of(item)[:3]) for item in range(len(catalog))}
    )
    years = sorted({f" ({year})" for year in catalog.year.tolist() if year > 0})
    genres = [text for listed in lists if listed for text in (f" ({listed})", f" | {listed}")]
    names = [safe_text(name, _GENRES) for name in catalog.genre_names]
    described = (
        [] if catalog.description is None else [safe_text(str(text), LONGEST_DESCRIPTION) for text in catalog.description]
    )
    known = [*dict.fromkeys(titles), *genres, *years, *names, *(f" | {text}\n" for text in described if text)]
    texts = [message.content for example in examples for message in example.messages]
    texts += [question.lead for example in examples for question in example.questions]
    turns = find_phrases(texts, known, most=_TURNS)
    told = [*titles, *([] if catalog.description is None else map(str, catalog.description))]
    words = find_phrases((word for text in told for word in _words(text)), [], most=_WORDS, least_count=2)
    labels = [f" {label}" for example in examples for question in example.questions for label in question.labels]
    roles = ["system\n", "user\n", "assistant\n"]
    return build_tokenizer([*dict.fromkeys([*labels, *roles, *known, *turns, *words])], CHAT_TEMPLATE)


def _titles(leads: Sequence[str]) -> list[str]:
    """Return the titles in leads, quotation marks included."""
    found = [_TITLE.search(lead) for lead in leads]
    return ["" if match is None else match[0] for match in found]


def _words(text: str) -> list[str]:
    first, *others = text.strip('"').split(" ")
    return [first, *(f" {word}" for word in others)]


def new_network(tokenizer: Any, leads: Sequence[str], training: Dataset, *, width: int, layers: int, seed: int) -> Any:
    """Return an untrained network; where it begins depends on the training users alone.

    Args:
        tokenizer: from ``new_tokenizer``.
        leads: from ``tell_items``.
        training: catalog and ratings of the training users.
        width: dimensions, a multiple of 64.
        layers: 2 or more.
        seed: of the first weights.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        max_position_embeddings=_CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        initializer_range=0.04,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    network = LlamaForCausalLM(config)
    titles = phrase_tokens(tokenizer, _titles(leads))
    first_lead = tokenizer.backend_tokenizer.encode(leads[0], add_special_tokens=False).ids
    back = len(first_lead) - 1 - first_lead.index(titles[0])
    labels = phrase_tokens(tokenizer, [" yes", " no", *(f" {level}" for level in range(1, LEVELS + 1))])
    set_first_weights(network, titles, labels, training, back=back, seed=seed)
    return network
