"""Reading a realism card from its file: what a page needs of it is there and of its type, or the file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, BaseModel, ConfigDict, model_validator

from recsim_llm.core.files import read_json
from recsim_llm.report.side_files import reading

__all__ = ["CARD_FILE", "read_card"]

CARD_FILE = "realism.json"
"""Name of the card's file in a run folder."""

Number = Annotated[float, AllowInfNan(False)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Estimate(_Part):
    value: Number | None
    low: Number | None
    high: Number | None
    users: int


class _Row(_Estimate):
    name: str
    role: Literal["candidate", "member", "trivial", "cheap", "reference", "real"]
    difference: _Estimate | None


class _Measure(_Part):
    name: str
    unit: str
    better: Literal["higher", "lower", "real", "none"]
    rows: list[_Row]
    verdict: list[str]

    @model_validator(mode="after")
    def _one_candidate(self) -> _Measure:
        if [row.role for row in self.rows].count("candidate") != 1:
            raise ValueError("not one candidate")
        return self


class _Line(_Part):
    number: int
    name: str
    measures: list[_Measure]


class _Card(_Part):
    name: str
    data: str
    fingerprint: str
    lines: list[_Line]


def read_card(path: Path) -> dict[str, Any]:
    """Return the realism card in a file or folder, as ``Card.to_json`` made it.

    Raises:
        LogError: the file is missing or is no realism card.
    """
    path = path / CARD_FILE if path.is_dir() else path
    with reading(path, "realism"):
        _Card.model_validate_json(path.read_bytes())
        card: dict[str, Any] = read_json(path)
    return card
