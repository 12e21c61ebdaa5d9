"""Every class that transformers has for causal language models, tiny and random, read and compared.

    python benchmarks/architectures.py                 # all; prints the table of docs/models.md
    python benchmarks/architectures.py qwen3 bloom

For each: made on the CPU from a config of 4 blocks and 32 units, written as a release is, loaded as
a run does, and recorded in unequal batches. Hidden states are compared with transformers'
`output_hidden_states` (relative to the largest value of a layer), log-probabilities of words with
its logits (nats). What is refused is given in the words of the refusal; what cannot be made tiny,
with the reason. About a second each.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.errors import HarnessError
from tests.conftest import _subword_tokenizer
from tests.support.oracle import differences, opened, write
from tests.support.tiny_classes import tiny_config

SECONDS = 120
PARAMETERS = 20_000_000
HIDDEN, LOGPROB = 1e-5, 1e-4


def main(names: list[str]) -> int:
    """Print a row for each class; return the number of those that are read wrongly."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    signal.signal(signal.SIGALRM, _too_long)
    classes = dict(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    print(f"transformers {transformers.__version__}, {len(names or classes)} types\n")
    print("| type | hidden states | log-probabilities | |\n|---|---|---|---|")
    counted: dict[str, list[str]] = {}
    for name in names or classes:
        outcome, cells = tried(name)
        counted.setdefault(outcome, []).append(name)
        print("| " + " | ".join([name, *cells]) + " |", flush=True)
    for outcome, found in counted.items():
        print(f"\n{len(found)} {outcome}: {', '.join(found)}")
    return len(counted.get("WRONG", []))


def tried(name: str) -> tuple[str, list[str]]:
    """Return how a class fares, and the cells of its row."""
    signal.alarm(SECONDS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["BRAINPRESS_CACHE"] = str(Path(folder) / "cache")
            return _read(name, Path(folder) / "model")
    finally:
        signal.alarm(0)


def _read(name: str, folder: Path, **changes: Any) -> tuple[str, list[str]]:
    import torch
    from transformers import AutoModelForCausalLM

    try:
        config = tiny_config(name)
        for key, value in changes.items():
            setattr(config, key, value)
        with torch.device("meta"):
            size = sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
        if size > PARAMETERS:
            return "not tried", ["", "", f"not tried: its smallest config has {size:,} numbers"]
        write(folder, config, _subword_tokenizer())
    except Exception as error:  # whatever a class raises for a config that is not its own
        return "not tried", ["", "", f"not tried: {_first(error)}"]
    try:
        model = opened(folder)
        found = differences(model)
    except HarnessError as error:
        return "refused", ["", "", re.sub(r"\S*/model\S*|model-[0-9a-f]{6}", "it", _first(error))]
    except Exception as error:  # what no reader was told to expect is a fault
        return "WRONG", ["", "", f"WRONG: {_first(error)}"]
    cells = [_cell(found.hidden, HIDDEN), _cell(found.logprob, LOGPROB)]
    seen = model.examination
    reason = seen.reason if seen is not None else ""
    if "WRONG" in "".join(cells):
        return "WRONG", [*cells, reason]
    if not model.capabilities:
        if getattr(model.model.config, "is_decoder", None) is False:
            outcome, cells = _read(name, folder.with_name("decoder"), is_decoder=True)
            if outcome == "read":
                return "read as decoders", [*cells[:2], f"with is_decoder=True; without, {reason}"]
        return "refused", ["", "", reason]
    return ("read" if not reason else "read in part"), [*cells, reason]


def _cell(error: float, limit: float) -> str:
    if error != error:  # NaN: there are none
        return "none"
    return f"{error:.0e}" if error < limit else f"WRONG {error:.0e}"


def _first(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [""])[0]
    return line if isinstance(error, HarnessError) else f"{type(error).__name__}: {line[:120]}"


def _too_long(*_: Any) -> Iterator[None]:
    raise TimeoutError(f"it takes more than {SECONDS} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
