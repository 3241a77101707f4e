"""A tokenizer for one catalog: whole titles, years, lists of genres and turns of the templates are tokens, the longest first.

Text is cut at line ends, fields and quotation marks, each piece, from the left, into the longest tokens that there are; every
byte is a token too, so that any text can be told. No token goes over a cut, so that these are the tokens of the tokenizer
that llama.cpp calls ``rwkv``, which knows no cuts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["BEGIN", "END", "PADDING", "build_tokenizer", "find_phrases", "phrase_tokens", "token_bytes"]

BEGIN, END, PADDING = "<|begin|>", "<|end|>", "<|pad|>"
"""Control tokens: what opens a message, what ends one, and what fills a batch."""

_LONGEST_LINE = 100_000  # characters that are still cut into tokens; longer lines would become one unknown token
_QUOTED, _FIELD = (
    '"[^"\n]*"',
    r" \| ",
)  # where no phrase goes on: finding the longest phrase takes the square of a piece's length
_CONTROL = 3  # control tokens come first, then the bytes


def find_phrases(texts: Iterable[str], known: Sequence[str], *, most: int, least_count: int = 8) -> list[str]:
    """Return the most frequent pieces of lines that stand between known phrases, line ends included.

    Args:
        texts: prompts and leads as rendered.
        known: phrases that are tokens anyway.
        most: how many to return.
        least_count: occurrences below which a piece is none.
    """
    encoder = build_tokenizer(known, "").backend_tokenizer
    counts: Counter[bytes] = Counter()
    for line in (line for text in texts for line in text.splitlines(keepends=True)):
        piece = b""
        for token in [*encoder.encode(line, add_special_tokens=False).ids, -1]:
            if _CONTROL <= token < _CONTROL + 256:
                piece += bytes([token - _CONTROL])
            elif piece:
                counts[piece] += 1
                piece = b""
    frequent = sorted((-count, piece) for piece, count in counts.items() if count >= least_count)
    return [piece.decode(errors="ignore") for _, piece in frequent[:most]]


def build_tokenizer(phrases: Sequence[str], chat_template: str) -> Any:
    """Return a ``transformers`` tokenizer that cuts text into the longest of these phrases, and into bytes where none fits.

    Args:
        phrases: without line ends but at their end.
        chat_template: how messages become one text, in Jinja.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = _LETTERS
    spelled = dict.fromkeys([*letters, *("".join(letters[byte] for byte in phrase.encode()) for phrase in phrases)])
    vocabulary = {text: number for number, text in enumerate([PADDING, BEGIN, END, *spelled])}
    model = models.WordPiece(
        vocabulary, unk_token=PADDING, continuing_subword_prefix="", max_input_chars_per_word=_LONGEST_LINE
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QUOTED), "isolated"),
            pre_tokenizers.Split(Regex(_FIELD), "merged_with_next"),
            pre_tokenizers.Split(Regex("\n"), "merged_with_previous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (PADDING, BEGIN, END)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PADDING,
        clean_up_tokenization_spaces=False,
        chat_template=chat_template,
    )


def phrase_tokens(tokenizer: Any, phrases: Sequence[str]) -> list[int]:
    """Return the token of each phrase that is a whole token."""
    return [tokenizer.backend_tokenizer.encode(phrase, add_special_tokens=False).ids[0] for phrase in phrases]


def token_bytes(spelled: str) -> bytes:
    """Return the bytes of a token as the vocabulary spells it."""
    return bytes(_LETTERS.index(letter) for letter in spelled)


def _byte_letters() -> list[str]:
    """Return the letter that stands for each byte in the vocabulary, as in GPT-2: printable ones for themselves."""
    own = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in own else chr(next(others)) for byte in range(256)]


_LETTERS = _byte_letters()
