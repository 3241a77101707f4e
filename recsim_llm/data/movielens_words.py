"""MovieLens' codes and titles in words, and its terms of use in ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["AGES", "GENDERS", "LICENCES", "NO_GENRES", "OCCUPATIONS", "age_band", "parse_title", "split_genres"]

GENDERS: dict[str, str] = {"F": "female", "M": "male"}
"""Gender codes of ``users.dat`` and ``u.user``."""

AGES: dict[str, str] = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56+",
}
"""Age codes of ``users.dat``: the first year of the band."""

OCCUPATIONS: dict[str, str] = {
    str(code): words
    for code, words in enumerate(
        (
            "other",
            "academic/educator",
            "artist",
            "clerical/admin",
            "college/grad student",
            "customer service",
            "doctor/health care",
            "executive/managerial",
            "farmer",
            "homemaker",
            "K-12 student",
            "lawyer",
            "programmer",
            "retired",
            "sales/marketing",
            "scientist",
            "self-employed",
            "technician/engineer",
            "tradesman/craftsman",
            "unemployed",
            "writer",
        )
    )
}
"""Occupation codes of ``users.dat``."""

_CITE = (
    "Publications must cite F. M. Harper and J. A. Konstan (2015), The MovieLens Datasets: History and Context, "
    "ACM Transactions on Interactive Intelligent Systems 5(4), article 19."
)
_COMMON = (
    "Free for research; no endorsement by the University of Minnesota or GroupLens may be implied; commercial use "
    "needs GroupLens' permission; no warranty."
)

LICENCES: Mapping[str, str] = {
    "latest": f"{_COMMON} The data may be passed on only under these same terms. {_CITE}",
    "1M": f"{_COMMON} The data may not be redistributed without separate permission. {_CITE}",
    "100K": f"{_COMMON} The data may not be redistributed without separate permission. {_CITE}",
}
"""Layout to a summary of its README's terms; the README decides."""

NO_GENRES = "(no genres listed)"
"""What stands in the place of genres where a film has none."""

_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:\s*[-–]\s*(?:\d{4})?\s*)?\)\s*$", re.DOTALL | re.ASCII)
_ARTICLE = re.compile(r"^(?P<head>.+?), (?P<article>The|An|A)(?P<rest> \(.*)?$", re.DOTALL)


def parse_title(text: str) -> tuple[str, int]:
    """Split a MovieLens title into a display title and a year.

    Args:
        text: for instance ``Postman, The (Postino, Il) (1994)``; a span of years counts from its first.

    Returns:
        The title without its year, with a trailing English article moved to the front, and the year, -1 where none ends
        the text.

    Examples:
        >>> parse_title("Postman, The (Postino, Il) (1994)")
        ('The Postman (Postino, Il)', 1994)
    """
    found = _YEAR.match(text)
    title, year = (found["title"], int(found["year"])) if found else (text.strip(), -1)
    moved = _ARTICLE.match(title)
    return (f"{moved['article']} {moved['head']}{moved['rest'] or ''}" if moved else title), year


def split_genres(text: str, separator: str) -> list[str]:
    """Split a genre list; empty names and MovieLens' ``(no genres listed)`` mean no genre."""
    names = (name.strip() for name in text.split(separator))
    return [name for name in names if name and name != NO_GENRES]


def age_band(age: int) -> str:
    """Return the band of ``AGES`` that an age in years belongs to."""
    first = max((int(code) for code in AGES if int(code) <= age), default=1)
    return AGES[str(first)]
