"""Options as tokens: where in ``LEAD LABEL`` the labels of a question part, and the probability that a model gives each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import NamedTuple

import torch

from recsim_llm.errors import BackendError
from recsim_llm.language.base.questions import Question

__all__ = ["OptionTokens", "draw", "option_probabilities", "option_tokens"]

Encode = Callable[[str], list[int]]


class OptionTokens(NamedTuple):
    """How a question is put to a model that has read the prompt."""

    lead: tuple[int, ...]
    """The question's lead, or ``KEY:``, and whatever follows it in all labels alike."""
    first: tuple[tuple[int, ...], ...]
    """Tokens that spell each option whole, in all ways of writing it; where there are none, those that begin it."""
    rest: tuple[tuple[int, ...], ...]
    """Each option as written out after the lead, its first token included."""


def option_tokens(question: Question, encode: Encode) -> OptionTokens:
    """Return the tokens that tell the options of a question apart.

    An option's label counts in lower and upper case, with and without a space before it, where that is one token; where none
    of it is, the tokens that begin it count, as for servers (``reading_tokens.read_first_token``). Tokens that begin another
    option too are left out.

    Raises:
        BackendError: labels begin with the same token.
    """
    before = question.lead or f"{question.key}:"
    written = [encode(f"{before} {label}") for label in question.labels]
    lead = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*written, strict=False))]
    rest = [tokens[len(lead) :] for tokens in written]
    own = _first_tokens(question, rest)
    whole, begun = [set[int]() for _ in own], [set[int]() for _ in own]
    for number, label in enumerate(question.labels):
        for text in _spellings(before, label):
            tokens = encode(text)
            if len(tokens) > len(lead) and tokens[: len(lead)] == lead:
                (whole if len(tokens) == len(lead) + 1 else begun)[number].add(tokens[len(lead)])
    claims = Counter(token for pair in zip(whole, begun, strict=True) for token in set.union(*pair))

    def clear(tokens: set[int], kept: int) -> tuple[int, ...]:
        return tuple(sorted(token for token in tokens if token == kept or (token not in own and claims[token] == 1)))

    options = tuple(clear(full, kept) or clear(part, kept) for full, part, kept in zip(whole, begun, own, strict=True))
    return OptionTokens(tuple(lead), options, tuple(tuple(tokens) for tokens in rest))


def option_probabilities(scores: torch.Tensor, options: OptionTokens, temperature: float = 1.0) -> tuple[float, ...]:
    """Return the probability of each option among the options, from the scores of the token after the lead.

    Args:
        scores: unnormalised log-probabilities, ``[vocabulary]``.
        options: the question.
        temperature: above 0; divides the log-probabilities of options.
    """
    exact = scores.double()
    option_scores = torch.stack([torch.logsumexp(exact[list(tokens)], 0) for tokens in options.first])
    return tuple(torch.softmax(option_scores / temperature, 0).tolist())


def draw(probabilities: torch.Tensor, generator: torch.Generator) -> int:
    """Return an index drawn with one random number.

    Args:
        probabilities: float64, summing to 1, ``[indices]``.
        generator: source of the number.
    """
    edges = torch.cumsum(probabilities, 0)
    point = torch.rand(1, dtype=torch.float64, generator=generator) * edges[-1]
    return min(int(torch.searchsorted(edges, point, right=True)), len(edges) - 1)


def _first_tokens(question: Question, rest: Sequence[Sequence[int]]) -> list[int]:
    seen: dict[int, str] = {}
    for label, tokens in zip(question.labels, rest, strict=True):
        token = tokens[0] if tokens else -1
        if token in seen or not tokens:
            raise BackendError(
                "refused",
                f"question {question.key}: got labels that this model's tokenizer begins alike, {seen.get(token, label)} among "
                "them, expected a first token of its own for each; ask for fewer levels, or use the realisation json",
                retryable=False,
            )
        seen[token] = label
    return list(seen)


def _spellings(before: str, label: str) -> list[str]:
    cases = sorted({label, label.lower(), label.upper(), label.capitalize()})
    return [f"{before}{space}{case}" for case in cases for space in (" ", "")]
