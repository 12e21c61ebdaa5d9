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
    "index_topk": 64,  # longer than the texts: of fewer, rounding decides which are looked at
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
_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
MORE: Mapping[str, Mapping[str, Any]] = {
    "cohere_compass_text": {
        "layer_types": ALTERNATING,
        "rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE},
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 32, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    # In float64 it is right to 4e-8: with weights as large as the others' it magnifies rounding.
    "gemma4_unified_text": {"initializer_range": 0.02},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2, "num_dense_layers": 1},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 64,
        "indexer_compress_ratio": 4,
    },
    "reformer": {
        "is_decoder": True,
        "attn_layers": ["local", "lsh"] * 2,
        "axial_pos_shape": [8, 16],
        "axial_pos_embds_dim": [16, 16],
        "local_attn_chunk_length": 16,
        "lsh_attn_chunk_length": 16,
    },
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "n_mamba_heads": 2,
    },
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 16},
}


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
    return AutoConfig.for_model(name, **_sizes(plain))


def _sizes(plain: Any) -> dict[str, Any]:
    """Return the sizes that a config has, its parts' (the text's, the picture's) included."""
    there = plain.to_dict()
    sizes = {key: value for key, value in SIZES.items() if key in {*there, *plain.attribute_map}}
    for key in ("layer_types", "mlp_layer_types"):
        if isinstance(there.get(key), list) and there[key]:
            kinds = list(dict.fromkeys(there[key]))
            sizes[key] = [kinds[i % len(kinds)] for i in range(LAYERS)]
    if "kv_lora_rank" in sizes and "num_key_value_heads" in sizes:
        sizes["num_key_value_heads"] = 4  # latent attention has a key for every head
    for key in plain.sub_configs:
        part = getattr(plain, key, None)
        if part is not None and hasattr(part, "to_dict"):
            known = known_options(part.model_type)
            sizes[key] = dict(known) if known is not None else _sizes(part)
    return {**sizes, **MORE.get(plain.model_type, {})}


__all__ = ["tiny_config"]
