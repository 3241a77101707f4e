"""A recommender behind HTTP: any program that answers one POST can be an arm."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field, ValidationError, field_validator

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings, config_error, first_fault
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.errors import ConfigError, ServiceError
from recsim_llm.language.base.addresses import parse_address
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.recommenders.http_bodies import WireIds, find_fault, fit_body, page_requests, page_results, slates_of
from recsim_llm.recommenders.http_client import HttpClient, ServiceCost
from recsim_llm.recommenders.http_schema import (
    FIT_PATH,
    OBSERVE_PATH,
    RECOMMEND_PATH,
    SCHEMA_VERSION,
    SEARCH_PATH,
    Description,
    Done,
    Slate,
    SlatesReply,
)

__all__ = ["HttpRecommender"]

_Read = TypeVar("_Read", bound=BaseModel)
_KEYS = "give a key in the environment, settings: {headers: {Authorization: VARIABLE}}"
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_SUCH_PATH = (404, 405, 501)
_LARGEST_SEED = 2**53
_SHOWN_BODY = 60
_DESCRIPTION = "for its description"


class HttpRecommender:
    """Asks a server for pages: any program that answers ``POST /recommend``.

    The server may say on ``GET /`` what it is, that it takes the ratings before the first page (``POST /fit``) and what came of
    pages (``POST /observe``), and that it answers queries (``POST /search``). ``http_openapi`` returns the schema of all that
    travels. For a run that can be repeated and resumed, answers must depend on what was asked, and on what was told since the
    last ``/fit``, alone.

    Args:
        settings: with the address.

    Raises:
        ConfigError: an environment variable that a header shall hold is not set.
    """

    class Settings(FrozenSettings):
        """Settings of ``HttpRecommender``."""

        address: str
        """``http(s)://HOST[:PORT]/PATH``, all that stands before ``/recommend``; no user, password, query or fragment."""
        timeout: float = Field(default=30.0, gt=0, le=86_400)
        """Seconds that one attempt to get pages may take, from the first to the last byte."""
        fit_timeout: float = Field(default=600.0, gt=0, le=86_400)
        """Seconds that one attempt of ``/fit`` may take."""
        attempts: int = Field(default=4, ge=1, le=100)
        """Attempts of one request, the first included. Repeated after broken connections, time-outs, and statuses 408, 409, 429
        and 5xx, after waits that double from half a second or as long as the server asks."""
        longest_wait: float = Field(default=60.0, ge=0, le=86_400)
        """Most seconds that the server may ask to wait (``Retry-After``); above, the run stops and can be resumed."""
        batch: int = Field(default=256, ge=1)
        """Most users a request; a larger batch is split, in order."""
        body_limit: int = Field(default=8 << 20, ge=1024)
        """Most bytes of a reply that are read; a longer one is refused."""
        headers: dict[str, str] = Field(default_factory=dict)
        """Headers to be sent: the name of each, and the environment variable that holds its value; never the value itself."""

        @field_validator("address")
        @classmethod
        def _is_an_address(cls, address: str) -> str:
            return parse_address(address, keys=_KEYS)

        @field_validator("headers")
        @classmethod
        def _names_variables(cls, headers: dict[str, str]) -> dict[str, str]:
            for name, variable in headers.items():
                if not _HEADER.fullmatch(name):
                    raise ValueError("got something else than a header's name, which is not shown, expected one like X-API-Key")
                if not _VARIABLE.fullmatch(variable):
                    got = f"something else than a variable's name for {name}, which is not shown"
                    raise ValueError(f"got {got}, expected the name of the environment variable that holds the value")
            return headers

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client = HttpClient(
            settings.address,
            headers={name: _read_variable(name, variable) for name, variable in settings.headers.items()},
            retries=RetryPolicy(attempts=settings.attempts),
            longest_wait=settings.longest_wait,
            body_limit=settings.body_limit,
        )
        self._description: Description | None = None
        self._user_keys: Mapping[int, str] = {}
        self._ids: WireIds | None = None
        self._repeats: Repeats = "forbid"
        self._seed, self._told = 0, 0

    @property
    def cost(self) -> ServiceCost:
        """What its requests took so far."""
        return self._client.cost

    def reach(self) -> dict[str, str | bool]:
        """Ask the server what it is and wants; one that does not say is asked for pages alone.

        Returns:
            Address, name and version, whether it takes ``fit`` and ``observe``, and ``search`` where it answers queries.

        Raises:
            ServiceError: it does not answer, or with something that cannot be used.
        """
        content = self._client.ask("/", None, about=_DESCRIPTION, timeout=self.settings.timeout, absent=_NO_SUCH_PATH)
        said = Description(schema_version=1) if content is None else self._read(Description, content, "/")
        if said.observe and not said.fit:
            fault = "got observe without fit, expected both, since a run that goes on after a stop begins with /fit"
            raise self._unusable(fault, _DESCRIPTION, "/")
        self._description = said
        told = said.model_dump(include={"name", "version", "fit", "observe"})
        # Where it cannot be searched the manifest is what it was before servers could be.
        return {"address": self.settings.address, **told, **({"search": True} if said.search else {})}

    def play_by(self, repeats: Repeats) -> None:
        """Take in the scenario's rule on repetition, which goes with each request."""
        self._repeats = repeats

    def name_users(self, user_keys: Mapping[int, str]) -> None:
        """Take in the data's own ids of users, which go with each request."""
        self._user_keys = user_keys

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Send catalog and ratings to a server that takes them; a user's ratings go with each request in any case.

        Args:
            catalog: the items.
            ratings: the training ratings.
            seed: for all that is random in the server, modulo 2^53, as numbers of JSON may be no larger everywhere.

        Raises:
            ServiceError: the server failed.
        """
        if self._description is None:
            self.reach()
        self._seed, self._told = seed % _LARGEST_SEED, 0
        self._ids = WireIds(catalog, ratings, self._user_keys)
        if self._description is not None and self._description.fit:
            body = fit_body(self._ids, ratings, self._seed)
            self._post(FIT_PATH, body, Done, about=f"for {len(catalog):,} items and {len(ratings):,} ratings")

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the pages that the server gives, with propensities where it tells them.

        An id that the catalog does not know comes back as it is, or as -1 where the data's own ids are texts.

        Raises:
            ServiceError: the server failed.
        """
        return self._ask_pages(RECOMMEND_PATH, requests, k, None)

    def search(self, requests: Requests, queries: Sequence[str], k: int) -> Slates:
        """Return the pages with which the server answers queries; arguments as of ``AnswersQueries``.

        Raises:
            ConfigError: the server does not say that it answers queries.
            ServiceError: the server failed.
        """
        if self._description is None or not self._description.search:
            raise ConfigError(
                f"{self.settings.address}: got a server that does not say `search`, expected one that answers queries; let it "
                "answer POST /search and say search: true on GET /, or set actions.search.answered_by: index"
            )
        return self._ask_pages(SEARCH_PATH, requests, k, queries)

    def _ask_pages(self, path: str, requests: Requests, k: int, queries: Sequence[str] | None) -> Slates:
        found: list[Slate] = []
        for rows in self._batches(len(requests.user_id)):
            about = _about(requests, rows)
            asked = page_requests(self._known(), requests, rows)
            if queries is not None:
                asked = [{**one, "query": queries[row]} for one, row in zip(asked, rows.tolist(), strict=True)]
            body = {"seed": self._seed, "k": k, "repeats": self._repeats, "requests": asked}
            slates = self._post(path, body, SlatesReply, about=about).slates
            if fault := find_fault(self._known(), slates, requests.user_id[rows], k):
                raise self._unusable(fault, about, path)
            found += slates
        return slates_of(self._known(), found, k)

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell a server that wants it what came of pages.

        Raises:
            ServiceError: the server failed.
        """
        if self._description is None or not self._description.observe:
            return
        for rows in self._batches(len(requests.user_id)):
            results = page_results(self._known(), requests, rows, slates=slates, clicked=clicked, rating=rating)
            self._post(OBSERVE_PATH, {"number": self._told, "results": results}, Done, about=_about(requests, rows))
            self._told += 1

    def _batches(self, users: int) -> Iterator[IntArray]:
        for start in range(0, users, self.settings.batch):
            yield np.arange(start, min(start + self.settings.batch, users))

    def _known(self) -> WireIds:
        if self._ids is None:
            raise ConfigError("HttpRecommender: got a request before fit, expected a fitted recommender; call fit first")
        return self._ids

    def _post(self, path: str, body: Mapping[str, Any], reply: type[_Read], *, about: str) -> _Read:
        content = json.dumps({"schema_version": SCHEMA_VERSION, **body}, separators=(",", ":"), allow_nan=False).encode()
        timeout = self.settings.fit_timeout if path == FIT_PATH else self.settings.timeout
        answer = self._client.ask(path, content, about=about, timeout=timeout)
        return self._read(reply, answer or b"", path, about)

    def _read(self, kind: type[_Read], content: bytes, path: str, about: str = _DESCRIPTION) -> _Read:
        """Read a reply.

        Raises:
            ServiceError: it is something else; names the field.
        """
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            fault = first_fault(error)
            said = str(config_error(error, kind))
        if fault["type"] == "json_invalid" or not fault["loc"]:
            begins = content[:_SHOWN_BODY].decode("utf-8", "replace")
            said = f"got {begins!r}{'…' * (len(content) > _SHOWN_BODY)}, expected a JSON object with {_keys(kind)}"
            said += f", whole ({fault['ctx']['error']})" if "ctx" in fault and "error" in fault["ctx"] else ""
        raise self._unusable(said, about, path)

    def _unusable(self, fault: str, about: str, path: str) -> ServiceError:
        got = "a reply that cannot be used"
        return self._client.failure("bad_reply", got, f": {fault}; mend the server", request=(path, about))


def _keys(kind: type[BaseModel]) -> str:
    return ", ".join(kind.model_fields) or "nothing in it"


def _about(requests: Requests, rows: IntArray) -> str:
    """Say which pages are asked for."""
    visits, pages = (np.unique(column[rows]) for column in (requests.visit, requests.page))
    users = f"{len(rows)} user{'s' * (len(rows) != 1)}"
    return f"for {users} in visit {_span(visits)}, page {_span(pages)}"


def _span(numbers: IntArray) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _read_variable(header: str, variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        # Not by its name: whoever puts the secret itself there must not read it again in a log.
        raise ConfigError(
            f"headers.{header}: got an environment variable that is not set, expected one that holds the header's value; set it"
        )
    if not value.isascii() or not value.isprintable():
        raise ConfigError(
            f"headers.{header}: got a value with control characters or characters beyond ASCII, which is not shown, expected "
            "none; set the environment variable again"
        )
    return value
