"""Fifty probing tasks on a model in the shape of a 3B one, under a limit of memory.

    python benchmarks/many_tasks.py --folder /tmp/many

Recordings have the size that they have for Qwen2.5-3B: 36 blocks and the embedding, 2,048 units.
What is inside a block is thin (random weights, 64 wide), because it leaves no trace in a recording.
The tasks are folders as Holmes publishes them. The preview is printed, then the run is made by a
process that is killed when it has more memory than the preview said, and what it took is printed.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

WORDS = "abcdefghijklmnopqrstuvwxyz"
LAYERS, UNITS = 36, 2048
ROUNDING = 0.05
"""GiB: the preview has one decimal."""
PARTS = ("train", "train", "train", "dev", "test")


def main() -> None:
    """Write what is needed, preview, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="several GB")
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--rows", type=int, default=200, help="of each task")
    options = parser.parse_args()
    model, tasks, store = (options.folder / name for name in ("model", "tasks", "store"))
    write_model(model)
    write_tasks(tasks, options.tasks, options.rows)
    brainpress = Path(sys.executable).with_name("brainpress")
    command = [str(brainpress), "run", "-m", f"file:{model}", "-c", "none",
               "-b", f"holmes:folder={tasks};seeds=1", "--store", str(store)]  # fmt: skip
    preview = subprocess.run(
        [*command, "--dry-run"], capture_output=True, text=True, check=True
    ).stdout
    said = next(line for line in preview.splitlines() if "GiB of memory" in line)
    print(said)
    found = re.search(r"([\d.]+) GiB of memory", said)
    assert found is not None
    limit = float(found[1]) + ROUNDING
    start = time.perf_counter()
    with (
        (options.folder / "log.txt").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as child,
    ):
        peak = watched(child, limit)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    size = sum(p.stat().st_size for p in (store / "recordings").rglob("*.nc"))
    print(
        f"exit {child.returncode} (-9: stopped at the limit of {limit:.2f} GiB),"
        f" peak {peak:.2f} GiB resident, recordings {size / 2**30:.2f} GiB;"
        f" {used.ru_utime + used.ru_stime:.0f} CPU s, {time.perf_counter() - start:.0f} s"
    )


def watched(child: subprocess.Popen[bytes], limit: float) -> float:
    """Return the most memory that a process had, GiB; it is killed where that passes the limit."""
    peak, status = 0.0, Path(f"/proc/{child.pid}/status")
    while child.poll() is None:
        # Between its end and our asking a process has no memory to name.
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        peak = max(peak, int(found[1]) / 2**20 if found else 0.0)
        if peak > limit:
            child.kill()
        time.sleep(0.02)
    return peak


def write_model(folder: Path) -> None:
    """Write a thin random model whose states are as large as a 3B one's, unless it is there."""
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
        intermediate_size=64,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=64,
        vocab_size=len(vocabulary),
        max_position_embeddings=512,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def write_tasks(root: Path, count: int, rows: int) -> None:
    """Write task folders: is a letter of the first half of the alphabet the sentence's first?"""
    for task in range(count):
        rng = random.Random(task)
        folder = root / f"task-{task:02}"
        if folder.is_dir():
            continue
        folder.mkdir(parents=True)
        with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "inputs", "context", "label", "set-0"])
            for i in range(rows):
                text = " ".join("".join(rng.choices(WORDS, k=2)) for _ in range(4))
                label = "early" if text[0] < "n" else "late"
                writer.writerow([i, repr([text]), "", label, PARTS[i % len(PARTS)]])
        (folder / "config-none.yaml").write_text(
            "probe_task_type: SENTENCE\nnum_labels: 2\ncategory: morphology\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
