"""Tiny random models of many architectures, made in memory: 4 blocks, hidden size 32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

VOCABULARY = 96
_SPECIAL = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
_BASE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "initializer_range": 0.1,
    **_SPECIAL,
}
_GQA = {"num_key_value_heads": 2, "head_dim": 8}
_GPT = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 4,
    "n_head": 4,
    "n_positions": 128,
    "initializer_range": 0.1,
    **_SPECIAL,
}
_FEW = {k: v for k, v in _BASE.items() if k not in ("intermediate_size", "max_position_embeddings")}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
_DELTA = {
    "linear_num_value_heads": 2,
    "linear_num_key_heads": 1,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
_PER_LAYER = {
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 1,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "sliding_window": 16,
}

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "llama": _BASE | _GQA,
    "mistral": _BASE | _GQA | {"sliding_window": 16},
    "qwen2": _BASE | {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen3": _BASE | _GQA,
    "gemma2": _BASE | _GQA | {"sliding_window": 16},
    "gemma3_text": _BASE | _GQA | {"sliding_window": 16},
    "phi": _BASE,
    "phi3": _BASE | {"num_key_value_heads": 2},
    "gpt2": _GPT,
    "gptj": _GPT | {"rotary_dim": 4, "n_inner": 64},
    "gpt_neox": _BASE,
    "gpt_neo": {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_layers": 4,
        "num_heads": 4,
        "intermediate_size": 64,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 16,
        "max_position_embeddings": 128,
        "initializer_range": 0.1,
        **_SPECIAL,
    },
    "gpt_bigcode": _GPT,
    "codegen": _GPT | {"rotary_dim": 4},
    "opt": _FEW | {"ffn_dim": 64, "max_position_embeddings": 128, "word_embed_proj_dim": 32,
                   "init_std": 0.1},
    "bloom": {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 4, "n_head": 4,
              "initializer_range": 0.1, **_SPECIAL},
    "mpt": {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 4, "n_heads": 4,
            "max_seq_len": 128, "initializer_range": 0.1, **_SPECIAL},
    "falcon": _FEW,
    "olmo": _BASE,
    "olmo2": _BASE,
    "stablelm": _BASE | {"num_key_value_heads": 4},
    "granite": _BASE,
    "smollm3": _BASE | {"num_key_value_heads": 2},
    "cohere": _BASE,
    "cohere2": _BASE | {"num_key_value_heads": 2},
    "bitnet": _BASE | {"num_key_value_heads": 4},
    "xglm": {"vocab_size": VOCABULARY, "d_model": 32, "num_layers": 4, "attention_heads": 4,
             "ffn_dim": 64, "max_position_embeddings": 128, "init_std": 0.1, **_SPECIAL},
    "mixtral": _BASE | _GQA | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": _BASE | _GQA | _EXPERTS | {"moe_intermediate_size": 32},
    "gpt_oss": _BASE | _GQA | {"num_local_experts": 4, "num_experts_per_tok": 2,
                               "sliding_window": 16},
    "granitemoe": _BASE | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_next": _BASE | _GQA | _EXPERTS | _DELTA
    | {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
       "layer_types": ["linear_attention", "full_attention"] * 2},
    "qwen3_5_text": _BASE | _GQA | _DELTA
    | {"layer_types": ["linear_attention", "full_attention"] * 2},
    "lfm2": _BASE | {"num_key_value_heads": 2, "layer_types": ["conv", "full_attention"] * 2},
    "jamba": _BASE | _EXPERTS | {
        "num_key_value_heads": 2, "use_mamba_kernels": False, "mamba_d_state": 4,
        "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2,
        "expert_layer_offset": 1},
    "mamba": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 4, "state_size": 4,
              "initializer_range": 0.1, **_SPECIAL},
    "mamba2": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 4,
               "state_size": 8, "num_heads": 4, "head_dim": 16, "n_groups": 1, "expand": 2,
               "chunk_size": 16, **_SPECIAL},
    "zamba2": _BASE | {
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"], "num_mem_blocks": 1,
        "mamba_d_state": 8, "mamba_headdim": 16, "n_mamba_heads": 4, "use_mamba_kernels": False,
        "chunk_size": 16},
    "recurrent_gemma": _BASE | {"lru_width": 32, "attention_window_size": 16},
    "gemma3n_text": _BASE | _GQA | _PER_LAYER | {
        "laurel_rank": 4, "activation_sparsity_pattern": [0.0] * 4},
    "gemma4_text": _BASE | _GQA | _PER_LAYER | {"global_head_dim": 8},
    "rwkv": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 4,
             "context_length": 128, **_SPECIAL},
}  # fmt: skip
"""For each architecture, by transformers' name, the numbers of a tiny model."""


def tiny(name: str, seed: int = 0) -> nn.Module:
    """Make a tiny model whose parameters are all random, those that are drawn as 0 or 1 too."""
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = AutoConfig.for_model(name, **CONFIGS[name])
        model: nn.Module = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
        for parameter in model.parameters():
            if not bool(parameter.ne(parameter.flatten()[0]).any()):
                parameter.add_(0.3 * torch.rand_like(parameter))
    return model
