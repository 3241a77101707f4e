"""Users' clicks as recommenders get them: many give none, a few give most, friends resemble each other."""

import numpy as np

NOBODY = 0.3
"""Share of users who never click."""


def click_rates(random, shape):
    """Return each user's clicks to expect, any shape: 0 for some, log-normal for the rest."""
    active = random.random(shape) >= NOBODY
    return active * random.lognormal(0.5, 1.0, shape)


def paired_clicks(random, runs, users, *, lift=1.0):
    """Return clicks [2, runs, users] of two arms on the same users; the first arm gets ``lift`` times as many."""
    rates = click_rates(random, (runs, users))
    return random.poisson(np.stack([lift * rates, rates])).astype(float)


def mean_rate():
    """Return the clicks to expect of a user drawn at random."""
    return (1.0 - NOBODY) * np.exp(0.5 + 0.5 * 1.0**2)


def clustered_clicks(random, runs, clusters):
    """Return clicks [2, runs, users] and cluster labels [users]: a cluster's taste for each arm sways all its users."""
    labels = np.repeat(np.arange(len(clusters)), clusters)
    sway = random.gamma(4.0, 0.25, (2, runs, len(clusters)))[:, :, labels]
    rates = click_rates(random, (runs, len(labels)))
    return random.poisson(rates * sway).astype(float), labels


def browsing(random, runs, users):
    """Return clicks and impressions, [2, runs, users] each: of pages of 10, users with many pages click a smaller share."""
    pages = 1 + random.geometric(0.15, (2, runs, users))
    taste = random.beta(0.5, 4.0, (runs, users)) * 2.0 / np.sqrt(1.0 + pages)
    return random.binomial(10 * pages, np.minimum(taste, 1.0)).astype(float), 10.0 * pages


def binomial_bounds(rate, runs):
    """Return counts between which a right count lies with probability 0.999."""
    from scipy.stats import binom

    return binom.ppf([0.0005, 0.9995], runs, rate)
