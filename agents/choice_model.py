"""The fitted item side of the choice model, and its file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.parameters import ChoiceParameters
from recsim_llm.errors import DataError

__all__ = ["ChoiceModel"]

FloatArray = npt.NDArray[np.float32]
_VERSION = 1


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
    click_size: float
    """Root mean square entry of the fitted users' ``click`` vectors: the unit of taste drift."""
    fitted_on: str
    """Fingerprint of the ratings that the model was fitted on."""

    def save(self, path: Path) -> None:
        """Write the model to one ``.npz`` file; ``load`` restores it exactly."""
        header = {"version": _VERSION, "parameters": asdict(self.parameters)} | {name: getattr(self, name) for name in _SCALARS}
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with path.open("wb") as stream:
            np.savez(stream, header=np.array(json.dumps(header)), **arrays)

    @classmethod
    def load(cls, path: Path) -> ChoiceModel:
        """Read a model written by ``save``.

        Raises:
            DataError: the file is missing, is no such model, or was written by another version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                arrays = {name: file[name] for name in _ARRAYS}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: got {error}, expected a fitted choice model; write one with `recsim-llm fit`") from error
        if header["version"] != _VERSION:
            raise DataError(f"{path}: got model version {header['version']}, expected {_VERSION}; fit again")
        parameters = ChoiceParameters.from_settings(header["parameters"])
        return cls(**arrays, **{name: header[name] for name in _SCALARS}, parameters=parameters)


_SCALARS = ("click_bias", "patience_median", "mainstreamness_mean", "mainstreamness_spread", "click_size", "fitted_on")
_ARRAYS = ("item_id", "click_items", "rating_items", "levels")
