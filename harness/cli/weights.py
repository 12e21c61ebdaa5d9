"""``weights``: a compressed model as a folder that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console
from harness.cli.options import Device, Dtype, Offline, StoreOption


@app.command()
def weights(
    variant: Annotated[str, typer.Argument(help="MODEL+COMPRESSOR.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A folder that is not there yet.")],
    device: Device = "auto",
    dtype: Dtype = "float32",
    store: StoreOption = None,
    from_disk: Annotated[
        bool, typer.Option("--from-disk", help="Block by block: for models larger than memory.")
    ] = False,
    packed: Annotated[
        bool,
        typer.Option("--packed", help="Codes and scales, in the format of compressed-tensors."),
    ] = False,
    offline: Offline = False,
) -> None:
    """Write a variant as a Hugging Face folder: weights, tokenizer and card."""
    from harness.errors import CompressionError
    from harness.place.place import Place
    from harness.runner.options import RunOptions
    from harness.runner.weights import parse_variant, write_weights
    from harness.runner.weights_on_disk import write_weights_from_disk

    place = Place.make(offline=offline, device=device, store=store)
    options = RunOptions(dtype=dtype)
    if from_disk and packed:
        raise CompressionError(
            "--from-disk writes dense weights", "leave out one of --from-disk and --packed"
        )
    if from_disk:
        where = write_weights_from_disk(parse_variant(variant), out, place, options)
    else:
        where = write_weights(parse_variant(variant), out, place, options, packed=packed)
    console.print(f"written: {where}", soft_wrap=True)
