"""A model and its tokenizer in this process: loaded from a folder, told messages in its own chat format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.backends.branches import Branches, PromptTokens, count_common
from recsim_llm.language.backends.model_files import said_by
from recsim_llm.language.backends.option_scores import OptionTokens, option_tokens
from recsim_llm.language.backends.prefix_cache import PrefixCache
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import Message

__all__ = ["LocalModel", "quiet"]

_TOKEN_MEMORIES = frozenset({"full_attention", "sliding_attention"})


class LocalModel:
    """A chat model that is ready to answer; may be used by several threads at once.

    Args:
        folder: a transformers model.
        device: where it computes, for instance ``cpu`` or ``cuda``.
        precision: torch's name of the type to compute in, for instance ``float32``; ``auto``: the type of the weights.
        prefix_bytes: most bytes of keys and values kept of earlier prompts.

    Attributes:
        network: the causal language model.
        tokenizer: its tokenizer.
        ends: tokens that end a reply.
        context: most tokens of a prompt and its reply.

    Raises:
        ConfigError: it cannot be loaded or is no chat model.
    """

    def __init__(self, folder: Path, device: str, precision: str, prefix_bytes: int) -> None:
        try:
            with quiet():
                kind: Any = precision if precision == "auto" else getattr(torch, precision)
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
                self.network: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=kind)
                self.network.to(device).eval()
        # Whatever a broken file makes its reader raise: safetensors, tokenizers and torch have errors of their own.
        except Exception as error:
            expected = "expected a transformers model with safetensors weights and its tokenizer; download it again"
            raise ConfigError(f"model {folder}: got files that cannot be loaded ({said_by(error)}), {expected}") from None
        self._folder = folder
        config = self.network.config.get_text_config()
        unknown = set(getattr(config, "layer_types", None) or ()) - _TOKEN_MEMORIES
        if unknown:
            raise ConfigError(f"model {folder}: got layers of type {min(unknown)}, expected attention; use a server for it")
        if not self.tokenizer.chat_template:
            raise ConfigError(f"model {folder}: got no chat template, expected a model trained for chat")
        self.context: int = getattr(config, "max_position_embeddings", 1 << 30)
        self.ends = self._find_ends()
        special = sorted({*self.tokenizer.all_special_tokens, *self.tokenizer.get_added_vocab()}, key=len, reverse=True)
        self._special = re.compile("|".join(re.escape(text) for text in special if text.strip()) or "(?!)")
        self._prefixes = PrefixCache(prefix_bytes)
        self._options: dict[Question, OptionTokens] = {}
        # A tokenizer that two threads use at once may refuse the second.
        self._tokenizing = Lock()
        self._system = self._takes_system()

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a piece of a reply."""
        with self._tokenizing:
            return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without those that end a reply."""
        with self._tokenizing:
            return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def options(self, question: Question) -> OptionTokens:
        """Return how a question is put, see ``option_tokens``."""
        if question not in self._options:
            self._options[question] = option_tokens(question, self.encode)
        return self._options[question]

    def prompt(self, messages: Sequence[Message], recurring: Sequence[int] = ()) -> PromptTokens:
        """Return messages as tokens, up to where the reply begins, and where its recurring beginnings end.

        A control token spelled out in a message, in an item's text say, gets a space after its first character, so that it
        ends nothing. A model without a system message is told it at the beginning of the user's.

        Args:
            messages: what the model is told.
            recurring: lengths in characters of the second message's beginnings that other prompts share; the first message
                always is one.
        """
        text = self._render(messages)
        tokens = self.encode(text)
        ends = set[int]()
        for message in messages[1:2]:
            for length in (0, *recurring):
                cut = self._render([messages[0], message._replace(content=message.content[:length])])
                # Both are the same up to the cut, whatever the template puts around messages; a token may reach over it.
                ends.add(count_common(tokens, self.encode(text[: count_common(text, cut)])))
        return PromptTokens(tokens, tuple(sorted(ends - {0, len(tokens)})))

    def plain(self, messages: Sequence[Message]) -> PromptTokens:
        """Return messages as the tokens of a plain text, without any mark of a chat, up to a new line."""
        start = [] if self.tokenizer.bos_token_id is None else [int(self.tokenizer.bos_token_id)]
        tokens = start + self.words("\n\n".join(message.content for message in messages) + "\n")
        # The whole text comes again, with other words after it; its last token is read with them.
        return PromptTokens(tokens, (len(tokens) - 1,) if len(tokens) > 1 else ())

    def words(self, text: str) -> list[int]:
        """Return the tokens of a text that holds no control token, whatever it spells out."""
        return self.encode(self._special.sub(_broken, text))

    def read(self, prompt: PromptTokens, reply: int) -> Branches:
        """Read a prompt.

        Args:
            prompt: its tokens.
            reply: tokens of the reply that must fit after it.

        Raises:
            BackendError: it does not fit into the model's context.
        """
        if len(prompt.tokens) + reply > self.context:
            raise BackendError(
                "refused",
                f"model {self._folder.name}: got a prompt of {len(prompt.tokens):,} tokens and {reply:,} for the reply, "
                f"expected at most {self.context:,} together, the model's context; shorten the memory or the page",
                retryable=False,
            )
        return Branches(self.network, prompt, self._prefixes)

    def _render(self, messages: Sequence[Message]) -> str:
        told = [{"role": message.role, "content": self._special.sub(_broken, message.content)} for message in messages]
        if not self._system and len(told) > 1 and told[0]["role"] == "system":
            told[1]["content"] = told[0]["content"] + "\n\n" + told[1]["content"]
            del told[0]
        return self._chat(told)

    def _chat(self, told: Sequence[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(told, tokenize=False, add_generation_prompt=True, enable_thinking=False))

    def _takes_system(self) -> bool:
        try:
            return "rules" in self._chat([{"role": "system", "content": "rules"}, {"role": "user", "content": "page"}])
        # Templates refuse in their own words, through Jinja's errors or others.
        except Exception:
            return False

    def _find_ends(self) -> frozenset[int]:
        ends = self.network.generation_config.eos_token_id
        named = [self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])]
        return frozenset(token for token in named if token is not None)


def _broken(token: re.Match[str]) -> str:
    return token[0][0] + " " + token[0][1:]


@contextmanager
def quiet() -> Iterator[None]:
    """Draw no progress bars while loading; the command line has its own."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
