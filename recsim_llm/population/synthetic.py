"""Synthetic populations, drawn from a joint distribution fitted to a population of real users.

A synthetic user is a draw from a Gaussian copula (Nelsen 2006, section 2.3) over traits, taste and fitted hidden state
together: columns keep the source's distribution, and pairs of columns its rank correlation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from scipy.special import ndtr, ndtri

from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray, TextArray
from recsim_llm.core.files import parse_json
from recsim_llm.core.keyed import uniform, words
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.numerics.ranking import mean_ranks
from recsim_llm.population.personas import TRAITS, Population

__all__ = ["JointDistribution", "fit_joint_distribution"]


_WHOLE_COLUMNS = [column for column, trait in enumerate(TRAITS) if trait.name in ("activity", "diversity")]
_LEAST_SHRINKAGE = 1e-6  # two users agree perfectly: the estimated intensity is 0 and the matrix singular
_CHUNK = 1024  # users at a time: the working set stays in the processor's cache
_FORMAT = "joint distribution 1"


@dataclass(frozen=True, kw_only=True, eq=False)
class JointDistribution:
    """How d columns (traits, taste, then vectors by name) of u source users are distributed together."""

    genre_names: tuple[str, ...]
    """Names of the taste columns."""
    vector_widths: Mapping[str, int]
    """Vector name to width, in column order."""
    values: FloatArray
    """float32 [d, u]: the observed values of each column, ascending: its empirical quantile function."""
    factor: DoubleArray
    """float64 [d, d]: lower Cholesky factor of the shrunk correlation matrix of the normal scores."""
    shrinkage: float
    """Weight of the identity in that matrix, above 0 to 1."""
    demographics: Mapping[str, TextArray]
    """Field to str [u]: the source users' values."""

    def sample(self, n: int, *, seed: int, first_user_id: int = 0) -> Population:
        """Draw ``n`` synthetic users, ids from ``first_user_id`` on; each depends on seed and user_id, not on ``n``.

        Values stay in the observed range of their column (interpolated between observed values) and in the trait's
        range; activity and diversity are whole numbers; ``cuts`` ascend along the row. Exact relations between columns
        (a spread of 0 means a pickiness of 0) hold only as far as correlation carries them. A user's demographics are
        those of one source user drawn uniformly: joint among themselves, independent of traits, taste and vectors.

        Raises:
            ConfigError: ``n`` is below 1 or ``first_user_id`` below 0.
        """
        if n < 1 or first_user_id < 0:
            raise ConfigError(f"sample: got n={n}, first_user_id={first_user_id}, expected n >= 1, first_user_id >= 0")
        user_id = np.arange(n, dtype=np.int64) + first_user_id
        widths = [len(TRAITS), len(self.genre_names), *self.vector_widths.values()]
        blocks = [np.empty((n, width), np.float32) for width in widths]
        for start in range(0, n, _CHUNK):
            columns = self._columns(user_id[start : start + _CHUNK], seed)
            for block, part in zip(blocks, np.split(columns, np.cumsum(widths)[:-1]), strict=True):
                block[start : start + _CHUNK] = part.T
        traits, taste, *rest = blocks
        vectors = dict(zip(self.vector_widths, rest, strict=True))
        if "cuts" in vectors:
            vectors["cuts"].sort(axis=1)
        source = words(seed, "synthetic user demographics", user_id) % np.uint64(self.values.shape[1])
        return Population(
            user_id=user_id,
            traits=np.clip(traits, [trait.low for trait in TRAITS], [trait.high for trait in TRAITS], out=traits),
            genre_names=self.genre_names,
            taste=taste,
            demographics={name: column[source] for name, column in self.demographics.items()},
            vectors=vectors,
        )

    def _columns(self, user_id: IntArray, seed: int) -> DoubleArray:
        """Return float64 [d, len(user_id)]: correlated normals, taken through each column's quantile function."""
        depth, count = self.values.shape
        normal = ndtri(uniform(words(seed, "synthetic user", user_id[None, :], np.arange(depth)[:, None])))
        score = np.zeros((depth, len(user_id)))
        # Not a matrix product: that may round a user differently when the number of users or threads changes.
        for column in range(depth):
            score[column:] += self.factor[column:, column, None] * normal[column]
        place = np.clip(ndtr(score) * count - 0.5, 0, count - 1)
        below = place.astype(np.int64)
        low = np.take_along_axis(self.values, below, axis=1)
        high = np.take_along_axis(self.values, np.minimum(below + 1, count - 1), axis=1)
        drawn: DoubleArray = np.clip(low + (place - below) * (high.astype(np.float64) - low), low, high)
        drawn[_WHOLE_COLUMNS] = np.rint(drawn[_WHOLE_COLUMNS])
        return drawn

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the distribution to an ``.npz`` file, exactly; an old file stays whole until the new one is."""
        layout = [_FORMAT, self.genre_names, dict(self.vector_widths), list(self.demographics), self.shrinkage]
        texts = np.array(list(self.demographics.values()), np.str_)
        temporary = Path(path).with_name(f".{Path(path).name}.{uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                np.savez(file, layout=json.dumps(layout), values=self.values, factor=self.factor, texts=texts)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> JointDistribution:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing, damaged, or of another format.
        """
        try:
            arrays = read_arrays(Path(path))
            mark, genre_names, vector_widths, fields, shrinkage = parse_json(str(arrays["layout"]))
            if mark != _FORMAT:
                raise ValueError(f"format {mark}")
            return cls(
                genre_names=tuple(genre_names),
                vector_widths=vector_widths,
                values=arrays["values"],
                factor=arrays["factor"],
                shrinkage=shrinkage,
                demographics=dict(zip(fields, arrays["texts"].astype(object), strict=True)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: got {error!r}, expected format {_FORMAT}; fit the distribution again") from error


def fit_joint_distribution(population: Population) -> JointDistribution:
    """Fit a Gaussian copula with empirical margins to all numeric columns of a population.

    Each column becomes normal scores ``Phi^-1((rank - 1/2) / u)`` with mid-ranks for ties; constant columns stay
    constant. Correlations are scaled down by ``1 - shrinkage``, so that few users with many columns work too.

    Raises:
        DataError: a column is not finite, or a vector is not a table.
    """
    names = sorted(population.vectors)
    blocks = [population.traits, population.taste, *(population.vectors[name] for name in names)]
    for name, block in zip(["traits", "taste", *names], blocks, strict=True):
        if block.ndim != 2 or not np.isfinite(block).all():
            raise DataError(f"population {name}: got shape {block.shape} or values not finite, expected finite [u, d]")
    values = np.concatenate(blocks, axis=1).T.astype(np.float32)
    correlation, shrinkage = _shrunk_correlation(np.stack([_normal_scores(column) for column in values]))
    return JointDistribution(
        genre_names=population.genre_names,
        vector_widths={name: population.vectors[name].shape[1] for name in names},
        values=np.sort(values, axis=1),
        factor=np.linalg.cholesky(correlation).astype(np.float64, copy=False),
        shrinkage=shrinkage,
        demographics=dict(population.demographics),
    )


def _normal_scores(column: FloatArray) -> DoubleArray:
    """Return float64 [u]: normal scores with mean 0 and variance 1, or zeros where the column does not vary."""
    if column.min() == column.max():
        return np.zeros(len(column))
    score: DoubleArray = ndtri((mean_ranks(column) - 0.5) / len(column))
    score -= score.mean()
    score /= np.sqrt((score**2).mean())
    return score


def _shrunk_correlation(score: DoubleArray) -> tuple[DoubleArray, float]:
    """Shrink the correlation of standard scores [d, u] to the identity; return the matrix and the weight used.

    Ledoit & Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", section 3.2: the
    weight is b^2 / d^2 with d^2 = |S - I|^2 and b^2 = min(d^2, sum over users of |x x' - S|^2 / u^2). Here the mean
    variance m is 1, since the scores are standardised; columns that do not vary are left out of the estimate.
    """
    varies = score.any(axis=1)
    kept, count = score[varies], score.shape[1]
    observed = kept @ kept.T / count
    noise = (((kept**2).sum(axis=0) ** 2).mean() - (observed**2).sum()) / count
    signal = ((observed - np.eye(len(kept))) ** 2).sum()
    weight = max(min(float(noise / signal), 1.0), _LEAST_SHRINKAGE) if signal > 0 else 1.0
    matrix = np.eye(len(score))
    matrix[np.ix_(varies, varies)] = (1 - weight) * observed
    np.fill_diagonal(matrix, 1.0)
    return matrix, weight
