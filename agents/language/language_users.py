"""Language users: personas played by a language model.

A page is one request. The model is told who it plays, what that person remembers, and the page, in an order that has nothing
to do with the items' positions; it answers with probabilities for each click and each rating, for satisfaction, and for
leaving. Nothing is drawn here: the kernel draws, and what was drawn goes into memory, which shapes the next prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from copy import copy, deepcopy
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim_llm.agents.examination import examination_by_user, examination_curve
from recsim_llm.agents.language.asked import Asked, AskedPage, Tell
from recsim_llm.agents.language.beside_pages import BesidePages
from recsim_llm.agents.language.calibration_record import refuse_other_model
from recsim_llm.agents.language.contrast import PageAsk, open_contrast
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.minds import Minds
from recsim_llm.agents.language.page_answers import answer_bounds, blank_answers, read_answers
from recsim_llm.agents.language.persona_writing import written_by_index
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import LEVELS, PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.agents.language.talking_users import TalkingUsers
from recsim_llm.agents.language.template_family import choose_family
from recsim_llm.agents.language.visit_intents import VisitIntents
from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.bounds import Bounds
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import DECIDERS, Account, Decisions, Mood, Pages, Rows
from recsim_llm.core.user_memory import Rendered
from recsim_llm.errors import ContractError
from recsim_llm.language.base.questions import Ask, Prompt
from recsim_llm.language.base.tokens import estimate_tokens
from recsim_llm.population.personas import Population

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel, Reply

__all__ = ["LanguageUsers"]

_LANGUAGE = DECIDERS.index("language")


class LanguageUsers(TalkingUsers):
    """Users that a language model plays.

    Decisions depend on the user's own pages and feedback only, and, as far as the model goes, on its answers: the same prompt
    must get the same answer. Beside ``UserModel`` it keeps ``AnswersLater``: pages may be started and collected in whatever
    order they are answered.

    Args:
        catalog: the items.
        population: the users.
        model: answers the questions.
        parameters: how users are asked and behave.
        seed: of the order of presentation, and what tells sampled answers of different runs apart.
        history: what the users rated before the first page; None tells them nothing of it.

    Raises:
        ConfigError: templates are missing or faulty, or the calibration was fitted to another model, or to one asked otherwise.
    """

    def __init__(
        self,
        catalog: Catalog,
        population: Population,
        model: LanguageModel,
        *,
        parameters: LanguageParameters,
        seed: int,
        history: RatingHistory | None = None,
    ) -> None:
        self.levels: FloatArray = np.arange(1, LEVELS + 1, dtype=np.float32)
        family, why = choose_family(model, parameters.templates)
        self.parameters = parameters = replace(parameters, templates=family)
        self.model = model
        templates = Templates(parameters.templates)
        refuse_other_model(
            parameters.calibration,
            model=model.name,
            realisation=model.elicitation,
            templates=templates.fingerprint,
            contrast=parameters.contrast,
        )
        self.templates_fingerprint = templates.fingerprint
        """32 hexadecimal digits over all templates and their versions."""
        self._seed, self._user_id = seed, population.user_id
        self._rating_mean = np.ascontiguousarray(population.trait("rating_mean"))
        self._position_bias = np.ascontiguousarray(population.trait("position_bias"))
        self._writer = PromptWriter(
            catalog,
            population,
            templates,
            model.elicitation,
            history=history,
            budget=parameters.budget(model.context),
            written=written_by_index(parameters.personas, population),
        )
        self._contrast = open_contrast(
            parameters.contrast,
            model,
            self._writer,
            catalog=catalog,
            history=history,
            most_told=parameters.rating_history,
            templates=parameters.templates,
        )
        self._minds = Minds(catalog, population, parameters, templates=templates, writer=self._writer, history=history)
        self._intents = VisitIntents(population, catalog, family, seed) if parameters.intents else None
        self._genres, self._beside = catalog.genre_names, BesidePages()
        self.provenance = {
            "templates": templates.fingerprint,
            "memory_templates": self._minds.fingerprint,
            "family": {"name": family, "why": why},
            "parameters": parameters.settings(),
        }
        """What a run's manifest must keep to tell how users were asked."""
        if catalog.price is not None:
            self.show_prices(catalog.price)
        if self._intents is not None:
            self.provenance["intent_templates"] = self._intents.fingerprint
        self.allocate(0, 1)

    def __deepcopy__(self, memo: dict[int, Any]) -> LanguageUsers:
        """Copy what the users remember and feel; the model is shared, and pages under way are put to it again if needed."""
        other = copy(self)
        other._minds, other._answers, other._beside = deepcopy((self._minds, self._answers, self._beside), memo)
        other._asked, other._started, other._ended = {}, {}, SimpleQueue()
        other._recalled = dict(self._recalled)
        return other

    def prompt_tokens(self, slate_size: int) -> int:
        """Return the most tokens of a prompt about a page of that size, estimated."""
        return self._writer.most_tokens(slate_size)

    def least_prompt_tokens(self, slate_size: int) -> int:
        """Return the tokens of a prompt about a page of that size with nothing that could give way, estimated."""
        return self._writer.least_tokens(slate_size)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._curve = examination_curve(slate_size, self.parameters.position_decay)
        self._writer.expect(slate_size)
        self._rows = rows
        self._minds.allocate(rows)
        self._answers = blank_answers(rows, slate_size)
        self._asked: dict[int, Asked] = {}
        self._started: dict[int, Asked] = {}
        self._ended: SimpleQueue[tuple[int, Asked]] = SimpleQueue()
        self._recalled: dict[int, IntArray] = {}
        self._beside.forget()

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: probability that each position is examined."""
        return examination_by_user(self._curve, self._position_bias.take(user_index))

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row; a returning user keeps its memory, anyone else begins anew."""
        at = self._numbers(rows)
        self._abandon(at)
        self._answers.satisfaction[at] = 0.0
        self._minds.begin(at, user_index, returning)
        if self._beside.hears:
            self._minds.hear(*self._beside.friends.deliver(at))

    def tell(self, user_id: int | str, text: str, *, key: str | None = None) -> None:
        """Tell a user something that it knows from the next page on, for good: also whenever it begins anew.

        Args:
            user_id: as the data has it.
            text: a statement in the second person, such as ``You cannot stand films with spiders.``
            key: what it is about: it takes the place of what the user was told of that before; None: the statement itself.

        Raises:
            ConfigError: there is no such user, the statement is empty or too long, or these users have no memory.
        """
        self._minds.tell(str(user_id), text, key)

    def memory_of(self, user_id: int | str) -> list[str]:
        """Return all that a browsing user has in memory at this moment, a line each, for a person to read.

        Args:
            user_id: as the data has it.

        Raises:
            ConfigError: there is no such user.
        """
        return self._minds.lines(str(user_id))

    def start(self, pages: Pages) -> None:
        """Put these pages to the model and return without waiting."""
        rows = self._numbers(pages.rows)
        self._ask(rows, pages)
        for row in rows.tolist():
            asked = self._asked[row]
            if self._started.get(row) is not asked:
                self._started[row] = asked
                asked.reply.add_done_callback(Tell(self._ended, row, asked))

    def collect(self) -> IntArray:
        """Wait until a started page is answered, and return int64 [m]: rows now ready, ascending, each told once.

        Raises:
            ContractError: no page was started.
            RecSimError: the model failed on a page; raised after all started pages have ended. Pages that were answered stay
                ready and will be collected; those that failed may be started again.
        """
        if not self._started:
            raise ContractError("language users: got collect with no page started, expected start(pages) before it")
        ready: list[int] = []
        while not ready or not self._ended.empty():
            row, asked = self._ended.get()
            if self._started.get(row) is asked:
                ready.append(row)
        failed = [row for row in ready if self._started[row].reply.exception() is not None]
        if failed:
            self._raise_after_all(ready)
        for row in ready:
            del self._started[row]
        return np.sort(np.array(ready, np.int64))

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, once the model has answered all of them.

        Raises:
            RecSimError: the model failed on a page; raised after all of these pages have ended.
        """
        rows = self._numbers(pages.rows)
        self._ask(rows, pages)
        asked = [self._asked[row] for row in rows.tolist()]
        wait([one.reply for one in asked])
        self._drop_failed(rows.tolist())
        for row, one in zip(rows.tolist(), asked, strict=True):
            read_answers(self._answers, row, one.order, one.reply.result().answers, calibration=self.parameters.calibration)
        account = Account(
            decided_by=np.full(len(rows), _LANGUAGE, np.int8),
            disagreement=np.full(len(rows), np.nan, np.float32),
            memories_dropped=np.array([min(one.dropped, 32767) for one in asked], np.int16),
        )
        return Decisions(self._answers.click[rows], account)

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [4, c]: log-odds that the rating of each clicked slot is at most 1, 2, 3 and 4 stars."""
        rows, position = self._numbers(pages.rows)[row], slot - row * pages.item_index.shape[1]
        return np.ascontiguousarray(self._answers.stars[rows, position].T)

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Remember what was drawn for the pages last decided, and say how the users feel, as the model answered."""
        rows = self._numbers(pages.rows)
        # Only now: a page that is asked about again, or for nothing, must not leave a trace.
        for owner in self._recalled.keys() & set(rows.tolist()):
            self._minds.touch(owner, self._recalled[owner])
        self._minds.take_in(rows, pages, (slot, row, rating))
        self._abandon(rows)
        return Mood(self._answers.satisfaction[rows], self._answers.leave[rows])

    def withdraw(self, rows: IntArray) -> None:
        """Let what came to mind for the pages last decided in these rows count for nothing: the answers are not acted upon."""
        for row in rows.tolist():
            self._recalled.pop(row, None)

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched of items that were rated so by these users."""
        surprise = rating - self._rating_mean.take(user_index)
        log_odds: FloatArray = np.float32(self.parameters.watch_base) + np.float32(self.parameters.watch_slope) * surprise
        return log_odds

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        slope = np.float32(self.parameters.return_slope)
        log_odds: FloatArray = np.float32(self.parameters.return_base) + slope * self._answers.satisfaction[rows]
        return log_odds

    def bounds(self) -> Bounds:
        """Return how far clicks, satisfaction, leaving and returning can go; what users remember shapes answers only."""
        own = self.parameters
        return answer_bounds(own.calibration, own.return_base, own.return_slope)

    def _numbers(self, rows: Rows) -> IntArray:
        return np.arange(self._rows)[rows]

    def _abandon(self, rows: IntArray) -> None:
        for row in rows.tolist():
            self._asked.pop(row, None)
            self._started.pop(row, None)
            self._recalled.pop(row, None)

    def _raise_after_all(self, ready: Sequence[int]) -> None:
        """Wait for everything in flight, make what was answered collectable again, and raise the first error."""
        wait([asked.reply for asked in self._started.values()])
        for row in ready:
            self._ended.put((row, self._started[row]))
        self._drop_failed(sorted(self._started))

    def _drop_failed(self, rows: Sequence[int]) -> None:
        """Forget pages that failed, so that they can be asked again, and raise the first row's error."""
        failed = [row for row in rows if self._asked[row].reply.exception() is not None]
        errors = [self._asked[row].reply.exception() for row in failed]
        self._abandon(np.array(failed, np.int64))
        for error in errors:
            if error is not None:
                raise error

    def _ask(self, rows: IntArray, pages: Pages) -> None:
        """Put to the model those of the pages that are not with it already."""
        columns = (rows, pages.user_index, pages.visit, pages.page, pages.item_index)
        wanted = {
            row: AskedPage(user, visit, page, tuple(items), *self._beside.on_page(row))
            for row, user, visit, page, items in zip(*(column.tolist() for column in columns), strict=True)
        }
        new = {row: page for row, page in wanted.items() if row not in self._asked or self._asked[row].page != page}
        if not new:
            return
        self._abandon(np.fromiter(new, np.int64))
        orders = self._orders(list(new.values()))
        written = self._write(list(new), list(new.values()), orders)
        replies = self._submit(list(new.values()), orders, [ask for ask, _ in written])
        for (row, page), order, (_, memory), reply in zip(new.items(), orders, written, replies, strict=True):
            self._asked[row], self._recalled[row] = Asked(page, order, memory.dropped, reply), memory.index

    def _submit(
        self, pages: Sequence[AskedPage], orders: Sequence[tuple[int, ...]], asks: Sequence[Ask]
    ) -> list[Future[Reply]]:
        if self._contrast is None:
            return self.model.submit(asks)
        whole = zip(pages, orders, asks, strict=True)
        shown = [PageAsk(ask, page.user, tuple(page.items[position] for position in order)) for page, order, ask in whole]
        return self._contrast.submit(shown)

    def _orders(self, pages: Sequence[AskedPage]) -> list[tuple[int, ...]]:
        """Return for each page the positions that hold an item, in the order of presentation."""
        filled = [[position for position, item in enumerate(page.items) if item >= 0] for page in pages]
        if not self.parameters.rotate:
            return [tuple(positions) for positions in filled]
        who = self._user_id[[page.user for page in pages]]
        words = keyed.words(self._seed, "presentation", who, [page.visit for page in pages], [page.page for page in pages])
        shifts = [int(word) % max(len(positions), 1) for word, positions in zip(words.tolist(), filled, strict=True)]
        return [tuple(positions[shift:] + positions[:shift]) for positions, shift in zip(filled, shifts, strict=True)]

    def _write(self, rows: list[int], pages: list[AskedPage], orders: list[tuple[int, ...]]) -> list[tuple[Ask, Rendered]]:
        """Return for each page what is asked, and what the user has in mind."""
        writer, asks = self._writer, []
        for row, page, order in zip(rows, pages, orders, strict=True):
            items = [page.items[position] for position in order]
            intent = () if self._intents is None else (self._intents.part(page.user, page.visit),)
            beside = (*intent, *self._beside.parts(page, order))
            room = writer.room(page.user, len(items)) - sum(estimate_tokens(part.text) for part in beside)
            part = writer.page(items, page.page, room - self.parameters.memory_tokens)
            budget = max(room - estimate_tokens(part.text), 0)
            memory = self._minds.render(row, writer.query(items), budget)
            remembered = writer.memory(memory.consolidated, memory.recent)
            prompt = Prompt((*writer.opening, writer.persona(page.user), *remembered, *beside, part))
            writer.check(prompt, len(items), self.model.name)
            user_id = int(self._user_id[page.user])
            nonce = f"{self._seed} {user_id} {page.visit} {page.page}"
            asks.append((Ask(prompt, writer.questions(items), nonce, str(user_id)), memory))
        return asks
