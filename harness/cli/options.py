"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError

Many = list[str] | None
SuiteArgument = Annotated[
    str | None, typer.Argument(help="A suite that comes with brainpress, or a .toml file.")
]
Models = Annotated[
    Many,
    typer.Option(
        "-m",
        "--model",
        help="Names, globs, hf:org/name@revision, file:PATH, untrained:NAME, static:NAME, "
        "control:autocorrelation, speech:hf:org/name@revision.",
    ),
]
Compressors = Annotated[
    Many,
    typer.Option(
        "-c", "--compressor", help="Names, globs, NAME:option=value;other=value, NAME#0-4 (draws)."
    ),
]
Benchmarks = Annotated[
    Many,
    typer.Option(
        "-b", "--benchmark", help="Names, globs, NAME:option=value;other=value, data:PATH."
    ),
]
Tags = Annotated[Many, typer.Option("--tag", help="Tags that the models must carry.")]
Seeds = Annotated[
    str | None, typer.Option("--seeds", help="Seeds of untrained controls, as 0,1,2.")
]
Controls = Annotated[
    bool | None,
    typer.Option(
        "--controls/--no-controls",
        help="Beside every model, untrained (three seeds), static, autocorrelation alone.",
        show_default="as the suite says",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")]
SuiteDtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="float32, bfloat16 or float16.",
        show_default="as the suite says, else float32",
    ),
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Folder of the results.", show_default="cache")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.")]


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """Read ``--seeds``: whole numbers with commas.

    Raises
    ------
    HarnessError
        It is something else.
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise HarnessError(f"--seeds {text!r}", "write whole numbers with commas: 0,1,2") from None
