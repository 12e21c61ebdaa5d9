"""A 3B-shaped model through gptq-int4 with its weights on disk: time and peak memory.

    python benchmarks/compression_large.py --folder /tmp/large            # Qwen2.5-3B's shape
    python benchmarks/compression_large.py --folder /tmp/large --shape 7b --device cuda

The model is random (its shape is what is measured), and is written to the folder first: 6 GB for
3B, 15 GB for 7B. Calibration text is random tokens. Each block's time is printed as it finishes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

SHAPES: dict[str, dict[str, Any]] = {
    "3b": {
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    },
}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="3b")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    from brainpress_plugins.compressors.gptq import GPTQ

    from harness.compress.layers.offload import open_on_disk
    from harness.compress.layers.workspace import Workspace
    from harness.compress.text.calibration import Calibration, CalibrationSpec

    source = options.folder / f"model-{options.shape}"
    write_random(source, SHAPES[options.shape])
    generator = torch.Generator().manual_seed(0)
    size = (options.samples, options.length)
    tokens = torch.randint(0, 150_000, size, generator=generator)
    calibration = Calibration(CalibrationSpec("random", *size), tokens, ())
    model = open_on_disk(source, torch.bfloat16)
    started = last = time.perf_counter()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        print(f"block {done}/{total}: {now - last:.1f} s, {now - started:.0f} s in all", flush=True)
        last = now

    workspace = Workspace(
        device=options.device,
        folder=options.folder / f"blocks-{options.shape}",
        source=source,
        progress=progress,
    )
    report = GPTQ(4).compress(model, calibration, workspace)
    print(json.dumps({"shape": options.shape, "tokens": tokens.numel(), **report.totals()}))


def write_random(folder: Path, shape: dict[str, Any]) -> None:
    """Write a random model of a shape, a file a block, unless it is there."""
    from accelerate import init_empty_weights
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, Qwen2Config

    if (folder / "config.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    config = Qwen2Config(**shape, max_position_embeddings=4096, rms_norm_eps=1e-6)
    with init_empty_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.tie_weights()
    files: dict[str, dict[str, torch.Tensor]] = {}
    for name, parameter in model.named_parameters():
        place = ".".join(name.split(".")[:3]) if ".layers." in name else "rest"
        files.setdefault(place, {})[name] = parameter
    generator = torch.Generator().manual_seed(0)
    for place, parameters in files.items():
        tensors = {
            name: torch.ones(parameter.shape, dtype=torch.bfloat16)
            if parameter.ndim == 1
            else torch.randn(parameter.shape, generator=generator).mul_(0.02).bfloat16()
            for name, parameter in parameters.items()
        }
        save_file(tensors, folder / f"{place}.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)


if __name__ == "__main__":
    main()
