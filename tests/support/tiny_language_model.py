"""A random Llama with its own tokenizer, made in about a second: real files, real forward passes, no meaning."""

from __future__ import annotations

from pathlib import Path

SPECIAL = ("<|pad|>", "<|begin|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
TEMPLATE = (
    "{{ '<|begin|>' }}{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
LABELS = ("yes", "no", "Yes", "No", *"123456789", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SENTENCES = (
    "You love Comedy, Drama and Crime. You also like War. You seldom choose Horror or Western.",
    '<page>\n1. "Title" (1999) | Comedy, Drama | two friends meet again\n2. "Other" (2004) | Horror\n</page>',
    "- click_1 (yes or no): Would you click on item 1?\n- stars_1 (1 to 5): How many stars would you give item 1?",
    "- satisfaction (1 to 5): How satisfied are you?\n- leave (yes or no): Would you leave now?",
    "Answer every question on its own line: KEY: ANSWER. You browse a page of recommendations and answer for yourself.",
    '{"click_1":37,"stars_1":[5,10,20,40,25],"satisfaction":[0,0,10,60,30],"leave":12}',
)


def make_tiny_model(
    folder: Path, seed: int, *, hidden: int = 64, layers: int = 2, context: int = 4096, spread: float = 0.3, words: int = 800
) -> Path:
    """Save a model and its tokenizer under ``folder`` and return the folder.

    ``yes``, ``no``, digits and letters are one token each, alone and after a space; any byte can be written. ``spread`` is
    the standard deviation of the weights, large enough that answers differ between prompts; one seed is one model.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(words)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=spread * 8 / hidden**0.5,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(words: int = 800):
    """Return a byte-level tokenizer of about ``words`` tokens with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = [f"{label}\nkey: {label}" for label in LABELS for _ in range(100)]
    tokenizer.train_from_iterator([*lines, *SENTENCES, *SENTENCES], trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=SPECIAL[0], bos_token=SPECIAL[1], eos_token=SPECIAL[-1]
    )
    wrapped.add_special_tokens({"additional_special_tokens": list(SPECIAL[2:-1])})
    wrapped.chat_template = TEMPLATE
    return wrapped
