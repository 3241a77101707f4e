"""What users remember: a stream of observations, facts, reflection, and recall within a token budget."""

from recsim_llm.agents.memory.embedding import sentence_embedder
from recsim_llm.agents.memory.memories import Memories
from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.memory_text import Rendered
from recsim_llm.agents.memory.retrieval import MemoryKind, Recalled
from recsim_llm.agents.memory.topic_words import WordWeights

__all__ = [
    "Memories",
    "MemoryKind",
    "MemorySettings",
    "Recalled",
    "Rendered",
    "WordWeights",
    "sentence_embedder",
]
