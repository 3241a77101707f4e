"""A contextual bandit that acts on a guess drawn from what it believes."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.linear_clicks import LinearClicks
from recsim_llm.recommenders.scoring import products

__all__ = ["Thompson"]


_PURPOSE = "thompson weights"


class Thompson(LinearClicks):
    """Thompson sampling with linear payoffs (Agrawal & Goyal 2013, algorithm 1) on clicks that ``LinearClicks`` models.

    For each page a user's weights are drawn from a normal distribution with mean ``w_u`` and covariance ``scale^2 * A_u^-1``,
    and the page holds the items with the largest ``x . weights``. So a page explores one way of seeing the user, where that of
    ``LinUCB`` collects items of many. Draws are keyed by (seed, user, visit, page).
    Everybody's estimate ``w`` is taken as it is.

    How likely a page was is an integral without a closed form: propensities are unknown.
    """

    class Settings(LinearClicks.Settings):
        """Settings of ``Thompson``."""

        scale: float = Field(default=0.1, ge=0)
        """Standard deviation of the noise of a click, which scales that of the weights (v of the paper); 0 never explores."""

    settings: Settings
    certain = False

    def _score(self, requests: Requests) -> FloatArray:
        weights, spread = self._estimate(self._users.find(requests.user_id))
        word = keyed.words(self._seed, _PURPOSE, requests.user_id, requests.visit, requests.page)
        normal = ndtri(keyed.uniform(keyed.absorb(word[:, None], np.arange(weights.shape[1]))))
        # With L L' = A^-1, L times standard normals has the covariance A^-1.
        drawn = np.matmul(np.linalg.cholesky(spread), normal[:, :, None])[:, :, 0]
        return products(weights + self.settings.scale * drawn, self._linear)
