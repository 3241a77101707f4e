"""What users remember: a stream of observations, facts, reflection, and recall within a token budget."""

from recsim_llm.agents.memory.embedding import sentence_embedder
from recsim_llm.agents.memory.memories import Memories
from recsim_llm.agents.memory.memory_kinds import MemoryParts, open_memory
from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.agents.memory.retrieval import MemoryKind, Recalled
from recsim_llm.agents.memory.topic_words import WordWeights
from recsim_llm.core.user_memory import Rendered, UserMemory

__all__ = [
    "Memories",
    "MemoryKind",
    "MemoryParts",
    "MemorySettings",
    "Recalled",
    "Rendered",
    "UserMemory",
    "WordWeights",
    "open_memory",
    "sentence_embedder",
]
