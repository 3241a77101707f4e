"""Text from outside, made safe to be shown in a terminal: titles, names, file names, what models and servers say."""

from __future__ import annotations

import re

__all__ = ["printable"]

# Strings that end with ST or BEL (ECMA-48: OSC, DCS, SOS, PM, APC), control sequences (CSI), other escapes.
_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]{0,256}[ -/]{0,16}[@-~]"
    r"|\x1b[ -/]{0,16}[0-~]"
)
# What is left of controls, and the marks that turn the direction of what follows (Unicode UAX 9).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HALF = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text without anything that a terminal obeys; line breaks and tabs stay.

    Escape sequences go as a whole, so do other control characters and marks of direction. Halves of characters, which cannot
    be written at all, become question marks.

    Args:
        text: any.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HALF.sub("?", _CONTROL.sub("", _SEQUENCE.sub("", text)))
