"""Tiny random models of many architectures: what their configs are called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VOCABULARY, WIDTH, LAYERS = 96, 32, 4
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
BASE: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "initializer_range": 0.1,
    **SPECIAL,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": WIDTH,
    "n_layer": LAYERS,
    "n_head": 4,
    "n_positions": 128,
    "initializer_range": 0.1,
    **SPECIAL,
}
SMALL = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, **SPECIAL}
MAMBA2 = {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 16}
ALTERNATING = ["sliding_attention", "full_attention"] * (LAYERS // 2)
PER_LAYER = {
    **BASE,
    **GROUPED,
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 8,
    "sliding_window": 16,
    "num_kv_shared_layers": 0,
    "layer_types": ALTERNATING,
}
OPT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "ffn_dim": 64,
    "max_position_embeddings": 128,
    "word_embed_proj_dim": WIDTH,
    "init_std": 0.1,
    **SPECIAL,
}

READ: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Llama": ("llama", {**BASE, **GROUPED}),
    "Mistral": ("mistral", {**BASE, **GROUPED, "sliding_window": 16}),
    "Ministral": ("ministral", {**BASE, **GROUPED}),
    "Qwen2": ("qwen2", {**BASE, "num_key_value_heads": 2, "tie_word_embeddings": True}),
    "Qwen3": ("qwen3", {**BASE, **GROUPED}),
    "Gemma": ("gemma", {**BASE, **GROUPED}),
    "Gemma 2": ("gemma2", {**BASE, **GROUPED, "sliding_window": 16}),
    "Gemma 3": ("gemma3_text", {**BASE, **GROUPED, "sliding_window": 16}),
    "Gemma 4": ("gemma4_text", {**PER_LAYER, "global_head_dim": 8}),
    "Phi": ("phi", BASE),
    "Phi-3": ("phi3", {**BASE, "num_key_value_heads": 2}),
    "GPT-2": ("gpt2", GPT2),
    "OpenAI GPT": ("openai-gpt", GPT2),
    "GPT-BigCode": ("gpt_bigcode", GPT2),
    "CodeGen": ("codegen", {**GPT2, "rotary_dim": 8}),
    "GPT-J": ("gptj", {**GPT2, "rotary_dim": 8}),
    "GPT-Neo": (
        "gpt_neo",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": WIDTH,
            "num_layers": LAYERS,
            "num_heads": 4,
            "intermediate_size": 64,
            "attention_types": [[["global", "local"], LAYERS // 2]],
            "window_size": 16,
            "max_position_embeddings": 128,
            **SPECIAL,
        },
    ),
    "GPT-NeoX": ("gpt_neox", BASE),
    "OPT": ("opt", OPT),
    "OPT-350M": ("opt", {**OPT, "word_embed_proj_dim": 16, "do_layer_norm_before": False}),
    "XGLM": (
        "xglm",
        {
            "vocab_size": VOCABULARY,
            "d_model": WIDTH,
            "num_layers": LAYERS,
            "attention_heads": 4,
            "ffn_dim": 64,
            "max_position_embeddings": 128,
            **SPECIAL,
        },
    ),
    "BioGPT": ("biogpt", BASE),
    "Falcon": ("falcon", {**SMALL, "num_attention_heads": 4, "initializer_range": 0.1}),
    "Falcon, ALiBi": (
        "falcon",
        {
            **SMALL,
            "num_attention_heads": 4,
            "alibi": True,
            "parallel_attn": False,
            "multi_query": False,
            "bias": True,
        },
    ),
    "BLOOM": (
        "bloom",
        {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 4, **SPECIAL},
    ),
    "MPT": (
        "mpt",
        {
            "vocab_size": VOCABULARY,
            "d_model": WIDTH,
            "n_layers": LAYERS,
            "n_heads": 4,
            "max_seq_len": 128,
            **SPECIAL,
        },
    ),
    "OLMo": ("olmo", BASE),
    "OLMo 2": ("olmo2", BASE),
    "OLMo 3": ("olmo3", {**BASE, "sliding_window": 16}),
    "StableLM": ("stablelm", {**BASE, "num_key_value_heads": 4}),
    "StarCoder2": ("starcoder2", {**BASE, "num_key_value_heads": 2}),
    "Granite": ("granite", BASE),
    "SmolLM3": ("smollm3", {**BASE, "num_key_value_heads": 2}),
    "Cohere": ("cohere", BASE),
    "Cohere 2": ("cohere2", {**BASE, "num_key_value_heads": 2, "sliding_window": 16}),
    "Nemotron": ("nemotron", {**BASE, **GROUPED}),
    "Persimmon": ("persimmon", BASE),
    "GLM-4": ("glm4", {**BASE, **GROUPED}),
    "EXAONE 4": ("exaone4", {**BASE, "num_key_value_heads": 2, "sliding_window": 16}),
    "ERNIE 4.5": ("ernie4_5", {**BASE, **GROUPED}),
    "Seed-OSS": ("seed_oss", {**BASE, **GROUPED}),
    "Helium": ("helium", {**BASE, **GROUPED}),
    "BitNet": ("bitnet", {**BASE, "num_key_value_heads": 2}),
    "Mixtral": ("mixtral", {**BASE, **GROUPED, **EXPERTS}),
    "Qwen2-MoE": (
        "qwen2_moe",
        {
            **BASE,
            "num_key_value_heads": 2,
            "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
    ),
    "Qwen3-MoE": (
        "qwen3_moe",
        {
            **BASE,
            **GROUPED,
            "moe_intermediate_size": 32,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "mlp_only_layers": [],
        },
    ),
    "OLMoE": ("olmoe", {**BASE, "num_experts": 4, "num_experts_per_tok": 2}),
    "GraniteMoE": ("granitemoe", {**BASE, **EXPERTS}),
    "gpt-oss": (
        "gpt_oss",
        {**BASE, **GROUPED, **EXPERTS, "sliding_window": 16, "layer_types": ALTERNATING},
    ),
    "Mamba": ("mamba", {**SMALL, "state_size": 8}),
    "Falcon Mamba": ("falcon_mamba", {**SMALL, "state_size": 8}),
    "Mamba-2": ("mamba2", {**SMALL, **MAMBA2, "expand": 2}),
    "RWKV": ("rwkv", {**SMALL, "context_length": 128}),
    "Jamba": (
        "jamba",
        {
            **BASE,
            "num_key_value_heads": 2,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "use_mamba_kernels": False,
            "mamba_d_state": 8,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
        },
    ),
    "Zamba2": (
        "zamba2",
        {
            **BASE,
            "layers_block_type": ["mamba", "hybrid"] * (LAYERS // 2),
            "num_mem_blocks": 1,
            "mamba_d_state": 8,
            "mamba_headdim": 8,
            "n_mamba_heads": 8,
            "use_mamba_kernels": False,
            "chunk_size": 16,
        },
    ),
    "RecurrentGemma": (
        "recurrent_gemma",
        {**BASE, "lru_width": WIDTH, "attention_window_size": 16},
    ),
    "LFM2": (
        "lfm2",
        {**BASE, "num_key_value_heads": 2, "layer_types": ["conv", "full_attention"] * 2},
    ),
    "Qwen3-Next": (
        "qwen3_next",
        {
            **BASE,
            **GROUPED,
            **LINEAR,
            "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
    ),
    "NanoChat": ("nanochat", {**BASE, "num_key_value_heads": 2}),
    "CTRL": ("ctrl", {**GPT2, "dff": 64}),
    "DeepSeek-V3": (
        "deepseek_v3",
        {
            **BASE,
            "num_key_value_heads": 4,
            **dict.fromkeys(("kv_lora_rank", "q_lora_rank"), 16),
            **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8),
            **dict.fromkeys(("n_group", "topk_group"), 1),
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "first_k_dense_replace": 1,
        },
    ),
    "Whisper's decoder": (
        "whisper",
        {
            "vocab_size": VOCABULARY,
            "d_model": WIDTH,
            **dict.fromkeys(("decoder_layers", "encoder_layers"), LAYERS),
            **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 4),
            **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim"), 64),
            "max_target_positions": 128,
            **SPECIAL,
        },
    ),
    "xLSTM": ("xlstm", {**SMALL, "num_blocks": LAYERS, "num_heads": 4, "embedding_dim": WIDTH}),
    "RoBERTa as a decoder": ("roberta", {**BASE, "is_decoder": True}),
    "RoCBert as a decoder": (
        "roc_bert",
        {
            **BASE,
            "is_decoder": True,
            "pronunciation_vocab_size": VOCABULARY,
            "shape_vocab_size": VOCABULARY,
        },
    ),
    "Qwen3.5": ("qwen3_5_text", {**BASE, **GROUPED, **LINEAR}),
}
"""Architectures that are read: the name in the table, transformers' name, and a tiny config."""

REFUSED: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "Gemma 3n": (
        "gemma3n_text",
        {**PER_LAYER, "laurel_rank": 8, "activation_sparsity_pattern": [0.0] * LAYERS},
        "its blocks pass on several streams of states",
    ),
    "BERT": ("bert", {**BASE, "is_decoder": False}, "attends to what follows"),
    "RoBERTa": ("roberta", {**BASE, "is_decoder": False}, "attends to what follows"),
    "Llama that sees what follows": (
        "llama",
        {**BASE, "is_causal": False},
        "attends to what follows",
    ),
}
"""Architectures without hidden states, and what is said of them."""
