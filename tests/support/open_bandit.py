"""Open Bandit Pipeline, where it is installed.

Its pins do not build on current Pythons, so that it cannot be listed as a dependency. ``make test`` installs it without them;
elsewhere, beside the ``dev`` extra::

    pip install --no-deps --ignore-requires-python obp==0.5.7
"""

import importlib
import warnings

import pytest


def open_bandit_estimators():
    """Return the module ``obp.ope``, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("obp.ope")
        except ImportError as error:
            pytest.skip(f"Open Bandit Pipeline 0.5.7 cannot be imported ({error}); see tests/support/open_bandit.py")
