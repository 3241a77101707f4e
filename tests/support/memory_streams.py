"""Random streams of memories for tests: what happens to whom, and memories that lived through it."""

import numpy as np
from hypothesis import strategies as st

from recsim_llm.agents.memory import Memories, MemorySettings, WordWeights

ROWS = 4
TOPICS = ("Comedy", "Horror", "War")
WORDS = ("lantern", "harbour", "orchid", "ferry", "violin", "winter", "bakery", "comet")
WEIGHTS = WordWeights.from_texts(["lantern harbour", "lantern orchid", "lantern ferry violin"])

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
times = st.integers(0, 400).map(lambda quarter: quarter / 4)
shares = st.integers(0, 20).map(lambda part: part / 20)
events = st.tuples(
    st.integers(0, ROWS - 1),
    times,
    texts,
    shares,
    shares.map(lambda share: 2 * share - 1),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from([float("nan"), 1.0, 2.5, 5.0]),
    st.sampled_from(["observe", "observe", "observe", "state", "reflect", "recall"]),
)
streams = st.lists(events, max_size=30)


def make_memories(rows=ROWS, embedder=None, **settings):
    return Memories(rows, words=WEIGHTS, topics=TOPICS, settings=MemorySettings(**settings), embedder=embedder)


def live(memories, stream, rows=None):
    """Let memories live through a stream; ``rows`` gives the place of each row of the stream, None where it is left out."""
    for row, time, text, importance, valence, topics, stars, verb in stream:
        place = row if rows is None else rows.get(row)
        if place is None:
            continue
        if verb == "observe":
            more = {"importance": importance, "valence": valence, "topics": [topics], "stars": stars}
            memories.remember([place], time, [text], **more)
        elif verb == "state":
            memories.state_fact([place], time, [text], [text.split()[0]])
        elif verb == "reflect":
            memories.reflect([place], time)
        else:
            memories.recall([place], [text], time, 2)
    return memories


def same(first, second):
    """Return whether two dicts of columns are equal to the bit."""
    return first.keys() == second.keys() and all(
        list(first[name]) == list(second[name])
        if first[name].dtype == object
        else first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes()
        for name in first
    )


def same_recall(first, second):
    return np.array_equal(first.index, second.index) and first.score.tobytes() == second.score.tobytes()
