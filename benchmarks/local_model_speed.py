"""How many pages a local model decides in a second: ``python benchmarks/local_model_speed.py MODEL...``.

MODEL is a name as ``--model`` takes it, for instance ``transformers/PATH``; without one, a random model of about 8 million
parameters is made on the spot. Pages of 10 items are asked as a run asks them, all users' first, then all users' second: with
full prompts, all questions listed (``logprobs``), and with compact prompts, each question behind the page (``forced``). Every
measurement is a process of its own, which opens the model and answers one ask before the clock starts; its time until then is
printed too. The machine's own speed, products of matrices of 1,024 rows, stands above.

``--old`` measures an older commit too, or the checkout in a folder, in turns with this one, and prints how many times more
pages this one decides: the median of the pairs' ratios, and the least and the greatest. Code from before ``forced`` is asked
``logprobs`` only.

Figures are wall-clock time on as many cores as are free; CPU seconds stand beside, and the load of the machine below.
"""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_CLI = "from recsim_llm.cli.main import main; raise SystemExit(main())"
WAYS = {"full": ("en", "logprobs"), "compact": ("en_compact", "forced")}


class Figures(NamedTuple):
    """What one process measured."""

    pages: int
    """Pages decided."""
    seconds: float
    """From the first of them asked to the last answered."""
    cpu_seconds: float
    """Of this process in that time."""
    tokens: int
    """Of all prompts."""
    cached: int
    """Of those, not read again."""
    first: float
    """Seconds from the process's start to its first answer: importing, loading, one page."""


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names as --model takes them")
    parser.add_argument("--old", help="commit, or folder of a checkout, to compare with")
    parser.add_argument("--users", type=int, default=20, help="users (20)")
    parser.add_argument("--pages", type=int, default=3, help="most pages a user (3)")
    parser.add_argument("--data", default="fictional", help="folder of a data set (the invented catalog)")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"], help="of transformers models")
    parser.add_argument("--prompts", nargs="+", choices=WAYS, default=[*WAYS], help="which to measure (both)")
    parser.add_argument("--repetitions", type=int, default=3, help="processes for each line (3)")
    parser.add_argument("--answer", nargs=2, metavar=("ASKS", "SETTINGS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        print(json.dumps(answer(Path(options.answer[0]), json.loads(options.answer[1]))))
        return
    head()
    with tempfile.TemporaryDirectory() as name, old_code(options.old, Path(name)) as old:
        folder = Path(name)
        asks = {way: record(folder / way, way, options) for way in options.prompts}
        for model in options.models or [f"transformers/{make_random_model(folder)}"]:
            compare(model, asks, old, options)
    print(f"\nload of the machine in the last minute and quarter of an hour: {load()}")


def head() -> None:
    """Print what is measured where, and how fast the machine multiplies."""
    import torch
    import transformers
    from env_speed import processor

    import recsim_llm

    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, {versions}, {processor()}")
    print(f"{os.cpu_count()} cores; load of the machine: {load()}")
    for kind in (torch.float32, torch.bfloat16):
        speeds = [f"{matrix_speed(kind, threads):,.0f} with {threads}" for threads in (1, 2)]
        print(f"GFLOP/s of {str(kind).partition('.')[2]} products by number of threads: {', '.join(speeds)}")
    print(f"\n{'model':<20} {'':<9} {'prompts':<8} {'pages/s':>8} {'CPU-s/page':>11} {'tokens/page':>12} ", end="")
    print(f"{'read again':>11} {'tokens/s':>9} {'first answer':>13}")


def matrix_speed(kind: Any, threads: int) -> float:
    """Return the most billions of operations a second in products of square matrices."""
    import torch

    torch.set_num_threads(threads)
    size, times = 1024, []
    one, other = (torch.randn(size, size).to(kind) for _ in range(2))
    for _ in range(20):
        started = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - started)
    return 2 * size**3 / min(times) / 1e9


def record(folder: Path, way: str, options: argparse.Namespace) -> Path:
    """Return a file with what a run of the scripted model asks, page after page of all users."""
    from recsim_llm.language.calls.calls_file import open_calls

    templates, elicitation = WAYS[way]
    command = [sys.executable, "-c", _CLI, "run", "demo", "--users", "language", "--model", "scripted/genres"]
    command += ["--data", options.data, "--n-users", str(options.users), "--pages", str(options.pages), "--slate-size", "10"]
    command += ["--recommenders", "popularity", "--seed", "7", "--quiet", "--out", str(folder)]
    command += ["--set", f"users.parameters.templates={templates}", "--set", f"models.user.realisation={elicitation}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    calls = open_calls(folder)
    texts = {key: (name, text) for key, name, text in calls.execute("SELECT hash, name, text FROM parts")}
    rows = calls.execute("SELECT parts, questions, nonce FROM calls WHERE cache_hit = 0 ORDER BY id").fetchall()
    calls.close()
    waves: dict[str, list[Any]] = {}
    for parts, questions, nonce in rows:
        page = nonce.rpartition(" ")[2]
        waves.setdefault(page, []).append([[texts[key] for key in json.loads(parts)], json.loads(texts[questions][1])])
    file = folder / "asks.json"
    file.write_text(json.dumps([waves[page] for page in sorted(waves)]))
    return file


def answer(file: Path, settings: dict[str, Any]) -> Figures:
    """Answer the asks of a file; runs in a process of its own, maybe with older code."""
    from recsim_llm.language import Ask, Part, Prompt, Question, open_model

    fields = len(Question._fields)

    def make_ask(parts: list[list[str]], questions: list[list[Any]]) -> Ask:
        # Older questions have fewer fields.
        asked = (Question(*one[:3], tuple(one[3]), *one[4:fields]) for one in questions)
        return Ask(Prompt(tuple(Part(*part) for part in parts)), tuple(asked))

    waves = [[make_ask(*ask) for ask in wave] for wave in json.loads(file.read_text())]
    with open_model(**settings) as model:
        # A page that is none of those measured, so that nothing of it but the rules is known to them.
        model.ask([Ask(Prompt((waves[0][0].prompt.parts[0], Part("page", "Nothing."))), waves[0][0].questions)])
        first = time.clock_gettime(time.CLOCK_MONOTONIC) - process_start()
        before = model.meter()
        started, cpu = time.perf_counter(), time.process_time()
        for wave in waves:
            model.ask(wave)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        after = model.meter()
    tokens, cached = after.prompt_tokens - before.prompt_tokens, after.cached_tokens - before.cached_tokens
    return Figures(sum(map(len, waves)), seconds, cpu, tokens, cached, first)


def compare(model: str, asks: dict[str, Path], old: Path | None, options: argparse.Namespace) -> None:
    """Print the lines of one model."""
    local = model.startswith("transformers/")
    codes = dict.fromkeys(options.precisions, ROOT) if local else {"": ROOT}
    if old is not None and local:
        codes = {"old code": old, **codes}
    for way, file in asks.items():
        measured: dict[str, list[Figures]] = {kind: [] for kind in codes}
        for _ in range(options.repetitions):
            for kind, code in codes.items():
                settings = {"name": model, "realisation": "logprobs" if kind == "old code" else WAYS[way][1]}
                if local and kind != "old code":
                    settings["precision"] = kind
                measured[kind].append(measure(file, settings, code))
        for kind, figures in measured.items():
            line(Path(model).name, kind, way, figures)
            if "old code" in measured and kind != "old code":
                print_ratio(measured["old code"], figures)


def print_ratio(before: Sequence[Figures], now: Sequence[Figures]) -> None:
    """Print how many times faster the new code is."""
    pairs = list(zip(before, now, strict=True))
    ratios = sorted(old.seconds / new.seconds for old, new in pairs)
    cpu = statistics.median(old.cpu_seconds / new.cpu_seconds for old, new in pairs)
    print(f"{'':<40}{statistics.median(ratios):.1f} times as many pages/s [{ratios[0]:.1f}, {ratios[-1]:.1f}], ", end="")
    print(f"{cpu:.1f} times less CPU time a page", flush=True)


def measure(file: Path, settings: dict[str, Any], code: Path) -> Figures:
    """Return what a process with this code measures."""
    command = [sys.executable, __file__, "--answer", str(file), json.dumps(settings)]
    environment = {**os.environ, "PYTHONPATH": str(code), "PROCESS_START": str(time.clock_gettime(time.CLOCK_MONOTONIC))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{code}: got no figures, expected some of {settings['name']}: {done.stderr.strip().splitlines()[-1:]}")
    return Figures(*json.loads(done.stdout))


def process_start() -> float:
    """Return when the parent started this process."""
    return float(os.environ["PROCESS_START"])


def line(model: str, kind: str, way: str, measured: Sequence[Figures]) -> None:
    """Print medians."""
    pages = measured[0].pages
    rate = statistics.median(one.pages / one.seconds for one in measured)
    cpu = statistics.median(one.cpu_seconds / one.pages for one in measured)
    read = statistics.median((one.tokens - one.cached) / one.seconds for one in measured)
    again = statistics.median(1 - one.cached / one.tokens for one in measured)
    first = statistics.median(one.first for one in measured)
    print(f"{model:<20} {kind:<9} {way:<8} {rate:>8.2f} {cpu:>11.2f} {measured[0].tokens / pages:>12.0f} ", end="")
    print(f"{again:>11.0%} {read:>9.0f} {first:>11.1f} s", flush=True)


@contextmanager
def old_code(named: str | None, folder: Path) -> Iterator[Path | None]:
    """Check a commit out for the while."""
    if named is None or Path(named).is_dir():
        yield Path(named).resolve() if named else None
        return
    checkout = folder / "old"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--detach", str(checkout), named], check=True, capture_output=True)
    try:
        yield checkout
    finally:
        subprocess.run([*git, "remove", "--force", str(checkout)], check=True, capture_output=True)


def make_random_model(folder: Path) -> Path:
    """Return the folder of a random model."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from tiny_language_model import make_tiny_model

    return make_tiny_model(folder / "random", 1, hidden=320, layers=8, spread=0.1, words=4000)


def load() -> str:
    """Return how many processes wanted a core."""
    last_minute, _, quarter = os.getloadavg()
    return f"{last_minute:.1f} and {quarter:.1f}"


if __name__ == "__main__":
    main()
