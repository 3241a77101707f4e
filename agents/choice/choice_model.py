"""The fitted item side of the choice model, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.files import parse_json
from recsim_llm.errors import ConfigError, DataError

__all__ = ["ChoiceModel", "FamilyTaste"]

_VERSION = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class FamilyTaste:
    """The item side of the taste that one family of evidence gives; its user vectors are ``click_`` and its name."""

    click_items: FloatArray
    """float32 [n, f]: as of ``ChoiceModel``; of one width for all families."""
    click_bias: float
    """As of ``ChoiceModel``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceModel:
    """What was learned about items, and the parameters of behaviour; what was learned about users is in the population."""

    item_id: npt.NDArray[np.int64]
    """int64 [n]: the catalog's ids, in its order."""
    click_items: FloatArray
    """float32 [n, d]: a user's ``click`` vector times this is the log-odds that the user would consume the item."""
    rating_items: FloatArray
    """float32 [n, e]: a user's ``rating`` vector times this is the expected rating in stars."""
    levels: FloatArray
    """float32 [l]: star levels, ascending."""
    parameters: ChoiceParameters
    """Behaviour on the page, with the fitted values in place."""
    click_bias: float
    """Intercept of the click log-odds, solved for at ``parameters.click_rate``. Fitted."""
    patience_median: float
    """Items a sitting: the patience at which ``leave_start`` holds. Fitted."""
    mainstreamness_mean: float
    """Mean mainstreamness of the fitted users."""
    mainstreamness_spread: float
    """Standard deviation of the fitted users' mainstreamness; above 0."""
    fitted_on: str
    """Fingerprint of the ratings that the model was fitted on."""
    families: Mapping[str, FamilyTaste] = field(default_factory=dict)
    """Tastes from one family of evidence alone, by name of ``recsim_llm.population.TASTE_FAMILIES``."""
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is known of where parameters come from, by name; ``parameter_sources`` adds the rest. Plain values for JSON."""
    selection: str = ""
    """How people's having chosen what they rated was treated, one sentence; empty where it was not."""

    def save(self, path: Path) -> None:
        """Write the model to one ``.npz`` file; ``load`` restores it exactly."""
        header = {"version": _VERSION, "parameters": self.parameters.as_settings()} | {
            name: getattr(self, name) for name in _SCALARS
        }
        header |= {"families": {name: taste.click_bias for name, taste in self.families.items()}}
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays |= {_FAMILY + name: taste.click_items for name, taste in self.families.items()}
        with path.open("wb") as stream:
            np.savez(stream, header=np.array(json.dumps(header)), **arrays)

    @classmethod
    def load(cls, path: Path) -> ChoiceModel:
        """Read a model written by ``save``.

        Raises:
            DataError: the file is missing, is no such model, or was written by another version.
        """
        try:
            file = read_arrays(path)
            header = parse_json(str(file["header"]))
            version = header["version"]
            names = (*_ARRAYS, *(_FAMILY + name for name in header.get("families", ())))
            arrays: dict[str, Any] = {name: file[name] for name in names} if version == _VERSION else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}: got {error!r}, expected a fitted choice model; write one with `recsim-llm fit`"
            ) from error
        if version != _VERSION:
            raise DataError(f"{path}: got model version {version!r}, expected {_VERSION}; fit again")
        _check_arrays(path, arrays)
        try:
            parameters = ChoiceParameters.from_settings(header["parameters"])
            families = {
                name: FamilyTaste(click_items=arrays.pop(_FAMILY + name), click_bias=bias)
                for name, bias in header["families"].items()
            }
            scalars = {name: header[name] for name in _SCALARS}
            return cls(**arrays, **scalars, families=families, parameters=parameters)
        except (KeyError, TypeError, ConfigError) as error:
            raise DataError(f"{path}: got {error!r}, expected every setting of a choice model; fit again") from error


def _check_arrays(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    count = arrays["item_id"].shape[:1]
    expected = dict.fromkeys(arrays, (np.float32, 2)) | {"item_id": (np.int64, 1), "levels": (np.float32, 1)}
    for name, (kind, axes) in expected.items():
        array = arrays[name]
        rows_agree = name == "levels" or array.shape[:1] == count
        if array.dtype != kind or array.ndim != axes or not rows_agree:
            got = f"{array.dtype} of shape {array.shape}"
            raise DataError(f"{path}: got {name} {got}, expected {np.dtype(kind)} with a row an item; fit again")


_SCALARS = (
    *("click_bias", "patience_median", "mainstreamness_mean", "mainstreamness_spread", "fitted_on", "selection"),
    "sources",
)
_FAMILY = "click_items_"
_ARRAYS = ("item_id", "click_items", "rating_items", "levels")
