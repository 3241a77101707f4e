"""Estimating how many tokens a text takes, without a tokenizer.

Each run of ASCII letters, of digits and of other ASCII signs costs something to start and something for each character; every
byte beyond ASCII costs the same. The costs are a non-negative least-squares fit to the mean count of four tokenizers (two of
OpenAI's, cl100k and o200k; DeepSeek's; an early one of Anthropic's), then raised so that a budget rather holds than breaks.
"""

from __future__ import annotations

__all__ = ["estimate_tokens"]

_HUNDREDTHS = {"a": (70, 15), "0": (50, 80), ".": (45, 40), "x": (0, 40)}
"""Cost of starting a run and of each byte: letters, digits, other signs, bytes beyond ASCII."""


def _class_of(byte: int) -> str:
    if byte > 127:
        return "x"
    sign = chr(byte)
    return "a" if sign.isalpha() else "0" if sign.isdigit() else " " if sign in " \t" else "."


_CLASSES = "".join(map(_class_of, range(256))).encode()
_COSTS = [
    (kind.encode(), each, start, [(before + kind).encode() for before in " a0.x" if before != kind])
    for kind, (start, each) in _HUNDREDTHS.items()
]


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text takes: the same for the same text, never less for the whole than for a part.

    Error, as estimate over true count, for four tokenizers: 400 remembered events and 400 descriptions in English 0.96 to
    1.26 in nine cases of ten, 1.1 over all; 400 titles of three or four rare words 0.7 to 1.4. Source code and Markdown are
    estimated 1.2 times too high, words in capitals 0.7 to 0.9 times. Of other alphabets it assumes what the older tokenizers
    need (0.8 to 1.4 times); newer ones need as little as a third of that. Texts joined never cost more than their estimates
    together. Takes 6 microseconds for 240 characters.

    Args:
        text: any.
    """
    classes = b" " + text.encode("utf-8", "surrogatepass").translate(_CLASSES)
    hundredths = 0
    for kind, each, start, starts in _COSTS:
        count = classes.count(kind)
        if count:
            hundredths += each * count
            if start:
                hundredths += start * sum(map(classes.count, starts))
    return -(-hundredths // 100)
