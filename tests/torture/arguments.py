"""Fuzzed arguments, settings and files of settings, and what must be said of them: no traceback."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

DEEP = "[" * 3000 + "]" * 3000
KNOWN = (
    ["run", "--dry-run", "--offline", "-m", "untrained:gpt2#" + "9" * 5000],
    ["run", "--dry-run", "--offline", "-m", "untrained:" * 1200 + "gpt2"],
    ["run", "--dry-run", "--offline", "-m", "static:untrained:gpt2"],
    ["run", "--dry-run", "--offline", "-m", "https://[::1"],
    ["run", "--dry-run", "--offline", "-m", "file:~nouser"],
    ["run", "--dry-run", "--offline", "-m", "file:a\x00b"],
    ["run", "--dry-run", "--offline", "-m", "file:" + "x" * 5000],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "-b", "data:~nouser"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "-b", "data:" + "y" * 5000],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "-c", "gptq-int4:calibration=file:~nouser"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "-c", "gptq-int4:samples=" + "9" * 5000],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--memory", "9" * 400 + "GiB"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--store", "~nouser/x"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--store", "x" * 5000],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--store", "a\x00b"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--seeds", "1,,2"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--seeds", "-1"],
    ["run", "--dry-run", "--offline", "-m", "gpt2", "--seeds", "9" * 5000],
    ["board", "a\x00b"],
    ["board", "x" * 5000],
    ["board", "check", "a\x00b"],
    ["board", "check", "x" * 5000],
    ["board", "--csv", "x" * 5000 + ".csv"],
    ["show", "[" * 50],
    ["fetch", "\x1b]0;x\x07"],
    ["doctor", "--store", "x" * 5000],
    ["doctor", "--verify", "--store", "a\x00b"],
)
"""What once ended in a traceback, or is next of kin."""
ENVIRONMENTS = (
    {"BRAINPRESS_STORE": "~nouser/x"},
    {"BRAINPRESS_STORE": "x" * 5000},
    {"BRAINPRESS_CACHE": "~nouser/x"},
    {"BRAINPRESS_CACHE": "x" * 300},
    {"BRAINPRESS_DATA": "~nouser/x:/nowhere"},
    {"BRAINPRESS_OFFLINE": "maybe"},
    {"COLUMNS": "0"},
    {"COLUMNS": "many"},
)
WORDS = (
    "gpt2", "untrained:", "static:", "hf:", "file:", "https://", "data:", "none", "rtn-int4",
    "gptq-int4", ":", "#", "=", ";", ",", "@", "*", "?", "[", "]", "..", "/", "~", "~nouser", "%s",
    "samples", "1e999", "-1", "9" * 400, "NaN", "\u202e", "\x1b[2J", "naïve", "🧠", " ", "'", '"',
    "calibration", "context", "strided(512,256)", "(", ")", "x" * 300, "minimal-pairs", "alice",
)  # fmt: skip
OPTIONS = ("-m", "-c", "-b", "--tag", "--seeds", "--device", "--dtype", "--memory", "--shard",
           "--engine", "--gpus", "--batch-size")  # fmt: skip


def suites(folder: Path) -> Iterator[list[str]]:
    """Write files of settings that are not as they should be, and give the arguments that read."""
    good = 'models = ["gpt2"]\n'
    contents = {
        "utf16": good.encode("utf-16"),
        "latin": 'description = "naïve"\n'.encode("latin-1"),
        "deep": f"models = {DEEP}\n".encode(),
        "binary": bytes(range(256)),
        "empty": b"",
        "other": b"models = [1, 2]\nfoo = 3\n",
        "huge": b"models = [" + b'"gpt2",' * 3000 + b"]\n",
    }
    for name, content in contents.items():
        path = folder / f"{name}.toml"
        path.write_bytes(content)
        yield ["run", "--dry-run", "--offline", str(path)]
    yield ["run", "--dry-run", "--offline", "a\x00b.toml"]
    yield ["run", "--dry-run", "--offline", "x" * 5000 + ".toml"]


def drawn(draw: random.Random) -> list[str]:
    """Draw a command with random arguments; nothing is computed."""
    said = ["run", "--dry-run", "--offline"]
    for _ in range(draw.randint(1, 4)):
        said.append(draw.choice(OPTIONS))
        said.append("".join(draw.choices(WORDS, k=draw.randint(1, 5))))
    return said
