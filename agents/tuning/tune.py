"""Tuning a language model to be these users: examples, training, the check on users kept apart, and the folder that is left.

A tuned model is a ``transformers`` model folder with two things more:

    config.json, model.safetensors, tokenizer.json, …   what ``transformers/FOLDER`` takes
    model.gguf              the same for llama.cpp; of a model from scratch
    tuning/card.json        data, settings, users kept apart, losses, and the check on the test users
    tuning/README.md        the same in words

While it is being made, everything is in ``FOLDER.tuning`` beside it; the folder appears when it is whole.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.tuning.tuned_card import CARD
from recsim_llm.agents.tuning.tuning_examples import Examples, ExampleSettings
from recsim_llm.agents.tuning.tuning_settings import CHECKPOINT, SCRATCH, TuningSettings
from recsim_llm.agents.tuning.tuning_split import TuningSplit, split_users, users_part
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, RecSimError
from recsim_llm.log.folders import refuse_used_folder
from recsim_llm.log.locks import lock_folder
from recsim_llm.statistics import Estimate

__all__ = ["PROMPT_TOKENS", "WORK", "tell_estimate", "tune"]

WORK = ".tuning"
"""End of the name of the folder in which a model is being made."""
PROMPT_TOKENS = 4000
"""Tokens, as estimated, of which a prompt is told as much of a user's history as a model learned from."""
_REQUEST, _START, _RESULT, _GGUF = "request.json", "start", "result", "model.gguf"
_PREFIX_BYTES = 1 << 20
_VOCABULARY, _VOCABULARY_EXAMPLES = 1 << 32, 400  # number and most of the examples whose turns become tokens


class _Job(NamedTuple):
    """What is tuned, on whom, and where it is made."""

    dataset: Dataset
    split: TuningSplit
    settings: TuningSettings
    work: Path


def tune(
    dataset: Dataset, settings: TuningSettings, out: Path, update: Callable[[Any], None] = lambda _: None
) -> dict[str, Any]:
    """Tune a model and return its card.

    The same call goes on after a kill, from the last checkpoint, and comes to the same weights on the same machine.

    Args:
        dataset: catalog and ratings.
        settings: what is wanted.
        out: folder of the tuned model; must be new.
        update: is told how far it is, a ``TuningState`` at a time.

    Raises:
        ConfigError: a package is missing, the model cannot be tuned, or other settings were begun with in this place.
        DataError: too few users or ratings.
        RunExistsError: the folder holds something.
    """
    _need_packages(settings)
    if settings.folder and not Path(settings.folder).is_dir():
        raise ConfigError(f"tune: got model folder {settings.folder}, which is not there, expected one that holds a model")
    refuse_used_folder(out, "tune")
    work = out.with_name(out.name + WORK)
    job = _Job(dataset, split_users(dataset, settings.seed), settings, work)
    with lock_folder(work, "tuning folder"):
        fresh = not (work / _REQUEST).is_file()
        _begin(job)
        try:
            card = _train(job, update)
        except RecSimError:
            # What cannot be begun shall not be in the way of what can; what was learned is kept.
            if fresh and not (work / CHECKPOINT).is_file():
                shutil.rmtree(work)
            raise
        card |= _check(job)
        result = work / _RESULT
        _write_card(result, card)
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.rmdir()
        result.rename(out)
        for path in work.iterdir():
            if path.name != ".lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(work, ignore_errors=True)
    return card


def _need_packages(settings: TuningSettings) -> None:
    needed = [
        "torch",
        "transformers",
        "safetensors",
        *(["gguf"] if settings.model == SCRATCH else []),
        *(["peft"] * bool(settings.lora)),
    ]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ConfigError(f"tune: got no package {missing[0]}, expected it to be installed; pip install {' '.join(missing)}")


def _begin(job: _Job) -> None:
    """Note what is made here, or see that it is the same as before."""
    words = Templates(job.settings.templates).fingerprint
    request: dict[str, Any] = {"settings": job.settings.plain(), "data": job.dataset.fingerprint, "templates": words}
    path = job.work / _REQUEST
    if not path.is_file():
        write_atomically(path, json.dumps(request, indent=1).encode())
        return
    begun = read_json(path)
    other = sorted(
        [name for name in request["settings"] if begun.get("settings", {}).get(name) != request["settings"][name]]
        + [name for name in ("data", "templates") if begun.get(name) != request[name]]
    )
    if other:
        raise ConfigError(
            f"tune: got {other[0]} other than what {job.work} was begun with, expected the same command, which goes on; "
            "remove that folder, or choose another --out"
        )


def _train(job: _Job, update: Callable[[Any], None]) -> dict[str, Any]:
    from recsim_llm.agents.tuning.packed_training import Packer
    from recsim_llm.agents.tuning.training_loop import TrainingLoop
    from recsim_llm.language.backends.local_model import LocalModel

    dataset, split, settings, work = job
    templates = Templates(settings.templates)
    drawn = ExampleSettings(rating_history=settings.rating_history)
    training, validation = (
        Examples(users_part(dataset, users), templates, drawn, seed=settings.seed)
        for users in (split.training, split.validation)
    )
    began = time.process_time()
    if settings.model == SCRATCH:
        _make_start(job, training)
    model = LocalModel(Path(settings.folder) if settings.folder else work / _START, settings.device, "float32", _PREFIX_BYTES)
    network, whole = _adapted(model.network, settings)
    loop = TrainingLoop(
        network, Packer(model), training, validation,
        settings=settings, folder=work, padding=_padding(model.tokenizer),
    )  # fmt: skip
    loop.run(update)
    _save(whole(), model.tokenizer, work / _RESULT, settings)
    return {
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint, "licence": dataset.licence},
        "settings": settings.plain(),
        "templates": templates.fingerprint,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "users": {name: users.tolist() for name, users in split._asdict().items()},
        "validation": [{"examples": done, "cross_entropy": loss} for done, loss in loop.losses],
        "processor_seconds": loop.seconds_before + time.process_time() - began,
    }


def _padding(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


def _make_start(job: _Job, training: Examples) -> None:
    """Write the untrained model, whole or not at all."""
    from transformers.utils import logging

    from recsim_llm.agents.tuning.tiny_model import new_network, new_tokenizer, tell_items

    logging.disable_progress_bar()
    dataset, split, settings, work = job
    if (work / _START).is_dir():
        return
    known = users_part(dataset, split.training)
    leads = tell_items(known.catalog, Templates(settings.templates))
    tokenizer = new_tokenizer(known.catalog, leads, training.draw(_VOCABULARY, min(_VOCABULARY_EXAMPLES, settings.examples)))
    network = new_network(tokenizer, leads, known, width=settings.width, layers=settings.layers, seed=settings.seed)
    torn = work / f"{_START}.part"
    shutil.rmtree(torn, ignore_errors=True)
    tokenizer.save_pretrained(torn)
    network.save_pretrained(torn)
    torn.rename(work / _START)


def _adapted(network: Any, settings: TuningSettings) -> tuple[Any, Callable[[], Any]]:
    """Return the network with what is to be trained, and what gives the whole network once it is trained."""
    if not settings.lora:
        return network, lambda: network
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora, lora_alpha=2 * settings.lora, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(network, config)
    return adapted.get_base_model(), adapted.merge_and_unload


def _save(network: Any, tokenizer: Any, result: Path, settings: TuningSettings) -> None:
    from recsim_llm.agents.tuning.gguf_file import write_gguf

    shutil.rmtree(result, ignore_errors=True)
    network.save_pretrained(result)
    tokenizer.save_pretrained(result)
    if settings.model == SCRATCH:
        write_gguf(result, result / _GGUF, "users")


def _check(job: _Job) -> dict[str, Any]:
    from recsim_llm.agents.tuning.taste_check import check_taste
    from recsim_llm.language.providers import open_model

    dataset, split, settings, work = job
    with open_model(f"transformers/{work / _RESULT}", realisation="forced", device=settings.device) as model:
        found = check_taste(
            model,
            dataset,
            split.test,
            templates=settings.templates,
            rating_history=settings.rating_history,
            seed=settings.seed,
        )
    return {"test": found}


def _write_card(result: Path, card: dict[str, Any]) -> None:
    path = result / CARD
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(card, indent=1).encode())
    write_atomically(path.with_name("README.md"), _in_words(card).encode())


def _in_words(card: dict[str, Any]) -> str:
    settings, data = card["settings"], card["data"]
    lines = [
        f"# Users of {data['name']}",
        "",
        f"A language model of {card['parameters']:,} parameters ({settings['model']}), trained on {settings['examples']:,} "
        f"pages put to {len(card['users']['training'])} users of `{data['name']}` ({data['fingerprint'][:12]}).",
        "",
        f"Ask it with `users.parameters.templates={settings['templates']}` , "
        f"`users.parameters.rating_history={settings['rating_history']}` and `users.parameters.prompt_tokens={PROMPT_TOKENS}`.",
        "",
        f"Licence of the data: {data['licence'] or 'not known'}. Weights that were trained on data come under what its licence "
        "says of what is made from it: keep them to yourself where it forbids to pass the data on.",
        "",
        f"On {card['test']['users']} users whom it never met, 10 items taken against 10 others, 95% intervals over users:",
        "",
        "| negatives | measure | " + " | ".join(["tuned", "popularity", "item-kNN", "ALS"]) + " |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, measures in card["test"].items():
        if kind != "users":
            for name, rows in measures.items():
                lines.append(f"| {kind} | {name} | " + " | ".join(tell_estimate(row) for row in rows.values()) + " |")
    return "\n".join(lines) + "\n"


def tell_estimate(estimate: dict[str, Any]) -> str:
    """Return a value of a card as text, with its interval where it has one."""
    return Estimate(**estimate).text(3)
