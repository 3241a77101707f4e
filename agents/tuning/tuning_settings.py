"""What a tuning is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.errors import ConfigError

__all__ = ["CHECKPOINT", "SCRATCH", "TuningSettings"]

SCRATCH = "scratch"
"""Name of the model that begins from nothing."""
CHECKPOINT = "checkpoint.pt"
"""File, in the folder of what is being made, from which a stopped training goes on."""
_PROVIDER = "transformers/"


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """How a model is tuned. The same settings, data and machine give the same weights, interrupted or not."""

    model: str
    """``scratch``, or ``transformers/FOLDER``: a causal language model that goes on from where it is."""
    seed: int
    """Of the users kept apart, the examples, and the first weights."""
    examples: int = 48_000
    """Pages to learn from; the learning rate falls to nothing by the last one."""
    templates: str = "en_compact"
    """Words of the prompts; the tuned model is to be asked with the same."""
    rating_history: int = 50
    """Most ratings of a user that a prompt tells."""
    width: int = 128
    """Dimensions of a model from scratch, a multiple of 64."""
    layers: int = 3
    """Layers of a model from scratch, 2 or more."""
    learning_rate: float | None = None
    """Highest one; None: 0.0003 from scratch, 0.0002 with adapters, 0.00002 without."""
    lora: int = 0
    """Rank of low-rank adapters (Hu et al. 2022, "LoRA"), which are merged in the end; 0 trains all weights."""
    device: str = "cpu"
    """Where it computes: ``cpu`` or ``cuda``."""

    def __post_init__(self) -> None:
        if self.model != SCRATCH and not (self.model.startswith(_PROVIDER) and self.model != _PROVIDER):
            raise ConfigError(f"tune: got model {self.model!r}, expected {SCRATCH} or {_PROVIDER}FOLDER")
        for name, least in (("examples", 1), ("rating_history", 0), ("lora", 0), ("layers", 2), ("width", 64)):
            check_whole_number(f"tune, {name}", getattr(self, name), least=least)
        if self.width % 64:
            raise ConfigError(f"tune, width: got {self.width}, expected a multiple of 64")
        if self.lora and self.model == SCRATCH:
            raise ConfigError("tune, lora: got adapters for a model from scratch, expected 0; there is nothing to adapt yet")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise ConfigError(f"tune, learning_rate: got {self.learning_rate}, expected a number between 0 and 1")

    @property
    def folder(self) -> str:
        """The folder that is tuned, or an empty text from scratch."""
        return self.model.removeprefix(_PROVIDER) if self.model != SCRATCH else ""

    @property
    def highest_rate(self) -> float:
        """The highest learning rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 3e-4 if self.model == SCRATCH else 2e-4 if self.lora else 2e-5

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
