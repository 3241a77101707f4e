"""Settings of recommenders: declared, documented, and the same from Python, from a scenario and back."""

import ast
import inspect
import textwrap

import pytest
import yaml

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError, PlugInError
from recsim_llm.recommenders import MatrixFactorization, Popularity, classics, open_recommender
from recsim_llm.recommenders.scoring import ScoringRecommender
from recsim_llm.registry import SHIPPED, resolve
from recsim_llm.scenarios.schema import scenario_from
from recsim_llm.scenarios.stage_checks import make_recommender

CLASSES = list(
    dict.fromkeys(
        [*(resolve("recommenders", name) for name in SHIPPED["recommenders"]), *map(vars(classics).get, classics.__all__)]
    )
)
NEEDED = {"SavedScores": {"file": "scores.npz"}, "GroupFair": {"field": "group"}}
"""Settings without a default, by class."""
CONFIGURED = [kind for kind in CLASSES if hasattr(kind, "Settings")]
OTHERS = {
    "item-knn": {"neighbours": 7, "shrinkage": 1.5},
    "mf": {"factors": 4, "regularization": 2.0, "weight": 3.0, "iterations": 2},
    "user-knn": {"neighbours": 7},
    "als": {"factors": 4, "regularization": 2.0, "weight": 3.0, "iterations": 2},
    "bpr": {"factors": 4, "rate": 0.1, "regularization": 0.0, "iterations": 2},
    "ease": {"regularization": 50.0, "items": 10},
    "slim": {"neighbours": 7, "sparsity": 0.0, "regularization": 2.0},
    "content": {"words": 0, "popular": 0.5},
    "lenskit": {"scorer": "lenskit.knn:EASEScorer", "config": {"regularization": 2.0}},
    "sklearn": {"estimator": "sklearn.linear_model:Ridge", "config": {"alpha": 2.0}},
    "linucb": {"alpha": 0.0, "ridge": 1.0, "user_ridge": 2.0, "popularity_prior": 0.2, "dimensions": 3},
    "markov": {"ahead": 1, "last": 1, "smoothing": 2.0},
    "sasrec": {"factors": 4, "length": 5, "blocks": 2, "dropout": 0.0, "epochs": 1, "rate": 0.1, "negatives": 3},
    "thompson": {"scale": 0.5, "ridge": 1.0, "user_ridge": 2.0, "popularity_prior": 0.2, "dimensions": 3},
    "epsilon-greedy": {"epsilon": 0.5, "ridge": 1.0, "user_ridge": 2.0, "popularity_prior": 0.2, "dimensions": 3},
    "two-stage": {
        "retriever": "popularity",
        "ranker": "mf",
        "candidates": 9,
        "retriever_settings": {},
        "ranker_settings": {"factors": 3},
    },
    "mmr": {"base": "popularity", "strength": 0.1, "candidates": 9},
    "calibrated": {"base": "popularity", "strength": 0.1, "candidates": 9},
    "popularity-discounted": {"base": "popularity", "strength": 0.1, "candidates": 9},
    "exposure-fair": {"base": "popularity", "strength": 0.1, "candidates": 9},
    "group-fair": {
        "base": "popularity",
        "strength": 0.1,
        "candidates": 9,
        "field": "group",
        "second": "mf",
        "second_settings": {"factors": 3},
        "full_at": 0.3,
        "least_pages": 5,
    },
    "heeding": {"base": "popularity", "strength": 0.1, "candidates": 9},
    "screened": {"base": "popularity", "by": "language", "threshold": 0.7},
    "softmax": {"base": "mf", "temperature": 2, "slot_marginals": True, "base_settings": {"factors": 3}},
    "language": {
        "base": "popularity",
        "candidates": 9,
        "history": 3,
        "prompt": "in_context",
        "rotate": False,
        "ask": "pairs",
        "comparisons": 7,
        "profile": "told",
    },
    "language-generator": {"base": "popularity", "history": 3, "prompt": "sequential", "grounding": "none"},
}
every_class = pytest.mark.parametrize("kind", CONFIGURED, ids=lambda kind: kind.__name__)


def number():
    """A factory that makes no recommender."""
    return 3


class Deep(ScoringRecommender):
    """A plug-in that takes keyword arguments."""

    def __init__(self, depth=1):
        self.depth = depth


class Declared(ScoringRecommender):
    """A plug-in that declares its settings."""

    class Settings(FrozenSettings):
        depth: int = 1

    def __init__(self, settings=None):
        self.settings = self.Settings.given(settings)


class Picky(ScoringRecommender):
    """A plug-in that judges its keyword arguments itself."""

    def __init__(self, depth=1):
        if depth > 3:
            raise ValueError("depth is 3 at most")


class Deaf(ScoringRecommender):
    """A plug-in that declares settings and forgot to take them."""

    class Settings(FrozenSettings):
        depth: int = 1

    def __init__(self):
        pass


@every_class
def test_every_setting_has_a_line_that_says_what_it_means(kind):
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.Settings))).body[0]
    assert ast.get_docstring(tree)
    for place, node in enumerate(tree.body):
        if isinstance(node, ast.AnnAssign):
            line = tree.body[place + 1]
            assert isinstance(line, ast.Expr), node.target.id
            assert isinstance(line.value.value, str), node.target.id


@pytest.mark.parametrize("kind", [kind for kind in CONFIGURED if kind.__name__ not in NEEDED], ids=lambda kind: kind.__name__)
def test_a_recommender_without_settings_has_the_defaults(kind):
    assert kind().settings == kind.Settings()


@every_class
def test_a_recommender_refuses_what_is_no_settings_of_its_own(kind):
    with pytest.raises(ConfigError, match=f"^{kind.__name__}: got 3, expected {kind.__name__}"):
        kind(3)


@pytest.mark.parametrize("name", OTHERS)
def test_settings_of_a_scenario_reach_the_recommender_and_come_back(name):
    text = yaml.safe_dump({"name": "x", "recommenders": [{"name": "a", "recommender": name, "settings": OTHERS[name]}]})
    arm = scenario_from(yaml.safe_load(text), "x").recommenders[0]
    settings = make_recommender(arm).settings
    assert OTHERS[name].items() <= settings.model_dump().items()
    assert set(OTHERS[name]) | {"base_settings"} >= set(settings.model_dump())
    again = type(settings).read(yaml.safe_load(yaml.safe_dump(settings.model_dump())), "x")
    assert again == settings == type(settings).model_validate_json(settings.model_dump_json())
    assert type(make_recommender(arm))(again).settings == settings


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("mf", {"factors": 0}, "recommender 'mf': factors: got 0, expected a whole number from 1 to 256"),
        ("mf", {"factor": 8}, "recommender 'mf': got unknown key 'factor', .* did you mean 'factors'?"),
        ("popularity", {"factors": 8}, "recommender 'popularity': got settings {'factors': 8}, expected none, since"),
        ("softmax", {"base_settings": {"factor": 8}}, "softmax, base 'mf': got unknown key 'factor'"),
        ("language", {"base_settings": {"factor": 8}}, "language ranker, base 'mf': got unknown key 'factor'"),
    ],
)
def test_a_wrong_setting_is_refused_by_recommender_key_and_value(name, settings, said):
    with pytest.raises(ConfigError, match=said):
        open_recommender(name, settings)


def test_a_plugin_gets_its_settings_as_keyword_arguments():
    assert open_recommender(f"{__name__}:Deep", {"depth": 4}).depth == 4
    with pytest.raises(
        ConfigError, match=r"recommender 'deep': got unknown key 'dept', expected one of depth; did you mean 'depth'"
    ):
        open_recommender(f"{__name__}:Deep", {"dept": 4}, source="recommender 'deep'")


def test_a_plugin_that_declares_its_settings_gets_them_checked():
    assert open_recommender(f"{__name__}:Declared", {"depth": 4}).settings.depth == 4
    with pytest.raises(ConfigError, match=r"got unknown key 'dept', expected one of depth; did you mean 'depth'\?"):
        open_recommender(f"{__name__}:Declared", {"dept": 4})


def test_what_a_constructor_says_of_settings_is_a_refusal_of_them():
    with pytest.raises(ConfigError, match=r"recommender 'mine': got settings \{'depth': 4\}, .*: depth is 3 at most"):
        open_recommender(f"{__name__}:Picky", {"depth": 4}, source="recommender 'mine'")


def test_a_constructor_that_cannot_be_called_is_named_with_file_and_line():
    with pytest.raises(PlugInError, match=r"recommender 'mine': got TypeError: Deaf.__init__\(\) takes"):
        open_recommender(f"{__name__}:Deaf", {"depth": 4}, source="recommender 'mine'")


def test_what_is_made_without_the_methods_of_a_recommender_is_refused_when_it_is_opened():
    with pytest.raises(ConfigError, match=r"recommender 'mine': got int without fit and recommend and observe, expected a rec"):
        open_recommender(f"{__name__}:number", source="recommender 'mine'")


def test_recommenders_with_nothing_to_set_declare_nothing():
    assert {kind.__name__ for kind in CLASSES} - {kind.__name__ for kind in CONFIGURED} == {
        "Newest",
        "Oracle",
        "Popularity",
        "RandomRecommender",
        "RandomWalk",
    }
    assert isinstance(open_recommender("popularity"), Popularity)
    with pytest.raises(ConfigError, match=r"recommender 'oracle': got settings .*, expected none, since it has nothing to set"):
        open_recommender("oracle", {"depth": 4})


def test_settings_of_another_recommender_are_refused():
    with pytest.raises(ConfigError, match="MatrixFactorization: got"):
        MatrixFactorization(classics.UserKNN.Settings())
