"""Text from outside in tables that spreadsheets open."""

from __future__ import annotations

__all__ = ["defused"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def defused(text: str) -> str:
    """Return a text that a spreadsheet takes for text: what begins like a formula gets an apostrophe in front.

    What begins so behind apostrophes gets another one, so that different texts stay different.

    Args:
        text: any; a title, an id, a name.
    """
    return f"'{text}" if text.lstrip(" '").startswith(_FORMULA) else text
