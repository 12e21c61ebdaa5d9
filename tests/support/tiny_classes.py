"""A tiny random config for any class that transformers has for causal language models.

What a config calls its sizes differs, and each size is set where a config has it; some classes want
more (:data:`MORE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.tiny_configs import ALTERNATING, LAYERS, READ, REFUSED, VOCABULARY, WIDTH

SIZES: Mapping[str, Any] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCABULARY),
    **dict.fromkeys(("decoder_vocab_size", "audio_vocab_size"), VOCABULARY),
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "emb_dim", "embedding_dim"), WIDTH),
    **dict.fromkeys(("word_embed_proj_dim", "lru_width", "attention_hidden_size"), WIDTH),
    **dict.fromkeys(("embedding_size", "input_embedding_size", "output_embedding_size"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("decoder_layers", "encoder_layers", "num_decoder_layers"), LAYERS),
    **dict.fromkeys(("num_encoder_layers", "num_blocks", "max_window_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads", "attention_heads"), 4),
    **dict.fromkeys(("num_encoder_attention_heads", "num_decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "num_query_groups"), 2),
    **dict.fromkeys(("head_dim", "global_head_dim", "d_head", "kv_channels", "dim_head"), 8),
    **dict.fromkeys(("swa_head_dim", "attention_head_size", "attention_head_dim"), 8),
    **dict.fromkeys(("swa_num_attention_heads",), 4),
    **dict.fromkeys(("swa_num_key_value_heads",), 2),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "decoder_ffn_dim", "encoder_ffn_dim"), 64),
    **dict.fromkeys(("ffn_hidden_size", "d_inner", "dim_ff", "dff", "n_inner"), 64),
    **dict.fromkeys(("intermediate_size_mlp", "dense_intermediate_size", "feed_forward_size"), 64),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("shared_intermediate_size", "expert_ffn_hidden_size"), 32),
    **dict.fromkeys(("moe_shared_expert_intermediate_size",), 32),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_num_experts",), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token"), 2),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8),
    "qk_head_dim": 16,
    **dict.fromkeys(("index_head_dim",), 16),
    **dict.fromkeys(("index_n_heads",), 2),
    **dict.fromkeys(("index_topk",), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 128),
    **dict.fromkeys(("model_max_length", "context_length", "max_target_positions"), 128),
    **dict.fromkeys(("sliding_window", "window_size", "attention_window_size"), 16),
    **dict.fromkeys(("sliding_window_size", "attention_chunk_size"), 16),
    **dict.fromkeys(("linear_num_value_heads",), 4),
    **dict.fromkeys(("linear_num_key_heads",), 2),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"), 8),
    **dict.fromkeys(("linear_num_heads",), 4),
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_headdim", "mamba_head_dim"), 8),
    **dict.fromkeys(("mamba_n_heads", "n_mamba_heads", "mamba_num_heads"), 8),
    **dict.fromkeys(("mamba_n_groups", "n_groups", "mamba_ngroups"), 1),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size"), 16),
    **dict.fromkeys(("mamba_d_ssm",), 64),
    **dict.fromkeys(("mamba_dt_rank", "time_step_rank"), 4),
    **dict.fromkeys(("hidden_size_per_layer_input", "laurel_rank", "rotary_dim"), 8),
    **dict.fromkeys(("use_mamba_kernels",), False),
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "initializer_range": 0.1,
    "init_std": 0.1,
}
"""Sizes by what configs call them."""
MORE: Mapping[str, Mapping[str, Any]] = {}


def known_options(name: str) -> Mapping[str, Any] | None:
    """Return the options of an architecture that the table of tests has, by transformers' name."""
    for kind, options, *_ in (*READ.values(), *REFUSED.values()):
        if kind == name:
            return options
    return None


def tiny_config(name: str) -> Any:
    """Return a tiny config of a class, by transformers' name of its type."""
    from transformers import AutoConfig

    if (options := known_options(name)) is not None:
        return AutoConfig.for_model(name, **options)
    plain = AutoConfig.for_model(name)
    there = {**plain.to_dict(), **dict.fromkeys(plain.attribute_map)}
    if plain.get_text_config() is not plain:
        there = plain.get_text_config().to_dict()
    sizes = {key: value for key, value in SIZES.items() if key in there and key in _fields(plain)}
    if isinstance(there.get("layer_types"), list):
        kinds = list(dict.fromkeys(there["layer_types"]))
        sizes["layer_types"] = [kinds[i % len(kinds)] for i in range(LAYERS)]
    if isinstance(there.get("mlp_layer_types"), list):
        kinds = list(dict.fromkeys(there["mlp_layer_types"]))
        sizes["mlp_layer_types"] = [kinds[i % len(kinds)] for i in range(LAYERS)]
    sizes |= MORE.get(name, {})
    return AutoConfig.for_model(name, **sizes)


def _fields(config: Any) -> set[str]:
    return {*config.to_dict(), *config.attribute_map}


__all__ = ["ALTERNATING", "known_options", "tiny_config"]
