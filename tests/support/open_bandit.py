"""Open Bandit Pipeline, where it is installed.

Its pins do not build on current Pythons, so that it cannot be listed as a dependency. What works is a folder of its own::

    pip install --no-deps --ignore-requires-python --target ~/obp obp==0.5.7 scikit-learn joblib narwhals seaborn
    export RECSIM_LLM_OBP=~/obp

beside the packages of the ``dev`` extra, whose torch, pandas and matplotlib it uses too.
"""

import importlib
import os
import sys
import warnings

import pytest


def open_bandit_estimators():
    """Return the module ``obp.ope``, or skip."""
    folder = os.environ.get("RECSIM_LLM_OBP")
    if folder and folder not in sys.path:
        # At the end, so that nothing else is taken from there that is installed already.
        sys.path.append(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("obp.ope")
        except ImportError as error:
            pytest.skip(f"Open Bandit Pipeline 0.5.7 cannot be imported ({error}); see tests/support/open_bandit.py")
