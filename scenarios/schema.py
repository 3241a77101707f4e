"""What a scenario is: one YAML file that says everything about a run."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recsim_llm.comparison.contrast_settings import FindingSettings, MeasureSettings
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.core.configuration import config_error, first_fault
from recsim_llm.core.plain_values import Place, refuse_flag, refuse_other_values, refuse_unnamed
from recsim_llm.core.ratings import TRAIN_SHARE
from recsim_llm.core.repetition import Repeats
from recsim_llm.data.table_settings import TableSettings
from recsim_llm.dynamics.action_settings import ActionSettings
from recsim_llm.dynamics.intents import USUAL_INTENTS, Intent
from recsim_llm.dynamics.interventions import Intervention
from recsim_llm.dynamics.presentation import PresentationSettings
from recsim_llm.dynamics.provider_exits import ProviderSettings
from recsim_llm.dynamics.remarks import RemarkSettings
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.language.base.settings import ROLES, LimitSettings, ModelSettings
from recsim_llm.scenarios.arm_settings import Arm, read_arm
from recsim_llm.scenarios.clock_settings import TIMED_SECTIONS, ClockSettings
from recsim_llm.scenarios.enrich_settings import WRITER, EnrichSettings
from recsim_llm.scenarios.scenario_faults import find_faults
from recsim_llm.scenarios.scenario_paths import refuse_outside
from recsim_llm.scenarios.scenario_yaml import find_line, read_yaml, yaml_fault
from recsim_llm.scenarios.social_settings import SocialSettings
from recsim_llm.scenarios.train_settings import TrainSettings
from recsim_llm.scenarios.user_settings import Block, UserSettings

__all__ = [
    "Block",
    "Scenario",
    "UserSettings",
    "change_scenario",
    "load_scenario",
    "override",
    "parse_overrides",
    "scenario_from",
    "shipped_scenarios",
]

_FILES = (".yaml", ".yml")
_STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _is_unset(value: Any) -> bool:
    """Tell whether a key says nothing: a manifest leaves it out then, as before there was such a key."""
    return value is None or value in ((), [])


def _is_usual(value: Any) -> bool:
    """Tell whether a section takes what is usual."""
    if isinstance(value, str) and value != "usual":
        raise ValueError("expected usual, or settings by name")
    return isinstance(value, str)


class Scenario(BaseModel):
    """Everything about a run. An unknown key is an error."""

    model_config = _STRICT

    name: str = Field(pattern=r"^[\w.-]+$")
    """Short name: letters, digits, dots, dashes."""
    description: str = ""
    """One sentence: what the scenario shows."""
    data: str = "fictional"
    """``fictional``, the folder of a data set, or the name of a downloaded one."""
    columns: dict[str, str] = Field(default_factory=dict)
    """For a folder with ``interactions`` and ``items``: this package's column names to the files', where they differ."""
    skip_bad_rows: bool = False
    """Leave rows that cannot be used out, and record how many, instead of stopping."""
    feedback: Literal["explicit", "implicit"] = "explicit"
    """``implicit``: each row of the data is a click, a purchase or the like, and no rating; see ``TableSettings``, as for all
    that follows up to ``genre_separator``."""
    rating_scale: tuple[float, ...] | None = None
    """Lowest and highest rating of another scale than 0.5 to 5."""
    not_rated: float | Literal["none"] | tuple[float, ...] | None = None
    """Numbers that stand for "not rated": one, several, or ``none``."""
    constant_rating: float | None = None
    """Stars that stand in for every row of implicit data."""
    string_ids: bool | None = None
    """Whether ids are texts; None: as soon as one of them is no plain whole number."""
    genre_separator: str | None = None
    """What stands between genres in one field; None goes by the whole column."""
    enrich: EnrichSettings | None = Field(default=None, exclude_if=_is_unset)
    """What is written about items before users arrive, and by whom; ``{}`` describes by template what has no description. None:
    items are as the data have them."""
    train_share: float = Field(default=TRAIN_SHARE, gt=0, lt=1)
    """Share of each user's ratings, first in time, that recommenders are trained on. Users are fitted on all of them."""
    cold_items: float | None = Field(default=None, gt=0, lt=1, exclude_if=_is_unset)
    """Share of the rated items, drawn by the seed, that are new: no recommender knows what anybody did with them before the
    first page, and no user counts as having rated them. Users are fitted on all ratings. None: no item is made new."""
    users: UserSettings = UserSettings()
    """Who browses."""
    stated_tastes: bool = Field(default=False, exclude_if=operator.not_)
    """Whether users say on their very first page which genres they love, like and seldom choose, and nothing else of a persona;
    recommenders find it in ``Requests.text``."""
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """Language models by role: ``user``, ``writer``, ``judge``, ``policy``. Each may be written as a name alone."""
    limits: LimitSettings = LimitSettings()
    """What the language models may use up before the run stops; it can then be resumed with higher limits."""
    recommenders: tuple[Arm, ...] = Field(min_length=1)
    """The arms, in order; the first one is what the others are compared with. Each may be written as a name alone."""
    slate_size: int = Field(default=10, ge=1)
    """Items a page."""
    max_pages: int = Field(default=20, ge=1)
    """Pages after which a visit is cut off."""
    visits: int = Field(default=1, ge=1)
    """Most visits a user makes; after each one the user comes back or not."""
    barrier: Literal["page", "visit"] = "page"
    """When recommenders learn. ``page``: everyone waits for everyone after each page. ``visit``: users run free, which
    suits language models of uneven speed, and recommenders learn from a visit's pages when all users have ended it."""
    repeats: Repeats = "forbid"
    """``forbid``: a user is shown nothing that was on one of the user's earlier pages of the run, nor what the user rated in
    the training part, as long as there is something else; what breaks the rule is an invalid slot. ``allow``: anything."""
    reward: str = "clicks"
    """Name of the reward that the log records."""
    discount: float = Field(default=1.0, gt=0.0, le=1.0)
    """What a reward is worth one page later, over all of a user's visits. Below 1 the discounted return is told and compared,
    with the reward a page; nothing else depends on it."""
    invalid: Literal["error", "count"] = "error"
    """What an item does that is unknown, retired, on the page already, or breaks the rule on repetition: stop the run, or blank
    the slot and be counted."""
    clock: ClockSettings | None = Field(default=None, exclude_if=_is_unset)
    """Users come when they come, day by day; None: everyone visits at once, again and again."""
    intents: dict[str, Intent] | None = Field(default=None, exclude_if=_is_unset)
    """What visits are for, by name, with a clock; ``usual`` takes the usual ones, None leaves visits without an intent."""
    interventions: tuple[Intervention, ...] = Field(default=(), exclude_if=_is_unset)
    """What happens during the run, with a clock."""
    social: SocialSettings | None = Field(default=None, exclude_if=_is_unset)
    """Who knows whom, and what it does that friends like something, with a clock; None: nobody knows anybody."""
    providers: ProviderSettings | None = Field(default=None, exclude_if=_is_unset)
    """When providers of items leave, with a clock; None: they never do, and nobody asks how much they are shown."""
    actions: ActionSettings | None = Field(default=None, exclude_if=_is_unset)
    """What users may do beyond clicks, rating and leaving, with a clock; ``usual`` allows everything, None nothing."""
    conversation: ConversationSettings | None = Field(default=None, exclude_if=_is_unset)
    """Users talk with recommenders instead of browsing pages; a turn counts as a page. None: nobody talks."""
    presentation: PresentationSettings | None = Field(default=None, exclude_if=_is_unset)
    """How users take explanations and titles of the recommender's own; ``{}`` takes the usual numbers. None: nobody is shown
    any, and what recommenders write is counted and left out."""
    remarks: RemarkSettings | None = Field(default=None, exclude_if=_is_unset)
    """What users say about pages, which recommenders may read; ``{}`` takes the usual numbers. None: nothing."""
    train: TrainSettings | None = None
    """How ``recsim-llm train`` trains a policy; None: as it usually does. Runs heed its ``holdout`` alone."""
    measure: MeasureSettings | None = Field(default=None, exclude_if=_is_unset)
    """Series and contrasts, which every run of it tells; None: no more than every run."""
    expect: list[FindingSettings] = Field(default_factory=list, exclude_if=_is_unset)
    """What it is expected to show; every run of it is judged by that."""
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Seed of everything random; None draws one and records it."""

    @property
    def buys(self) -> bool:
        """Whether users may buy."""
        return self.actions is not None and self.actions.purchase is not None

    @property
    def asks_writer(self) -> bool:
        """Whether a language model words what users say about pages."""
        return self.remarks is not None and self.remarks.words == "writer"

    @property
    def enriched_by_writer(self) -> bool:
        """Whether a language model writes about items before users arrive."""
        return self.enrich is not None and self.enrich.by == WRITER

    @property
    def table_options(self) -> dict[str, Any]:
        """How its data are to be read, by the names of ``TableSettings``."""
        return {name: getattr(self, name) for name in TableSettings.model_fields}

    @field_validator("slate_size", "max_pages", "visits", "seed", mode="before")
    @classmethod
    def _numbers_are_no_flags(cls, value: Any) -> Any:
        return refuse_flag(value)

    @field_validator("recommenders", mode="before")
    @classmethod
    def _names_are_arms(cls, arms: Any) -> Any:
        if isinstance(arms, str) or not isinstance(arms, Sequence):
            return arms
        return [read_arm(arm) for arm in arms]

    @field_validator("intents", mode="before")
    @classmethod
    def _usual_intents(cls, intents: Any) -> Any:
        return {name: intent.model_dump() for name, intent in USUAL_INTENTS.items()} if _is_usual(intents) else intents

    @field_validator("actions", mode="before")
    @classmethod
    def _usual_actions(cls, actions: Any) -> Any:
        return {name: {} for name in ActionSettings.model_fields} if _is_usual(actions) else actions

    @field_validator("interventions", mode="before")
    @classmethod
    def _listed(cls, interventions: Any) -> Any:
        return tuple(interventions) if isinstance(interventions, list) else interventions

    @model_validator(mode="before")
    @classmethod
    def _parts_count(cls, settings: Any) -> Any:
        """With a clock users visit as often as there are days, and who talks sees as many pages as there are turns."""
        for part, counted, name in (("clock", "days", "visits"), ("conversation", "max_turns", "max_pages")):
            given = settings.get(part) if isinstance(settings, Mapping) else None
            count = given.get(counted) if isinstance(given, Mapping) else getattr(given, counted, None)
            if isinstance(count, int) and count > 0 and name not in settings:
                settings = {**settings, name: count}
        return settings

    @model_validator(mode="after")
    def _time_needs_a_clock(self) -> Self:
        for name in TIMED_SECTIONS:
            if self.clock is None and getattr(self, name):
                raise ValueError(f"expected a clock beside {name}; add clock: {{days: 30}}")
        return self

    @field_validator("models", mode="before")
    @classmethod
    def _names_are_models(cls, models: Any) -> Any:
        if not isinstance(models, Mapping):
            return models
        return {role: {"name": model} if isinstance(model, str) else model for role, model in models.items()}

    @field_validator("models")
    @classmethod
    def _roles_are_known(cls, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        for role in models:
            if role not in ROLES:
                raise ValueError(f"expected the roles {', '.join(ROLES)}; {role!r} is none of them")
        return models

    @field_validator("recommenders")
    @classmethod
    def _names_differ(cls, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
        names = [arm.name for arm in arms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"expected different names; {name!r} is there twice")
        return arms


def shipped_scenarios() -> dict[str, str]:
    """Return the shipped scenarios: name to description."""
    found = {}
    for entry in sorted((files("recsim_llm.scenarios") / "shipped").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            settings = yaml.safe_load(entry.read_text(encoding="utf-8"))
            found[entry.name.removesuffix(".yaml")] = str(settings.get("description", ""))
    return found


def load_scenario(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Read a shipped scenario or a YAML file and apply overrides.

    Args:
        name_or_path: name of a shipped scenario, or a path ending in ``.yaml`` or ``.yml``.
        overrides: dotted keys to values, for instance ``{"users.parameters.boredom": 0.9}``. With another ``users.model``
            the scenario's own ``users.parameters`` do not apply.

    Raises:
        ConfigError: there is no such scenario, it is no YAML mapping, or a key or value is wrong.
    """
    path = Path(name_or_path)
    if path.suffix in _FILES:
        if not path.is_file():
            beside = [str(file) for file in sorted(path.parent.glob("*.y*ml"))]
            expected = one_of(name_or_path, beside) if beside else "a file"
            raise ConfigError(f"scenario: got {name_or_path}, which does not exist, expected {expected}")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"scenario {name_or_path}: got {error}, expected a UTF-8 text file") from error
    else:
        entry = files("recsim_llm.scenarios") / "shipped" / f"{name_or_path}.yaml"
        if not entry.is_file():
            raise ConfigError(
                f"scenario: got {name_or_path!r}, expected a .yaml file or {one_of(name_or_path, shipped_scenarios())}"
            )
        text = entry.read_text(encoding="utf-8")
    try:
        settings = read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"scenario {name_or_path}: got {yaml_fault(error)}, expected YAML; mend it") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"scenario {name_or_path}: got {type(settings).__name__}, expected a mapping of settings")
    changed = dict(overrides or {})

    def source_of(place: Place) -> str:
        key = ".".join(map(str, place))
        elsewhere = any(f"{key}.".startswith(f"{other}.") for other in changed)
        line = None if elsewhere else find_line(text, place)
        return f"scenario {name_or_path}" + ("" if line is None else f", line {line}")

    if path.suffix in _FILES:
        refuse_outside(settings, source_of, changed)
    fixed = set(Scenario.model_fields).difference(key.partition(".")[0] for key in changed)
    return _checked(_changed(settings, changed), source_of, fixed)


def change_scenario(scenario: Scenario, overrides: Mapping[str, Any]) -> Scenario:
    """Return a scenario with overrides applied; arguments as of ``load_scenario``.

    Raises:
        ConfigError: a key or value is wrong.
    """
    settings = scenario.model_dump(mode="json", exclude_unset=True)
    return scenario_from(_changed(settings, overrides), scenario.name)


def _changed(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    users = settings.get("users")
    usual = UserSettings().model
    if isinstance(users, dict) and changes.get("users.model", users.get("model", usual)) != users.get("model", usual):
        # Parameters belong to the user model that the scenario names; another one starts from its own.
        settings["users"] = {key: value for key, value in users.items() if key != "parameters"}
    for key, value in changes.items():
        # A copy, since a later key may reach into the value, which is the caller's.
        override(settings, key, deepcopy(value))
    return settings


def scenario_from(settings: Mapping[str, Any], source: str) -> Scenario:
    """Build a scenario from plain settings.

    Args:
        settings: as in a YAML file.
        source: where they come from, for the error text.

    Raises:
        ConfigError: a key is unknown, or a value is wrong or none that a manifest can hold; names the first one.
    """
    return _checked(settings, lambda _: f"scenario {source}")


def _checked(settings: Mapping[str, Any], source_of: Callable[[Place], str], fixed: Collection[str] = ()) -> Scenario:
    """Build a scenario; ``source_of`` says where a setting comes from, ``fixed`` which keys are as their author wrote them."""
    refuse_unnamed(settings, source_of)
    try:
        scenario = Scenario.model_validate(settings)
    except ValidationError as error:
        first = first_fault(error)
        source = source_of(first["loc"])
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing" and first["loc"][0] == "models":
            role = first["loc"][1]
            remedy = "--model provider/name" if role == "user" else f"--set {place}=provider/name"
            got = f"settings of a model for the role {role} without its name"
            raise ConfigError(f"{source}: got {got}, expected {remedy}") from error
        raise config_error(error, Scenario, source) from error
    refuse_other_values(scenario.model_dump(), source_of)
    TableSettings.read(scenario.table_options, source_of(()))
    for fault, said in find_faults(scenario, fixed):
        raise ConfigError(f"{source_of(fault)}: {'.'.join(map(str, fault))}: {said}")
    return scenario


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` texts into overrides; values are read as YAML.

    Raises:
        ConfigError: a text has no ``=`` or its value is not YAML.
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set: got {pair!r}, expected key=value, for instance slate_size=5")
        try:
            overrides[key] = read_yaml(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}: got {value!r} ({yaml_fault(error)}), expected a YAML value") from error
    return overrides


def override(settings: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key of nested settings, which are changed.

    Raises:
        ConfigError: something on the way holds no settings.
    """
    *parents, last = key.split(".")
    place = settings
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {key}: got {parent!r} that holds no settings, expected a section of the scenario")
    place[last] = value
