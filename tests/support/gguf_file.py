"""A tiny Llama as the one file that llama.cpp reads: GGUF, version 3, every weight a 32-bit float."""

from __future__ import annotations

import json
import struct
from pathlib import Path

_ALIGNMENT = 32
_WHOLE, _INTEGER, _REAL, _YES_NO, _TEXT, _LIST = 4, 5, 6, 7, 8, 9
_NORMAL, _CONTROL = 1, 3
_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_WHOLE_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write_gguf(folder: Path, target: Path) -> Path:
    """Write what ``make_tiny_model`` saved under ``folder`` into the file ``target`` and return it."""
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    weights = {name: _laid_out(name, weight, config) for name, weight in load_file(folder / "model.safetensors").items()}
    infos, data = b"", b""
    for name, weight in sorted(weights.items()):
        shape = weight.shape[::-1]
        infos += _text(_tensor_name(name)) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += _padded(weight.astype("<f4").tobytes())
    values = _model_values(config) + _tokenizer_values(folder)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(values)) + b"".join(values) + infos
    target.write_bytes(_padded(head) + data)
    return target


def _model_values(config):
    heads = config["num_attention_heads"]
    whole = {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": heads,
        "attention.head_count_kv": config["num_key_value_heads"],
        "rope.dimension_count": config["hidden_size"] // heads,
        "vocab_size": config["vocab_size"],
    }
    rope = config.get("rope_parameters") or config
    real = {"attention.layer_norm_rms_epsilon": config["rms_norm_eps"], "rope.freq_base": rope["rope_theta"]}
    return [
        _value("general.architecture", _TEXT, "llama"),
        *(_value(f"llama.{name}", _WHOLE, value) for name, value in whole.items()),
        *(_value(f"llama.{name}", _REAL, value) for name, value in real.items()),
    ]


def _tokenizer_values(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    numbers = {**tokenizer["model"]["vocab"], **added}
    tokens = sorted(numbers, key=numbers.get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    return [
        _value("tokenizer.ggml.model", _TEXT, "gpt2"),
        _value("tokenizer.ggml.pre", _TEXT, "gpt-2"),
        _listing("tokenizer.ggml.tokens", _TEXT, tokens),
        _listing("tokenizer.ggml.token_type", _INTEGER, [_CONTROL if token in added else _NORMAL for token in tokens]),
        _listing("tokenizer.ggml.merges", _TEXT, merges),
        _value("tokenizer.ggml.bos_token_id", _WHOLE, numbers["<|begin|>"]),
        _value("tokenizer.ggml.eos_token_id", _WHOLE, numbers["<|end|>"]),
        _value("tokenizer.ggml.padding_token_id", _WHOLE, numbers["<|pad|>"]),
        _value("tokenizer.ggml.add_bos_token", _YES_NO, False),
        _value("tokenizer.chat_template", _TEXT, (folder / "chat_template.jinja").read_text(encoding="utf-8")),
    ]


def _laid_out(name, weight, config):
    """Return a weight as llama.cpp wants it: rotary halves of each head interleaved."""
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    count = next((count for part, count in heads.items() if part in name), None)
    if count is None:
        return weight
    return weight.reshape(count, 2, len(weight) // count // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _tensor_name(name):
    stem = name.removesuffix(".weight")
    if stem in _WHOLE_NAMES:
        return f"{_WHOLE_NAMES[stem]}.weight"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{_PARTS[part]}.weight"


def _value(key, kind, value):
    return _text(key) + struct.pack("<I", kind) + _packed(kind, value)


def _listing(key, kind, values):
    return _text(key) + struct.pack("<IIQ", _LIST, kind, len(values)) + b"".join(_packed(kind, value) for value in values)


def _packed(kind, value):
    return (
        _text(value) if kind == _TEXT else struct.pack({_WHOLE: "<I", _INTEGER: "<i", _REAL: "<f", _YES_NO: "<?"}[kind], value)
    )


def _text(text):
    encoded = text.encode("utf-8")
    return struct.pack("<Q", len(encoded)) + encoded


def _padded(data):
    return data + bytes(-len(data) % _ALIGNMENT)
