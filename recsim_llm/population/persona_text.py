"""Personas as text: one function renders a persona, the same bytes for the same persona.

Numbers become words by fixed bands, so that a language model has no number to repeat and a persona's text does not
depend on the population around it. The bands are terciles measured on MovieLens latest-small (610 users, Harper &
Konstan 2015), rounded; on other data they are still the same words for the same behaviour.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from recsim_llm.population.personas import Persona

__all__ = ["demographic_facts", "render_persona", "state_tastes", "taste_words", "trait_thirds"]

LOVES_FROM = math.log(1.5)
"""Taste from which a genre is loved: picked half as often again as others pick it. Mean 3.0 genres a user."""
LIKES_FROM = math.log(1.2)
"""Taste from which a genre is liked: picked a fifth more often than others pick it. Mean 2.4 genres a user."""
AVOIDS_TO = -math.log(2)
"""Taste up to which a genre is avoided: picked half as often as others pick it, or less. Mean 5.0 genres a user."""
GENRES_EACH = 4
"""Most genres named as loved, as liked and as avoided."""


class Band(NamedTuple):
    """Where a trait's lower third ends and its upper third begins, and a sentence for each third."""

    low: float
    """Below it, the first sentence holds."""
    high: float
    """Above it, the third sentence holds; from ``low`` to ``high`` the second."""
    sentences: tuple[str, str, str]


BANDS: dict[str, Band] = {
    "activity": Band(
        45,
        127,
        (
            "You rate titles only now and then.",
            "You rate titles fairly regularly.",
            "You rate titles all the time and have been through a great many.",
        ),
    ),
    "diversity": Band(
        8,
        8,
        (
            "You keep to a few genres.",
            "Your choices spread over a normal mix of genres.",
            "You roam over many genres.",
        ),
    ),
    "mainstreamness": Band(
        0.893,
        0.943,
        (
            "You often go for little-known titles.",
            "You mostly pick well-known titles and now and then a lesser-known one.",
            "You stay with the big, popular titles.",
        ),
    ),
    "conformity": Band(
        0.696,
        1.074,
        (
            "Your ratings are close to what most people think.",
            "Your ratings sometimes differ from what most people think.",
            "Your ratings often go against what most people think.",
        ),
    ),
    "rating_mean": Band(
        3.48,
        3.88,
        ("you are a strict rater", "you are a rater of middling generosity", "you are a generous rater"),
    ),
    "rating_spread": Band(
        0.79,
        1.014,
        (
            "Your ratings lie close together.",
            "Your ratings vary to a normal degree.",
            "Your ratings range widely, from poor to excellent.",
        ),
    ),
    "pickiness": Band(
        0.273,
        0.458,
        (
            "You are easy to please and seldom go below your usual rating.",
            "You go below your usual rating for a fair share of titles.",
            "You are picky: many titles fall short of your usual rating.",
        ),
    ),
    "patience": Band(
        21,
        48,
        (
            "You lose patience quickly and leave after a short sitting.",
            "You stay for a sitting of ordinary length.",
            "You are patient and stay for long sittings.",
        ),
    ),
}
"""A band for each trait that the text covers; position bias is not something that people know of themselves."""

_FIRST_FIELDS = ("gender", "age", "occupation", "region")


def render_persona(persona: Persona) -> str:
    """Render a persona as a paragraph in the second person, for the stable part of a prompt.

    The text depends on the persona's traits, taste and demographics, not on user_id or the order of their mappings. The
    mean rating, to one decimal, is its only number apart from what demographics contain.

    Args:
        persona: any; an empty taste, empty demographics and a user who gives no stars drop their sentences.

    Returns:
        One line of plain English without a line break.
    """
    sentences = [
        _about(persona),
        _sentence(persona, "activity") if persona.rates else _taken_sentence(persona),
        *_taste_sentences(persona),
        _sentence(persona, "diversity"),
        _sentence(persona, "mainstreamness"),
        *(_rating_sentences(persona) if persona.rates else ()),
        _sentence(persona, "patience"),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def state_tastes(persona: Persona) -> str:
    """Return what a persona would say aloud of its tastes: the genres of ``taste_words``, and nothing else of the persona.

    Returns:
        One line in the first person; empty for a persona without a taste.
    """
    loves, likes, avoids = taste_words(persona)
    sentences = [
        f"I love {_listing(loves, 'and')}." if loves else "",
        f"I {'also ' if loves else ''}like {_listing(likes, 'and')}." if likes else "",
        f"I seldom choose {_listing(avoids, 'or')}." if avoids else "",
    ]
    if persona.taste and not any(sentences):
        return "I have no favourite genre and avoid none."
    return " ".join(sentence for sentence in sentences if sentence)


def taste_words(persona: Persona) -> tuple[list[str], list[str], list[str]]:
    """Return the genres that a persona loves, likes and avoids, at most ``GENRES_EACH`` each, strongest first.

    Loved genres beyond the limit are not listed as liked. A genre that the history lacks counts as avoided once the
    history has some five mentions; where the genre is rare, that absence says little, and taste alone cannot tell.

    Args:
        persona: taste on the log ratio scale of ``Persona.taste``.

    Returns:
        Three lists of genre names: taste of ``LOVES_FROM`` or more, ``LIKES_FROM`` or more, ``AVOIDS_TO`` or less.
        Equal tastes are ordered by name.
    """
    falling = sorted(persona.taste.items(), key=lambda pair: (-pair[1], pair[0]))
    rising = sorted(persona.taste.items(), key=lambda pair: (pair[1], pair[0]))
    loves = [genre for genre, taste in falling if taste >= LOVES_FROM]
    likes = [genre for genre, taste in falling if LIKES_FROM <= taste < LOVES_FROM]
    avoids = [genre for genre, taste in rising if taste <= AVOIDS_TO]
    return loves[:GENRES_EACH], likes[:GENRES_EACH], avoids[:GENRES_EACH]


def trait_thirds(persona: Persona) -> dict[str, int]:
    """Return for each trait of ``BANDS`` where the persona lies: 0 lower third, 1 middle, 2 upper.

    Templates in other languages choose their own sentences by it.
    """
    values = {trait: getattr(persona, trait) for trait in BANDS}
    return {trait: 0 if values[trait] < band.low else 2 if values[trait] > band.high else 1 for trait, band in BANDS.items()}


def demographic_facts(persona: Persona) -> list[tuple[str, str]]:
    """Return names and values of what is known of a persona's demographics, one line each, in the order of telling."""
    known = {name: value for name, value in persona.demographics.items() if value}
    fields = [name for name in _FIRST_FIELDS if name in known] + sorted(known.keys() - set(_FIRST_FIELDS))
    return [(_one_line(name), _one_line(known[name])) for name in fields]


def _sentence(persona: Persona, trait: str) -> str:
    return BANDS[trait].sentences[trait_thirds(persona)[trait]]


def _taken_sentence(persona: Persona) -> str:
    """Say how active a user is who gives no stars."""
    return _sentence(persona, "activity").replace("You rate titles", "You take something")


def _rating_sentences(persona: Persona) -> list[str]:
    return [
        f"On average you give {persona.rating_mean:.1f} stars: {_sentence(persona, 'rating_mean')}.",
        _sentence(persona, "rating_spread"),
        _sentence(persona, "conformity"),
        _sentence(persona, "pickiness"),
    ]


def _taste_sentences(persona: Persona) -> list[str]:
    loves, likes, avoids = taste_words(persona)
    sentences = [
        f"You love {_listing(loves, 'and')}." if loves else "",
        f"You {'also ' if loves else ''}like {_listing(likes, 'and')}." if likes else "",
        f"You seldom choose {_listing(avoids, 'or')}." if avoids else "",
    ]
    if persona.taste and not any(sentences):
        sentences = ["You have no favourite genre and avoid none."]
    return sentences


def _about(persona: Persona) -> str:
    facts = [f"{name} {value}" for name, value in demographic_facts(persona)]
    return f"About you: {'; '.join(facts)}." if facts else ""


def _listing(names: list[str], conjunction: str) -> str:
    words = [_one_line(name) for name in names]
    return " ".join([", ".join(words[:-1]), conjunction, words[-1]]) if len(words) > 1 else words[0]


def _one_line(text: str) -> str:
    # A line break inside a value would break the one-paragraph form that prompts rely on.
    return " ".join(text.split())
