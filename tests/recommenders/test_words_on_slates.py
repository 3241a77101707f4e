"""Words that a recommender puts beside items: texts of the page's shape, of bounded length."""

import numpy as np
import pytest

from recsim_llm.errors import SlateError
from recsim_llm.recommenders import check_slates, deterministic
from recsim_llm.testing import small_world


def _check(**words):
    catalog, _ = small_world()
    slates = deterministic(catalog.item_id[None, :3])._replace(**words)
    return check_slates(slates, catalog, 1, 3, name="talker", blank_invalid=False)


def test_words_of_the_pages_shape_pass():
    assert _check(explanation=np.array([["because", "", ""]], object), title=np.array([["Mine", "", ""]], object)).shape == (
        1,
        3,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (np.array(["one for the page"], object), "expected texts of shape"),
        (np.array([[1, 2, 3]], object), "expected texts of shape"),
        (np.array([["x" * 501, "", ""]], object), "501 characters"),
        (np.array([["", "a\ud800", ""]], object), "half of a character"),
        (np.array([["", " ", ""]], object), "a text that nobody sees"),
        (np.array([["", "\u200b\n", ""]], object), "a text that nobody sees"),
    ],
)
def test_words_of_another_form_are_refused(words, told):
    with pytest.raises(SlateError, match=told):
        _check(explanation=words)
