"""For each finding of a shipped scenario a planted world in which its effect is missing, and the finding must fail."""

from typing import Any, NamedTuple

from recsim_llm.scenarios import load_scenario

SEED = 23
"""It chose no parameter of a scenario."""


class Planted(NamedTuple):
    """A scenario without an effect."""

    scenario: str
    """Its name."""
    changes: dict[str, Any]
    """What takes the effect away."""
    refuted: set[str]
    """Findings that then do not hold."""
    open: bool = False
    """Whether such a finding may be left undecided, too."""


def shipped_arms(scenario, *names):
    """Return some of a shipped scenario's recommenders."""
    arms = {arm["name"]: arm for arm in load_scenario(scenario).model_dump(mode="json")["recommenders"]}
    return [arms[name] for name in names]


JUDGED: dict[str, dict[str, Any]] = {
    "cold-start-items": {},
    "cold-start-users": {"seed": 31},
    "changing-mind": {"seed": 31},
    "clickbait": {},
    "conversation": {"seed": 21},
    "drift": {"seed": 31, "recommenders": ["mf", "linucb"]},
    "explanations-help-and-mislead": {},
    "fairness": {"seed": 71},
    "filter-bubble": {},
    "hallucinated-items": {},
    "harmful-loop": {},
    "language-arena": {"recommenders": shipped_arms("language-arena", "mf", "rules talk", "model ranks", "model talks")},
    "market-manipulation": {"users.count": 50, "clock.days": 9},
    "poisoning": {"users.count": 100},
    "popularity-loop": {"users.count": 120, "clock.days": 9},
    "promotion-slots": {"users.count": 400},
    "provider-exodus": {"seed": 31},
    "retraining": {
        "seed": 13,
        "recommenders": ["item-knn", {"name": "item-knn retrained", "recommender": "item-knn", "retrain": "visit"}],
    },
    "seasons": {"seed": 61, "recommenders": ["mf", "linucb"]},
    "sycophantic-policy": {},
    "tools-against-ranker": {},
    "word-of-mouth": {"seed": 12},
}
"""Every scenario that expects something, and how it is played here: with ``SEED``, or one of those that may judge it; and with
fewer users or days, or none but the recommenders that a finding is about, where that touches no finding."""


def arm(name, recommender, **settings):
    """Return an arm whose name says one thing and that is another."""
    return {"name": name, "recommender": recommender} | ({"settings": settings} if settings else {})


def _reranked(name, recommender):
    return arm(name, recommender, base="linucb", strength=0.0)


_DAILY = {"retrain": "day"}
_KNN = [arm(name, "item-knn") for name in ("fitted once", "fitted daily", "factors fitted once", "factors fitted daily")]
_BANDIT = arm("bandit", "linucb")
_SOLD = {"name": "slot sold", "at": 6, "change": {"promote": {"items": {"provider": "Copper Coyote"}}}}
_FASHION = {
    "name": "in fashion",
    "at": 0,
    "change": {"drift": {"genres": ["Horror", "War", "Western", "Documentary"], "size": 5.0}},
}
_SILENT = {"lift": 0.0, "taste": 0.0, "gain": 0.0, "loss": 0.0, "disappointment": 0.0}
_TRUE = {"recommender": "explained", "settings": {"base": "popularity"}}


_TOLD = shipped_arms("fairness", "told")
_FEW = {"users.count": 40}
_CLEAN, _ATTACKED, _BOTH, _SCREENED = shipped_arms("poisoning", "item-knn", "attacked", "attacked, screened", "screened")
_NOT_SCREENED = _ATTACKED | {"name": "attacked, screened"}
_DAILY_ARMS = shipped_arms("market-manipulation", "fitted daily", "fitted once")


def _cold(second):
    return {"recommenders": ["mf", {"name": "mf warmed"} | second, "content", "popularity", "random"]}


PLANTED = {
    "nobody is fitted anew": Planted(
        "popularity-loop", {"recommenders": _KNN}, {"exposure-concentrates", "fewer-films", "users-alike"}
    ),
    "what concentrates stands where nothing is expected to": Planted(
        "popularity-loop", {"recommenders": [*_KNN[:3], _KNN[3] | _DAILY]}, {"factors-do-not"}
    ),
    "the bandit follows nobody": Planted(
        "filter-bubble", {"recommenders": ["random", arm("bandit", "random")]}, {"pages-narrow", "tastes-follow", "users-alike"}
    ),
    "tastes do not give way": Planted("filter-bubble", {"users.parameters.drift": 0.0}, {"tastes-follow"}),
    "re-ranking for width has no weight": Planted(
        "filter-bubble",
        {
            "recommenders": [
                "random",
                _BANDIT,
                _reranked("bandit with mmr", "mmr"),
                _reranked("bandit calibrated", "calibrated"),
            ]
        },
        {"mmr-keeps-pages-wide", "mmr-costs-clicks", "calibration-keeps-pages-wide"},
    ),
    "nothing does harm": Planted("harmful-loop", {"interventions": []}, {"less-satisfied", "fewer-returns", "fewer-users"}),
    "nothing is sold": Planted(
        "promotion-slots", {"interventions": []}, {"clicks-lost", "satisfaction-lost", "exposure-moved"}
    ),
    "the slot stays sold, and good pages stand for random ones": Planted(
        "promotion-slots",
        {"interventions": [_SOLD], "recommenders": ["mf", arm("random", "mf")]},
        {"over-when-over", "bad-pages-lose-nothing"},
    ),
    "nothing is learned anew": Planted(
        "retraining",
        {"recommenders": ["item-knn", arm("item-knn retrained", "item-knn")]},
        {"retraining-pays", "retraining-concentrates"},
    ),
    "nobody ever leaves": Planted(
        "provider-exodus", {"providers.least_share": 0.0}, {"popularity-loses-providers", "fairness-keeps-providers"}, open=True
    ),
    "re-ranking for providers has no weight": Planted(
        "provider-exodus",
        {"recommenders": ["popularity", arm("fair", "exposure-fair", base="popularity", strength=0.0)]},
        {"fairness-keeps-providers", "the-least-shown-gain"},
        open=True,
    ),
    "tastes stay": Planted("drift", {"interventions": []}, {"the-learner-recovers", "the-fitted-one-does-not"}, open=True),
    "there is no season": Planted(
        "seasons", {"interventions": []}, {"a-bandit-follows", "it-lags", "following-pays"}, open=True
    ),
    "everyone has a history": Planted(
        "cold-start-users", {"users.count": 600}, {"without-history-no-taste", "own-clicks-help"}, open=True
    ),
    "nobody comes late": Planted("cold-start-users", {"interventions": [_FASHION]}, {"others-clicks-help"}, open=True),
    "as good as no click is simulated": Planted(
        "cold-start-items",
        _cold({"recommender": "warmed", "settings": {"base": "mf", "clicks": 0.2}}),
        {"warm-up-reaches-new-items"},
    ),
    "new items are shown to anybody": Planted(
        "cold-start-items", _cold({"recommender": "random"}), {"right-users", "hardly-a-click-lost"}
    ),
    "nobody does better by content": Planted(
        "cold-start-items", _cold({"recommender": "content"}), {"content-reaches-more", "content-loses-the-rest"}
    ),
    "reasons do nothing": Planted(
        "explanations-help-and-mislead",
        {"presentation": _SILENT},
        {"help", "mislead-at-first", "wears-off", "trust-lost", "satisfaction-lost", "users-lost"},
    ),
    "what is made up is true": Planted(
        "explanations-help-and-mislead",
        {"recommenders": ["popularity", {"name": "true reasons"} | _TRUE, {"name": "made-up reasons"} | _TRUE]},
        {"trust-lost", "satisfaction-lost", "users-lost"},
    ),
    "titles do nothing": Planted(
        "clickbait",
        {"presentation": {**_SILENT, "titles": {"lift": 0.0}}},
        {"clicks-at-first", "wears-off", "trust-lost", "satisfaction-lost", "users-lost", "mild-costs-less"},
    ),
    "telling moves nobody": Planted("word-of-mouth", {"social.strength": 0.02}, {"travels"}),
    "who asks shows what is popular": Planted(
        "conversation", {"recommenders": [arm("asks", "popularity"), "popularity"]}, {"asking-finds-more"}
    ),
    "who listens shows what is popular": Planted(
        "changing-mind", {"recommenders": [arm("listens", "popularity"), "popularity"]}, {"listening-finds-more"}
    ),
    "users look for one film and say the truth": Planted(
        "sycophantic-policy", {"conversation.goal": "item", "conversation.noise": 0.0}, {"takes-longer", "pleases-less"}
    ),
    "nothing is made up": Planted("hallucinated-items", {"models.policy": "scripted/policy"}, {"invalid-items-cost"}),
    "titles by popularity against random pages": Planted(
        "hallucinated-items",
        {"recommenders": [arm("popularity", "random"), arm("grounded", "popularity"), arm("as written", "popularity")]},
        {"grounding-is-no-taste"},
    ),
    "what is ranked was retrieved at random": Planted(
        "tools-against-ranker",
        {
            "recommenders": [
                "popularity",
                arm("mf", "random"),
                arm("ranks", "language", base="random", candidates=20, ask="rating"),
                arm("looks things up", "mf"),
            ]
        },
        {"agent-behind-ranker", "ranker-behind-retrieval"},
    ),
    "the model has no idea of anybody": Planted(
        "fairness",
        _FEW | {"models.policy": "scripted/recommender"},
        {"telling-opens-a-gap", "a-fair-prompt-closes-it", "re-ranking-gives-back"},
        open=True,
    ),
    "what gives back serves everybody at random": Planted(
        "fairness",
        _FEW | {"recommenders": [*_TOLD, arm("untold", "mf"), arm("told fairly", "mf"), arm("re-ranked", "random")]},
        {"the-city-pays-little"},
        open=True,
    ),
    "nobody attacks": Planted(
        "poisoning",
        {"recommenders": [_CLEAN, arm("attacked", "item-knn"), arm("attacked, screened", "item-knn"), _SCREENED]},
        {"attack-lifts"},
    ),
    "nobody screens": Planted(
        "poisoning", {"recommenders": [_CLEAN, _ATTACKED, _NOT_SCREENED, _SCREENED]}, {"screening-takes-it-away"}
    ),
    "random pages stand for screened ones": Planted(
        "poisoning", {"recommenders": [_CLEAN, _ATTACKED, _BOTH, arm("screened", "random")]}, {"screening-costs-nothing"}
    ),
    "no clicks are bought": Planted("market-manipulation", {"interventions": []}, {"bought-clicks-pay"}),
    "no day is screened": Planted(
        "market-manipulation",
        {"recommenders": [*_DAILY_ARMS, arm("screened daily", "popularity") | _DAILY]},
        {"screening-stops-it"},
    ),
    "nobody asks": Planted(
        "language-arena",
        {
            "recommenders": [
                "mf",
                arm("rules talk", "mf"),
                arm("model ranks", "language", base="mf", candidates=20),
                arm("model talks", "language", base="mf", candidates=20),
            ]
        },
        {"asking-finds-more", "a-model-that-talks-finds-more"},
    ),
}
"""By what is missing in it."""
