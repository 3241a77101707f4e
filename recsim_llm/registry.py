"""Names of things that are imported when they are used: user models and recommenders that plug in, and the faces of rooms.

A name that plugs in is looked up among the shipped ones, then among installed entry points, and may also be a dotted path
``module:attribute``.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import Any

from recsim_llm.errors import ConfigError, PlugInError, RecSimError, is_full, one_of

__all__ = ["SHIPPED", "blaming", "blaming_plug_in", "describe", "import_attribute", "lazy_names", "names", "resolve"]


SHIPPED: dict[str, dict[str, str]] = {
    "users": {
        "choice": "recsim_llm.agents.worlds:choice_world",
        "language": "recsim_llm.agents.worlds:language_world",
        "cascade": "recsim_llm.agents.worlds:cascade_world",
        "replay": "recsim_llm.agents.worlds:replay_world",
        "recsim-lts": "recsim_llm.agents.recsim.recsim_worlds:long_term_world",
        "recsim-interest-evolution": "recsim_llm.agents.recsim.recsim_worlds:interest_evolution_world",
    },
    "recommenders": {
        "random": "recsim_llm.recommenders.uniform:RandomRecommender",
        "popularity": "recsim_llm.recommenders.popularity:Popularity",
        "item-knn": "recsim_llm.recommenders.item_knn:ItemKNN",
        "user-knn": "recsim_llm.recommenders.classics:UserKNN",
        "mf": "recsim_llm.recommenders.matrix_factorization:MatrixFactorization",
        "als": "recsim_llm.recommenders.implicit_models:ALS",
        "bpr": "recsim_llm.recommenders.implicit_models:BPR",
        "ease": "recsim_llm.recommenders.ease:EASE",
        "slim": "recsim_llm.recommenders.slim:SLIM",
        "content": "recsim_llm.recommenders.content_based:ContentBased",
        "lenskit": "recsim_llm.recommenders.lenskit_pipelines:LensKit",
        "sklearn": "recsim_llm.recommenders.sklearn_estimators:Sklearn",
        "scores": "recsim_llm.recommenders.saved_scores:SavedScores",
        "markov": "recsim_llm.recommenders.markov:Markov",
        "sasrec": "recsim_llm.recommenders.sasrec:SASRec",
        "linucb": "recsim_llm.recommenders.linucb:LinUCB",
        "thompson": "recsim_llm.recommenders.thompson:Thompson",
        "epsilon-greedy": "recsim_llm.recommenders.epsilon_greedy:EpsilonGreedy",
        "two-stage": "recsim_llm.recommenders.two_stage:TwoStage",
        "mmr": "recsim_llm.recommenders.reranking:MaximalMarginalRelevance",
        "calibrated": "recsim_llm.recommenders.reranking:Calibrated",
        "popularity-discounted": "recsim_llm.recommenders.reranking:PopularityDiscounted",
        "exposure-fair": "recsim_llm.recommenders.exposure_fairness:ExposureFair",
        "group-fair": "recsim_llm.recommenders.group_fairness:GroupFair",
        "heeding": "recsim_llm.recommenders.heeding:Heeding",
        "obliging": "recsim_llm.recommenders.obliging:Obliging",
        "explained": "recsim_llm.recommenders.explained:Explained",
        "screened": "recsim_llm.recommenders.screened:Screened",
        "clickbait": "recsim_llm.recommenders.clickbait:Clickbait",
        "softmax": "recsim_llm.recommenders.softmax:Softmax",
        "warmed": "recsim_llm.agents.warmed:Warmed",
        "oracle": "recsim_llm.recommenders.oracle:Oracle",
        "planner": "recsim_llm.recommenders.planner:Planner",
        "language": "recsim_llm.recommenders.language.ranker:LanguageRanker",
        "language-generator": "recsim_llm.recommenders.language.generator:LanguageGenerator",
        "chat": "recsim_llm.recommenders.language.chat:ChatRecommender",
        "asking": "recsim_llm.conversation.asking:Asking",
        "agreeing": "recsim_llm.conversation.agreeing:Agreeing",
        "react": "recsim_llm.tools.agent_policies:ReAct",
        "plan-execute": "recsim_llm.tools.agent_policies:PlanExecute",
        "all-paths": "recsim_llm.tools.agent_policies:AllPaths",
        "talking": "recsim_llm.conversation.talking:Talking",
    },
    "memories": {
        "stream": "recsim_llm.agents.memory.memories:stream_memory",
        "window": "recsim_llm.agents.memory.plain_memories:WindowMemory",
        "none": "recsim_llm.agents.memory.plain_memories:NoMemory",
    },
    "learners": {
        "ppo": "recsim_llm.training.stable_baselines_learners:PPO",
        "a2c": "recsim_llm.training.stable_baselines_learners:A2C",
        "sac": "recsim_llm.training.stable_baselines_learners:SAC",
        "td3": "recsim_llm.training.stable_baselines_learners:TD3",
        "dqn": "recsim_llm.training.stable_baselines_learners:DQN",
        "slate_q": "recsim_llm.training.slate_q:SlateQ",
        "bandit": "recsim_llm.training.bandit_learner:BanditLearner",
    },
}
"""Shipped plug-ins by kind and name."""


def names(kind: str) -> list[str]:
    """Return every known name of a kind (``users``, ``recommenders``, ``memories`` or ``learners``), shipped ones first."""
    return [*SHIPPED[kind], *(point.name for point in entry_points(group=f"recsim_llm.{kind}"))]


def resolve(kind: str, name: str) -> Any:
    """Return the class or factory of a name.

    Args:
        kind: ``users``, ``recommenders``, ``memories`` or ``learners``.
        name: a shipped name, an entry point's name, or ``module:attribute``.

    Raises:
        ConfigError: nothing has that name, or the module or attribute is missing.
        PlugInError: the module crashed when it was imported, or an entry point leads nowhere.
    """
    path = SHIPPED[kind].get(name, name)
    if ":" not in path:
        for point in entry_points(group=f"recsim_llm.{kind}", name=name):
            package = f" of the package {point.dist.name}" if point.dist is not None else ""
            with blaming(f"{kind} {name!r}, entry point {point.value!r}{package}", "one that can be loaded; mend the package"):
                return point.load()
        raise ConfigError(f"{kind}: got {name!r}, expected module:attribute or {one_of(name, names(kind))}")
    found = import_attribute(path, kind)
    _refuse_strangers(found, path, kind)
    return found


def _refuse_strangers(found: Any, path: str, kind: str) -> None:
    """Refuse functions that nobody wrote for this package, before they are called with settings of anybody's.

    What a class is, whoever makes objects of it sees by its methods first; of a function nothing can be seen but where it
    stands. Modules that were not installed are their user's own.

    Raises:
        ConfigError: a function stands in an installed module that uses nothing of this package, or in this package and is no
            plug-in.
    """
    name = path.partition(":")[0]
    if isinstance(found, type) or not callable(found) or path in SHIPPED[kind].values():
        return
    module = sys.modules[name]
    installed = {"site-packages", "dist-packages"}.intersection(Path(getattr(module, "__file__", None) or "").parts)
    users = [getattr(value, "__module__", None) or getattr(value, "__name__", None) for value in vars(module).values()]
    stranger = installed and not any(f"{user}.".startswith("recsim_llm.") for user in users)
    if stranger or f"{name}.".startswith("recsim_llm."):
        raise ConfigError(
            f"{kind} {path!r}: got a function that is no plug-in, expected one of a module that uses this package; call it in "
            "a function of your own"
        )


def describe(kind: str, name: str) -> str:
    """Return the first line of what a name's class or factory says of itself; shipped ones are read, not imported.

    Args:
        kind: ``users``, ``recommenders``, ``memories`` or ``learners``.
        name: a shipped name, or that of an entry point.

    Raises:
        ConfigError: nothing has that name.
        PlugInError: the module crashed when it was imported.
    """
    path = SHIPPED[kind].get(name)
    said = resolve(kind, name).__doc__ if path is None else _read_docstring(*path.split(":"))
    return (said or "").strip().split("\n")[0]


def _read_docstring(module: str, attribute: str) -> str | None:
    """Return the docstring of a class or function of this package without importing its room."""
    # Of the outermost room: to find one inside it, it would be imported.
    package, room, *inside = module.split(".")
    found = find_spec(f"{package}.{room}")
    places = found.submodule_search_locations if found else None
    source = Path((places or [""])[0]).joinpath(*inside).with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return ast.get_docstring(node)
    return None


def import_attribute(path: str, what: str) -> Any:
    """Return what stands at ``module:attribute``.

    Args:
        path: the module's full name, a colon, the name in it.
        what: whose path it is, for the error text.

    Raises:
        ConfigError: the module or the attribute is missing.
        PlugInError: the module crashed when it was imported.
    """
    module, _, attribute = path.partition(":")
    place = f"{what} {path!r}"
    if not module or not attribute or not all(part.isidentifier() for part in module.split(".")):
        raise ConfigError(f"{place}: got no such thing, expected module:attribute, with the module's full name")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise ConfigError(f"{place}: got a module of Python itself, expected one of a plug-in; call it in a module of your own")
    with blaming(place, "a module that can be imported"):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or f"{module}.".startswith(f"{error.name}."):
                raise ConfigError(
                    f"{place}: got no module {error.name or module!r}, expected module:attribute of one that is installed or "
                    f"stands in the current folder ({Path.cwd().name}); go to the folder that holds it"
                ) from error
            raise  # A module that the plug-in needs.
    if not hasattr(found, attribute):
        # What it exports; names that it loads lazily stand in no ``vars``.
        here = [name for name in getattr(found, "__all__", dir(found)) if not name.startswith("_")]
        place_of = getattr(found, "__file__", None) or module
        raise ConfigError(f"{place}: got no {attribute!r} in {place_of}, expected module:attribute, {one_of(attribute, here)}")
    return getattr(found, attribute)


@contextmanager
def blaming(what: str, expected: str) -> Iterator[None]:
    """Turn whatever a plug-in raises into an error that names it, with file and line of its code.

    Args:
        what: which plug-in did what, the beginning of the text.
        expected: what it should have done.

    Raises:
        PlugInError: something was raised that is no error of this package.
    """
    try:
        yield
    except RecSimError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_full(error):
            raise  # No plug-in's doing.
        said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        raise PlugInError(f"{what}: got {said}{_place(error)}, expected {expected}") from error


def blaming_plug_in(kind: str, name: str, *, did: str, expected: str) -> AbstractContextManager[None]:
    """Blame a plug-in from outside for what is raised; a fault of a shipped one is this package's own, and passes as it is.

    Args:
        kind: ``users``, ``recommenders``, ``memories`` or ``learners``.
        name: as for ``resolve``.
        did: what it was about to do; empty where the name says it all.
        expected: as for ``blaming``.
    """
    place = f"{kind} {name!r}" + (f", {did}" if did else "")
    return nullcontext() if name in SHIPPED[kind] else blaming(place, expected)


def _place(error: BaseException) -> str:
    """Say where an error came from: the innermost line of the plug-in's own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name} line {error.lineno})"
    frames = [
        (str(frame.f_globals.get("__name__", "")).partition(".")[0], frame, line)
        for frame, line in walk_tb(error.__traceback__)
    ]
    # The plug-in is what this package, or Python's import for it, called first; what it called itself is a library.
    theirs = next(
        (package for package, _, _ in frames if package != "recsim_llm" and package not in sys.stdlib_module_names), None
    )
    own = [(frame, line) for package, frame, line in frames if package == theirs]
    return f" ({Path(own[-1][0].f_code.co_filename).name} line {own[-1][1]})" if own else ""


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose public names are imported when they are first asked for.

    Args:
        package: its full name.
        homes: public names, and the modules below the package that have them.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, listed
