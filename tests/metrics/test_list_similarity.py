"""How alike two lists are: the three measures of FaiRLLM, against numbers worked out by hand."""

import numpy as np
import pytest

from recsim_llm.metrics import jaccard_similarity, prag_similarity, serp_similarity

MEASURES = (jaccard_similarity, serp_similarity, prag_similarity)
LIST = [[1, 2, 3]]


@pytest.mark.parametrize(
    ("reference", "jaccard", "serp", "prag"),
    [
        ([1, 2, 3], 1, 1, 1),
        ([3, 2, 1], 1, 1, 0),
        ([4, 5, 6], 0, 0, 0),
        ([9, 1, 8], 1 / 5, 3 / 6, 2 / 3),  # of the pairs (1,2), (1,3), (2,3) the first two keep 1 in front
        ([3, 9, 8], 1 / 5, 1 / 6, 0),
        ([2, 1, 9], 2 / 4, 5 / 6, 2 / 3),
    ],
)
def test_lists_are_as_alike_as_worked_out_by_hand(reference, jaccard, serp, prag):
    found = [float(measure(LIST, [reference])[0]) for measure in MEASURES]
    assert found == pytest.approx([jaccard, serp, prag])


def test_a_list_of_one_is_the_same_or_not_and_users_are_compared_each_by_itself():
    for measure in MEASURES:
        assert measure([[5], [6]], [[5], [7]]).tolist() == [1, 0]
        assert measure(np.zeros((0, 4), np.int64), np.zeros((0, 4), np.int64)).tolist() == []
