"""Stand-ins whose answers have a part that hangs on the title alone, planted to be taken away again."""

import math

import numpy as np
from planted_scripts import line_of, noise_of, shifted, title_of

from recsim_llm.language.backends.scripts import genres

PULL = 2.0
TASTE = 1.5


def pull_of(title):
    """Return what a title gets from everybody, in log-odds."""
    return PULL * noise_of(title, "pull")


def personal(text, question):
    """Go by the genres that a person loves; who loves some rates higher, whatever it is."""
    if question.kind == "likelihood":
        return likely(text, question)
    if question.key.startswith("stars_"):
        return shifted((0.1, 0.2, 0.3, 0.25, 0.15), 0.3 * ("You love" in text))
    return genres(text, question)


def pulled(text, question):
    """The same, and by the title, whoever is asked."""
    weights = personal(text, question)
    if question.kind == "likelihood" or "_" not in question.key:
        return weights
    pull = pull_of(title_of(line_of(text, question)))
    return shifted(weights, pull if question.kind == "yes_no" else 0.3 * pull)


def likely(text, question):
    """Find a title likelier for its own sake, and the likelier the more titles with its first letter stand before it."""
    title = question.options[0].strip('"')
    letters = [line.strip('"')[0] for line in text.split("\n")[1:] if line.startswith('"')]
    share = letters.count(title[0]) / max(len(letters), 1)
    return (math.exp(-10 + 4 * noise_of(title, "likelihood") + TASTE * share),)


def log_odds(chance):
    return np.log(chance) - np.log1p(-chance)
