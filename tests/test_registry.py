"""Names of plug-ins, and what stands behind them."""

import pytest

from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ConfigError
from recsim_llm.registry import SHIPPED, resolve


@pytest.mark.parametrize("kind", SHIPPED)
@pytest.mark.parametrize("name", ["nobody", ":x", "..:x", ".registry:resolve", "numpy:", "numpy:nothing", "no_such_module:x"])
def test_a_name_behind_which_nothing_stands_is_refused(kind, name):
    with pytest.raises(ConfigError, match=rf"{kind}.*got .*expected .*module:attribute"):
        resolve(kind, name)


def test_a_dotted_path_gives_what_stands_there():
    assert resolve("users", "recsim_llm.core.catalog:Catalog") is Catalog


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("subprocess:Popen", "got a module of Python itself"),
        ("numpy:load", "got a function that is no plug-in"),
        ("recsim_llm.registry:resolve", "got a function that is no plug-in"),
    ],
)
def test_what_nobody_wrote_as_a_plug_in_is_not_called(name, said):
    with pytest.raises(ConfigError, match=said):
        resolve("recommenders", name)


def test_a_missing_name_is_looked_for_among_what_the_module_exports_lazily():
    with pytest.raises(ConfigError, match=r"got no 'Popularty' in .*; did you mean 'Popularity'\?"):
        resolve("recommenders", "recsim_llm.recommenders:Popularty")
