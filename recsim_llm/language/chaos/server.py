"""A model server of one's own on loopback: answers by a script, as slowly and as badly as it is told.

For tests, rehearsals and load: a real HTTP server that speaks the OpenAI protocol and knows the true distribution of every
answer, so that what a client makes of a storm can be compared with the truth. By hand:

    python -m recsim_llm.language.chaos --port 8123 --script genres --storm --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, Self

from aiohttp import web

from recsim_llm.errors import ConfigError, ContractError, RecSimError, Refused
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.backends.scripted_forms import cut
from recsim_llm.language.backends.scripts import Script
from recsim_llm.language.base.wire import RawReply
from recsim_llm.language.chaos.connections import drip, error_response, reset
from recsim_llm.language.chaos.faults import HARMLESS, FaultDice, Faults, possible_faults, spoil
from recsim_llm.language.chaos.lone_questions import answer_alone, with_other_words
from recsim_llm.language.chaos.replies import SeenPrefixes, chat_body, completion_body, decisions_body, systemone_body
from recsim_llm.language.chaos.requests import Wanted, read_chat, read_completion, read_decisions, read_systemone

__all__ = ["ChaosServer", "main"]

_CHAT, _MODELS, _SYSTEMONE, _DECISIONS = "/v1/chat/completions", "/v1/models", "/v1/systemone", "/v1/decisions"
_COMPLETIONS, _PROPERTIES, _SLOTS = "/v1/completions", "/props", 4
_GENERATES = (_CHAT, _COMPLETIONS)
_GOES_ON = "ue"
"""What continues a reply that begins no known question: the end of a word."""
_BODIES = {
    _CHAT: chat_body,
    _COMPLETIONS: completion_body,
    _SYSTEMONE: systemone_body,
    _DECISIONS: decisions_body,
}
_STATUS = {"rate_limit": 429, "rate_limit_bare": 429, "server_error": 500, "overloaded": 503}
_PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
_WRONG = {"verdict": "fine"}
_LONGEST_BODY = 64 << 20


class ChaosServer:
    """An OpenAI-compatible server in a thread of its own; it runs from construction until ``close``.

    Chat completions are answered from the questions listed in the system message, decisions from the questions in the
    request; texts without questions by a sentence that is a hash of the prompt. What follows the first user message (a reply
    and the wish for a better one) changes nothing, so a repaired answer is the first answer.

    Args:
        script: name of a script, see ``resolve_script``, or the function itself.
        faults: what goes wrong how often; None: nothing.
        seed: decides which requests are hit.
        latency: seconds before every answer that is not an error status.
        model: name under which the model is known; others are refused with status 404.
        api_key: the only one accepted; None: any or none.
        concurrency: requests at once; those above are refused with status 429; None: any number.
        schema: obey ``response_format``; otherwise overlook it.
        logprobs: return log-probabilities; otherwise overlook the wish.
        decision: decision endpoint; None: none.
        seeded: equal seeds give equal samples; otherwise seeds are overlooked.
        lone: how one question can be asked alone besides at the end of a message: ``prefill``, a last message of the assistant
            is continued; ``grammar``, the same, and a grammar is obeyed, as llama.cpp does; ``completions``, plain completions
            have an endpoint; None: none of them.
        context: tokens that one call may take, which the list of models tells as vLLM does, and with ``grammar`` also
            ``/props`` as llama.cpp does; None: it tells nothing.
        port: to listen on; 0: any free one.

    Raises:
        ConfigError: a setting cannot work, or the port is taken.
    """

    def __init__(
        self,
        script: str | Script = "genres",
        *,
        seed: int,
        faults: Faults | None = None,
        latency: float = 0.0,
        model: str = "chaos",
        api_key: str | None = None,
        concurrency: int | None = None,
        schema: bool = True,
        logprobs: bool = True,
        decision: Literal["systemone", "decisions"] | None = None,
        seeded: bool = True,
        lone: Literal["prefill", "grammar", "completions"] | None = None,
        context: int | None = 1 << 17,
        port: int = 0,
    ) -> None:
        if latency < 0 or (concurrency is not None and concurrency < 1):
            raise ConfigError(
                f"chaos: got latency {latency:g} and concurrency {concurrency}, expected 0 s or more and 1 or more"
            )
        if decision not in (None, "systemone", "decisions"):
            raise ConfigError(f"chaos: got decision {decision!r}, expected systemone, decisions or none")
        if lone not in (None, "prefill", "grammar", "completions"):
            raise ConfigError(f"chaos: got lone {lone!r}, expected prefill, grammar, completions or none")
        self._lone, self._context = lone, context
        self._model, self._key, self._latency, self._most = model, api_key, latency, concurrency
        self._schema, self._logprobs, self._decision, self._seeded = schema, logprobs, decision, seeded
        self._backend = Scripted(resolve_script(script) if isinstance(script, str) else script)
        self._faults, self._dice, self._prefixes = faults or Faults(0.0), FaultDice(faults, seed), SeenPrefixes()
        self._requests: Counter[str] = Counter()
        self._struck: Counter[str] = Counter()
        self._served = self._busy = self._busiest = 0
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(port, started), name="chaos-server", daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{started.result()}/v1"
        """What a client takes as its base URL."""

    @property
    def requests(self) -> Counter[str]:
        """Requests so far by path, for instance ``/v1/chat/completions``, refused ones included."""
        return self._requests.copy()

    @property
    def faults(self) -> Counter[str]:
        """Faults so far by name."""
        return self._struck.copy()

    @property
    def served(self) -> int:
        """Right answers so far, dripped ones and those with extra keys included."""
        return self._served

    @property
    def busiest(self) -> int:
        """Most requests that were being answered at once."""
        return self._busiest

    def close(self) -> None:
        """Stop: break what hangs, release the port, end the thread. A second time does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, port: int, started: Future[int]) -> None:
        try:
            asyncio.run(self._listen(port, started))
        except (OSError, OverflowError) as error:
            started.set_exception(ConfigError(f"chaos: got {error}, expected a free port; take another or 0"))

    async def _listen(self, port: int, started: Future[int]) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=_LONGEST_BODY)
        application.router.add_get(_MODELS, self._list_models)
        own = ([f"/v1/{self._decision}"] if self._decision else []) + ([_COMPLETIONS] if self._lone == "completions" else [])
        if self._lone == "grammar":
            application.router.add_get(_PROPERTIES, self._tell_properties)
        for path in (_CHAT, *own):
            application.router.add_post(path, self._handle)
        application.middlewares.append(self._admit)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
            started.set_result(runner.addresses[0][1])
            await self._closing.wait()
        finally:
            await runner.cleanup()

    @web.middleware
    async def _admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self._requests[request.path] += 1
        if self._key is not None and request.headers.get("Authorization") != f"Bearer {self._key}":
            return error_response(401, "got another API key, expected the one that the server was started with")
        if self._most is not None and self._busy >= self._most:
            return error_response(429, f"got more than {self._most} requests at once", self._faults.retry_after)
        self._busy += 1
        self._busiest = max(self._busiest, self._busy)
        try:
            response: web.StreamResponse = await handler(request)
        except Refused as refused:
            return error_response(refused.status, refused.message)
        except ContractError as error:
            return error_response(500, str(error))
        except web.HTTPException as error:
            return error_response(error.status, error.reason)
        finally:
            self._busy -= 1
        return response

    async def _list_models(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002 (a handler's signature)
        entry = {"id": self._model, "object": "model", "created": 0, "owned_by": "recsim_llm"}
        told = {} if self._context is None else {"max_model_len": self._context}
        return web.json_response({"object": "list", "data": [entry | told]})

    async def _tell_properties(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002 (a handler's signature)
        told = {} if self._context is None else {"default_generation_settings": {"n_ctx": self._context}}
        return web.json_response({"total_slots": _SLOTS, **told})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        wanted = self._read(request.path, await request.read())
        fault, answered = self._dice.draw(
            wanted.content, possible_faults(wanted.call, request.path, alone=wanted.lone is not None)
        )
        self._struck.update([fault] if fault else [])
        if fault in _STATUS:
            return error_response(_STATUS[fault], f"fault {fault}", self._faults.retry_after if fault == "rate_limit" else None)
        if fault in ("reset", "hang"):
            if fault == "hang":
                await self._pause(self._faults.hang_seconds)
            return reset(request)
        await self._pause(self._latency)
        if self._closing.is_set():
            return reset(request)
        content = json.dumps(self._body(request.path, await self._reply(wanted, fault, answered), wanted, fault)).encode()
        if fault == "html":
            return web.Response(text=_PAGE, content_type="text/html")
        if fault == "truncated":
            content = content[: len(content) // 2]
        response = web.Response(body=content, content_type="application/json")
        self._served += not fault or fault in HARMLESS
        return await drip(request, content, self._faults.drip_seconds, self._pause) if fault == "drip" else response

    def _read(self, path: str, content: bytes) -> Wanted:
        try:
            body = json.loads(content)
        except ValueError as error:
            raise Refused(400, f"got {error}, expected JSON") from error
        if not isinstance(body, dict):
            raise Refused(400, f"got {type(body).__name__}, expected a JSON object")
        if body.get("model") != self._model:
            raise Refused(404, f"model: got {body.get('model')!r}, expected {self._model!r}")
        if body.get("stream"):
            raise Refused(400, "stream: got true, expected false; this server answers in one piece")
        if path == _CHAT:
            return read_chat(
                body,
                schema=self._schema,
                logprobs=self._logprobs,
                continues=self._lone in ("prefill", "grammar"),
                grammar=self._lone == "grammar",
            )
        if path == _COMPLETIONS:
            return read_completion(body, logprobs=self._logprobs)
        return read_systemone(body) if path == _SYSTEMONE else read_decisions(body)

    async def _reply(self, wanted: Wanted, fault: str, answered: int) -> RawReply:
        # A server without a seed draws anew each time: here by how often the content was answered.
        call = wanted.call._replace(max_tokens=1 << 20)
        if call.seed is None or not self._seeded:
            call = call._replace(seed=answered)
        reply = await self._backend.send(call)
        if wanted.lone is not None:
            reply = answer_alone(reply) if wanted.lone.question else RawReply((_GOES_ON,))
            reply = reply if wanted.held else with_other_words(reply)
        reply = spoil(reply, call, fault, place=answered)
        if call.form == "json" and call.schema is None:
            # Models that are asked for JSON and not held to it wrap it up.
            reply = replace(reply, texts=tuple(f"Here is my answer.\n```json\n{text}\n```" for text in reply.texts))
        return cut(reply, wanted.call.max_tokens)

    def _body(self, path: str, reply: RawReply, wanted: Wanted, fault: str) -> Mapping[str, Any]:
        tokens = self._prefixes.count("\n".join(message.content for message in wanted.call.messages))
        body = _BODIES[path](reply, wanted, self._model, tokens)
        if fault == "no_choices":
            key = "choices" if path in _GENERATES else "answers"
            body[key] = type(body[key])()
        if path not in _GENERATES and fault == "wrong_schema":
            return _WRONG
        return body | {"extra": "cheerful"} if fault == "extra_keys" else body

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server by hand until interrupted; return 0, or 2 with a one-line reason for bad input."""
    options = _parser().parse_args(arguments)
    try:
        faults = Faults.storm(options.storm, hang_seconds=options.hang) if options.storm else None
        server = ChaosServer(
            options.script,
            seed=options.seed,
            faults=faults,
            latency=options.latency,
            model=options.model,
            concurrency=options.concurrency,
            decision=options.decision,
            lone=options.lone,
            port=options.port,
        )
    except RecSimError as error:
        print(f"chaos: {error}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        print(server.base_url, flush=True)  # noqa: T201
        threading.Event().wait()
    except KeyboardInterrupt:
        server.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m recsim_llm.language.chaos",
        description="An OpenAI-compatible server on loopback that answers by a script, with faults if asked.",
        epilog="example:\n  python -m recsim_llm.language.chaos --port 8123 --script genres --storm --seed 1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on; 0: any free one (default)")
    parser.add_argument(
        "--script", default="genres", metavar="NAME", help="agent, genres, slot_bias, uniform or module:function"
    )
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="decides which requests are hit")
    parser.add_argument(
        "--storm", type=float, nargs="?", const=0.5, default=0.0, metavar="SHARE", help="share of requests with a fault"
    )
    parser.add_argument("--hang", type=float, default=30.0, metavar="SECONDS", help="how long a hang lasts")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    parser.add_argument("--model", default="chaos", metavar="NAME", help="name of the model")
    parser.add_argument("--concurrency", type=int, metavar="N", help="requests at once, others are refused")
    parser.add_argument("--lone", choices=["prefill", "grammar", "completions"], help="how one question can be asked alone")
    parser.add_argument("--decision", choices=["systemone", "decisions"], help="have a decision endpoint")
    return parser
