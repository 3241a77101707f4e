"""Text from outside, made safe to stand in a line of a prompt."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["safe_text"]

_MARKS = str.maketrans({"<": "‹", ">": "›", "`": "'", '"': "'", "|": "/", "＜": "‹", "＞": "›"})


@lru_cache(maxsize=65536)
def safe_text(text: str, length: int) -> str:
    """Make text from outside safe to stand in a line of a prompt.

    It becomes one line; control, formatting and other invisible characters go, so that nothing can be hidden from a person who
    reads the prompt; characters that could close a delimiter or a field (angle brackets, backticks, double quotes, vertical
    bars) are replaced by harmless look-alikes; what is too long ends in an ellipsis.

    Args:
        text: any.
        length: most characters, 1 or more.
    """
    # Cut roughly first: a text of megabytes costs no more than a long one.
    spaced = " ".join(text[: 16 * length].split())
    visible = "".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C")
    line = " ".join(visible.translate(_MARKS).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
