"""A model from scratch as the one file that llama.cpp reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.tuning.greedy_tokenizer import BEGIN, END, PADDING, token_bytes

__all__ = ["write_gguf"]

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
_WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}


def write_gguf(folder: Path, target: Path, name: str) -> None:
    """Write a model of ``tiny_model`` as GGUF: architecture ``llama``, tokenizer ``rwkv``, 32-bit floats.

    Args:
        folder: with ``config.json``, ``model.safetensors``, ``tokenizer.json`` and ``chat_template.jinja``.
        target: file to write.
        name: of the model, for people.
    """
    from gguf import GGUFWriter, TokenType
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = GGUFWriter(target, "llama")
    writer.add_name(name)
    _add_shape(writer, config)
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    texts = sorted(vocabulary, key=vocabulary.__getitem__)
    control = {PADDING, BEGIN, END}
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list([text if text in control else _escaped(token_bytes(text)) for text in texts])
    writer.add_token_types([TokenType.CONTROL if text in control else TokenType.NORMAL for text in texts])
    writer.add_bos_token_id(vocabulary[BEGIN])
    writer.add_eos_token_id(vocabulary[END])
    writer.add_pad_token_id(vocabulary[PADDING])
    writer.add_unk_token_id(vocabulary[PADDING])
    writer.add_add_bos_token(False)
    writer.add_chat_template((folder / "chat_template.jinja").read_text(encoding="utf-8"))
    for key, weight in sorted(load_file(folder / "model.safetensors").items()):
        writer.add_tensor(_tensor_name(key), _laid_out(key, weight.astype(np.float32), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(float((config.get("rope_parameters") or config)["rope_theta"]))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _laid_out(key: str, weight: npt.NDArray[np.float32], config: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Return a weight as llama.cpp wants it: the rotary halves of each head interleaved."""
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    count = next((count for part, count in heads.items() if part in key), None)
    if count is None:
        return weight
    turned = weight.reshape(count, 2, len(weight) // count // 2, -1).swapaxes(1, 2).reshape(weight.shape)
    return np.ascontiguousarray(turned)


def _tensor_name(key: str) -> str:
    stem = key.removesuffix(".weight")
    if stem in _WHOLE:
        return f"{_WHOLE[stem]}.weight"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{_PARTS[part]}.weight"


def _escaped(text: bytes) -> str:
    """Return bytes as llama.cpp's ``rwkv`` vocabulary spells them."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != ord("\\") else f"\\x{byte:02x}" for byte in text)
