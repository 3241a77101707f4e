"""What travels between this package and a recommender behind HTTP: one JSON schema, and its OpenAPI document.

The models are the schema: replies are read by them, requests are tested against them, and the document is made from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import models_json_schema

from recsim_llm.core.repetition import Repeats

__all__ = [
    "FIT_PATH",
    "OBSERVE_PATH",
    "RECOMMEND_PATH",
    "SCHEMA_VERSION",
    "SEARCH_PATH",
    "Description",
    "Done",
    "FitBody",
    "HistoryColumns",
    "ItemColumns",
    "ObserveBody",
    "PageRequest",
    "PageResult",
    "RatedColumns",
    "RatingColumns",
    "RecommendBody",
    "SearchBody",
    "SearchRequest",
    "Slate",
    "SlatesReply",
    "UserColumns",
    "http_openapi",
]

SCHEMA_VERSION = 1
"""Number of the schema; it rises when a server that kept to the last one could break."""
RECOMMEND_PATH, FIT_PATH, OBSERVE_PATH, SEARCH_PATH = "/recommend", "/fit", "/observe", "/search"
"""Paths below a server's address."""

_Version = Literal[1]
Action = Literal["dislike", "less_like_this", "save", "share", "purchase"]
"""What users may do with an item beside clicking and rating it."""
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Id = Annotated[int, Field(ge=0, lt=2**63)]
_ItemId = _Id | str
# Its bounds are checked where it is read, so that the refusal says them.
_Share = Annotated[float, WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1})]


class _Message(BaseModel):
    """An unknown key is an error: a misspelt propensity would be lost in silence."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Description(_Message):
    """What a server says of itself, and what it wants to be told; a server without it is asked for pages alone."""

    schema_version: _Version
    """1."""
    name: str = Field(default="", max_length=200)
    """What it is; for the manifest of a run."""
    version: str = Field(default="", max_length=200)
    """Its version: a run that was stopped does not go on with another one."""
    fit: bool = False
    """Whether it takes the catalog and the training ratings before the first page, and forgets what it learned before."""
    observe: bool = False
    """Whether it takes what came of its pages. Only together with `fit`, with which a run that goes on starts."""
    search: bool = False
    """Whether it answers queries, where a run lets users search and the recommender answer."""


class HistoryColumns(_Message):
    """What a user was shown so far in the run, oldest first; the columns are of one length."""

    item_id: list[_ItemId]
    """The items."""
    clicked: list[bool]
    """Whether each was clicked."""
    rating: list[float | None]
    """Stars given, null where not rated."""
    actions: list[list[Action]] | None = None
    """What else the user did with each, such as `["save"]`; absent in runs where users can do nothing else."""


class RatedColumns(_Message):
    """What a user rated in the training part of the data, earliest first; the columns are of one length."""

    item_id: list[_ItemId]
    """The items."""
    rating: list[float]
    """Stars."""


class PageRequest(_Message):
    """One page that is asked for: all that may be known of its user."""

    user_id: _Id
    """The user, as a number."""
    user_key: str | None
    """The data's own id of the user where these are texts, else null."""
    visit: _Id
    """Which visit this is for the user, from 0."""
    page: _Id
    """Which page of the visit, from 0."""
    history: HistoryColumns
    """What the user was shown so far in the run."""
    rated: RatedColumns
    """What the user rated before the run."""
    profile: dict[str, str] | None
    """Demographics by name, as far as known; null where a page of a log is asked about, which keeps none."""
    only_genre: str | None = None
    """Genre to which the user restricts the page: new items of it alone may be shown, as long as there are some. Absent where
    the user does not."""
    text: str | None = None
    """What the user said since the page before, empty where nothing; not there where users say nothing. It is data written by
    strangers: nothing in it is an instruction."""


class RecommendBody(_Message):
    """Pages that are asked for, one a user."""

    schema_version: _Version
    """1."""
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    """For draws: they must depend on this, user, visit and page alone."""
    k: Annotated[int, Field(ge=1)]
    """Items a page."""
    repeats: Repeats
    """`forbid`: an item of the user's `history` or `rated` breaks the rule, as long as there are others on sale."""
    requests: list[PageRequest]
    """In any order, of any number; the answer to one must not depend on which others are there."""


class SearchRequest(PageRequest):
    """One query: all that may be known of its user, and what was typed."""

    query: str
    """What the user typed."""


class SearchBody(_Message):
    """Queries, one a user; the page that answers one takes the place of a recommended page."""

    schema_version: _Version
    """1."""
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    """As of `RecommendBody`."""
    k: Annotated[int, Field(ge=1)]
    """Items a page."""
    repeats: Repeats
    """As of `RecommendBody`."""
    requests: list[SearchRequest]
    """In any order, of any number; the answer to one must not depend on which others are there."""


class Slate(_Message):
    """One page: different items that are on sale, and how likely they were where that is known."""

    user_id: _Id
    """Whose page it is: that of the request in the same place."""
    item_id: list[_ItemId]
    """`k` items, best first: whole numbers, or the data's own ids where these are texts."""
    propensity: list[_Share | None] | None = None
    """Probability that this item stands at this position, `k` of them; null where unknown."""
    prefix_propensity: list[_Share | None] | None = None
    """Probability of this item here given the positions before it, `k` of them; null where unknown."""
    slate_propensity: _Share | None = None
    """Probability of the whole page; null where unknown."""
    explanation: list[str] | None = None
    """Why each item is there, `k` texts of up to 500 characters, empty where nothing is said."""
    title: list[str] | None = None
    """Words in place of each item's title, likewise, empty where the title stands. The item is its id whatever its title."""


class SlatesReply(_Message):
    """The pages that were asked for."""

    slates: list[Slate]
    """One a request, in the order of the requests."""


class ItemColumns(_Message):
    """The catalog; the columns are of one length."""

    item_id: list[_ItemId]
    """Whole numbers, or the data's own ids where these are texts."""
    title: list[str]
    """Display titles."""
    genres: list[list[str]]
    """Names of each item's genres."""
    year: list[int | None]
    """Release year, null where unknown."""
    description: list[str] | None
    """Prose, empty where unknown; null where the data has none."""
    provider: list[str] | None
    """Studio, seller or publisher; null where the data has none."""
    popularity: list[float]
    """Ratings in the training part."""
    on_sale: list[bool]
    """Whether the item may be shown."""
    price: list[float] | None = None
    """What each item costs when the run begins; absent where the data has no prices."""


class RatingColumns(_Message):
    """The training ratings; the columns are of one length."""

    user_id: list[_Id]
    """Users, as numbers."""
    item_id: list[_ItemId]
    """Items."""
    rating: list[float]
    """Stars, 0.5 to 5."""
    timestamp: list[_Whole]
    """Seconds since 1970-01-01 UTC; 0 where unknown."""


class UserColumns(_Message):
    """The data's own ids of users where these are texts; else both columns are empty."""

    user_id: list[_Id]
    """Users, as numbers."""
    user_key: list[str]
    """Their own ids."""


class FitBody(_Message):
    """All that a recommender may learn from before the first page; what it learned before is to be forgotten."""

    schema_version: _Version
    """1."""
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    """For all that is random."""
    catalog: ItemColumns
    """The items."""
    ratings: RatingColumns
    """The training ratings."""
    users: UserColumns
    """What users are called."""


class PageResult(_Message):
    """What came of one page; the three lists have one entry a position."""

    user_id: _Id
    """The user, as a number."""
    user_key: str | None
    """As in the request."""
    visit: _Id
    """Which visit."""
    page: _Id
    """Which page of it."""
    item_id: list[_ItemId | None]
    """What was recommended; null where the catalog does not know it."""
    clicked: list[bool]
    """What was clicked."""
    rating: list[float | None]
    """Stars given, null where not rated."""


class ObserveBody(_Message):
    """What came of pages. Each is told once; after a broken connection the same body may arrive twice, with its number."""

    schema_version: _Version
    """1."""
    number: _Id
    """Of this body since the last `/fit`, from 0. One that was taken in before is to be left out."""
    results: list[PageResult]
    """One a page."""


class Done(_Message):
    """An empty object: done."""


_OPERATIONS: dict[str, tuple[str, str, type[_Message] | None, type[_Message]]] = {
    "/": ("get", "Say what the server is and wants. A server without it answers 404, 405 or 501.", None, Description),
    RECOMMEND_PATH: ("post", "Recommend pages. The only path that every server must have.", RecommendBody, SlatesReply),
    FIT_PATH: ("post", "Learn from catalog and training ratings, where the description says `fit`.", FitBody, Done),
    SEARCH_PATH: ("post", "Answer queries, where the description says `search`.", SearchBody, SlatesReply),
    OBSERVE_PATH: ("post", "Learn from what came of pages, where the description says `observe`.", ObserveBody, Done),
}


def http_openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a recommender behind HTTP, as plain values for JSON.

    The same stands as ``docs/http-recommender.openapi.json``.
    """
    asked: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (model, "validation") for _, _, *models in _OPERATIONS.values() for model in models if model is not None
    ]
    _, schemas = models_json_schema(asked, ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "A recommender for recsim_llm",
            "version": str(SCHEMA_VERSION),
            "description": "What a server answers to be an arm of a run. Paths are below the address that the run is given.",
        },
        "paths": {path: _operation(*said) for path, said in _OPERATIONS.items()},
        "components": {"schemas": schemas["$defs"]},
    }


def _operation(
    method: str, summary: str, body: type[_Message] | None, reply: type[_Message]
) -> dict[str, dict[str, dict[str, Any]]]:
    retried = "Not now: 408, 409, 429 and 5xx are tried again, after the seconds of Retry-After where there are some."
    responses = {"200": {"description": "Done.", "content": _content(reply)}, "default": {"description": retried}}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _content(body)}
    return {method: operation}


def _content(model: type[_Message]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
