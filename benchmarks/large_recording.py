"""A recording of LeBel's size, under a limit of memory: 30,000 words, 37 layers, 5,120 units.

    python benchmarks/large_recording.py --folder /tmp/large

The model has the states of a 14B one; what is inside its 36 blocks is thin (random weights): it
leaves no trace in a recording. A process records, stores, and reads every layer back as a
benchmark does; it is killed where it has more memory than ``--limit`` beyond its model. Rows of
three layers are held against transformers' own. Takes ``--words`` x 760 kB of disk, and gives it
back.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from many_tasks import WORDS, watched

LAYERS, UNITS, WINDOW = 36, 5120, 256


def main() -> None:
    """Record in a process that is watched, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--words", type=int, default=30_000)
    parser.add_argument("--limit", type=float, default=2.0, help="GiB beside the model")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        record(options.folder, options.words)
        return
    write_model(options.folder / "model")
    size = sum(p.stat().st_size for p in (options.folder / "model").glob("*.safetensors")) / 2**30
    start = time.perf_counter()
    command = [sys.executable, __file__, "--child", "--folder", str(options.folder)]
    with subprocess.Popen([*command, "--words", str(options.words)]) as child:
        peak = watched(child, size + options.limit)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(options.folder / "store", ignore_errors=True)
    print(
        f"exit {child.returncode} (-9: stopped at {size + options.limit:.2f} GiB), peak"
        f" {peak:.2f} GiB resident, model {size:.2f} GiB; {used.ru_utime:.0f} + {used.ru_stime:.0f}"
        f" CPU s (user + system), {time.perf_counter() - start:.0f} s"
    )


def write_model(folder: Path) -> None:
    """Write a thin random model with the states of a 14B one, unless it is there."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    if (folder / "config.json").exists():
        return
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<s>", "Ġ", *WORDS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        hidden_size=UNITS,
        num_hidden_layers=LAYERS,
        intermediate_size=16,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=16,
        vocab_size=len(vocabulary),
        max_position_embeddings=512,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def record(folder: Path, words: int) -> None:
    """Record, store, read back layer by layer, and hold a few rows against transformers."""
    import numpy as np

    from harness.lm.source import resolve
    from harness.place.place import Place, entered
    from harness.record.context import Context
    from harness.record.request import Measure, Request
    from harness.runner.cells import Variant
    from harness.runner.options import RunOptions
    from harness.runner.progress import Silent
    from harness.runner.session import Session
    from harness.spec.specs import CompressorSpec, ModelSpec
    from harness.stimuli.passages import Passage, Stimuli
    from harness.stimuli.readouts import Items, Pool
    from harness.store.store import Store

    # Stories of 2,000 words of one letter, which is one token.
    rng = np.random.default_rng(0)
    passages = []
    for start in range(0, words, 2000):
        story = rng.choice(list(WORDS), min(2000, words - start)).tolist()
        passages.append(Passage(f"story-{start}", *joined(story)))
    request = Request(
        Stimuli("large", tuple(passages)),
        Measure.HIDDEN,
        Context.parse(f"strided({WINDOW},{WINDOW})"),
        Items(Pool.LAST),
    )
    store = Store(folder / "store")
    spec = ModelSpec("large", source=f"file:{folder / 'model'}", revision="")
    none = CompressorSpec(
        "none", target="brainpress_plugins.compressors.none:Identity", method="none"
    )
    place = Place(cache=folder / "cache", store=store.root, device="cpu")
    with entered(place):
        resolve(spec, offline=True)
        session = Session(Variant(spec, none), store, place, RunOptions(), Silent())
        clock(None)
        model = session.model()
        clock("loaded")
        session.record([request])
        clock("recorded and stored")
        (path,) = (store.root / "recordings").rglob("*.nc")
        found = session.recording(request)
        assert found.shape == (words, LAYERS + 1, UNITS), found.shape
        means = []
        for i in range(LAYERS + 1):
            layer = found.isel(layer=i).values
            means.append(float(layer.mean()))
            if i in (0, LAYERS // 2, LAYERS):
                check(model, passages[0].text, layer, i)
        clock(f"read back, {path.stat().st_size / 2**30:.2f} GiB, layer by layer")
        assert np.isfinite(means).all()


def joined(words: list[str]) -> tuple:
    """Return the arguments of a passage of letters."""
    return "".join(words), tuple((i, i + 1) for i in range(len(words)))


def check(model: object, text: str, layer: object, number: int) -> None:
    """Hold the first rows of a layer against transformers' own hidden states."""
    import torch

    ids = model.tokenizer(text, return_tensors="pt").input_ids[:, : WINDOW // 2]
    start = list(model.start or ())
    ids = torch.cat([torch.tensor([start], dtype=torch.long), ids], dim=1)
    with torch.inference_mode():
        states = model.model.base_model(ids, output_hidden_states=True, use_cache=False)
    states = states.hidden_states[number][0, len(start) :]
    rows = states[:40]
    error = (rows - torch.from_numpy(layer[: len(rows)])).abs().max() / rows.abs().max()
    print(f"  layer {number}: relative error of {len(rows)} rows {float(error):.1e}", flush=True)
    assert error < 1e-5


_SPENT = [0.0]


def clock(what: str | None) -> None:
    """Print the CPU seconds since the last call."""
    used = os.times()
    now = used.user + used.system
    if what:
        print(f"  {what}: {now - _SPENT[0]:.0f} CPU s", flush=True)
    _SPENT[0] = now


if __name__ == "__main__":
    main()
