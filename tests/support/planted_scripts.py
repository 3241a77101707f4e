"""Scripts for stand-in models with planted faults, and what such scripts are made of."""

import re
from hashlib import blake2b

import numpy as np

from recsim_llm.language.backends.scripts import genres


def noise_of(*words):
    """Return a standard-uniform number in -1 to 1 that hangs on all of the words."""
    digest = blake2b("\n".join(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**63 - 1


def slot_of(question):
    found = re.fullmatch(r"\w+_(\d+)", question.key)
    return int(found[1]) if found else 0


def line_of(text, question):
    """Return the line of the page that a question is about."""
    page = text[text.rindex("<page>\n") + 7 : text.rindex("\n</page>")].split("\n")
    return page[slot_of(question) - 1]


def title_of(line):
    return re.match(r'\d+\. "(.*?)"', line)[1]


def shifted(weights, shift):
    """Move answers by log-odds for yes or no, and by a tilt for levels."""
    tilted = np.array(weights) * np.exp(shift * np.arange(len(weights))[:: -1 if len(weights) == 2 else 1])
    return tuple((tilted / tilted.sum()).tolist())


def noisy(text, question):
    """Go by genres, and by a whim that hangs on every letter of the prompt."""
    return shifted(genres(text, question), 0.8 * noise_of(text, question.key))
