"""Tiny speech models with random weights, in folders as releases are."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_speech(folder: Path, kind: str = "wav2vec2", seed: int = 0, **options: Any) -> Path:
    """Write one: ``wav2vec2``, ``hubert`` or ``whisper`` (windows of five seconds)."""
    import torch
    from transformers import (
        AutoModel,
        HubertConfig,
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        WhisperConfig,
        WhisperFeatureExtractor,
    )

    if kind == "whisper":
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        config: Any = WhisperConfig(
            **{"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 32}
            | {"decoder_ffn_dim": 32, "vocab_size": 50, "max_source_positions": 250}
            | {"decoder_start_token_id": 1, "max_target_positions": 16}
            | {"suppress_tokens": [], "begin_suppress_tokens": []}
            | heads
            | ends
            | options
        )
        prepare: Any = WhisperFeatureExtractor(chunk_length=5)
    else:
        made = HubertConfig if kind == "hubert" else Wav2Vec2Config
        config = made(
            **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
            | {"intermediate_size": 32, "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16}
            | {"num_conv_pos_embedding_groups": 2, "vocab_size": 32}
            | options
        )
        prepare = Wav2Vec2FeatureExtractor()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config)
    model.save_pretrained(folder)
    prepare.save_pretrained(folder)
    return folder
