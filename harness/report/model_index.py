"""What a board says of one variant, as the metadata of a card on a model hub.

The format is the ``model-index`` of Papers with Code that Hugging Face's model cards carry:
YAML between two lines of dashes, one result a benchmark.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from harness.errors import SelectionError
from harness.runner.status import Status
from harness.spec.names import nearest

if TYPE_CHECKING:
    import xarray as xr


def model_index(board: xr.DataTree, variant: str) -> str:
    """Write the results of a variant as metadata for a model card.

    Parameters
    ----------
    board : DataTree
    variant : str
        ``MODEL`` or ``MODEL+COMPRESSOR``.

    Returns
    -------
    str
        YAML, between lines of dashes, to stand at the head of a ``README.md``.

    Raises
    ------
    SelectionError
        The board has no such variant, or no score of it.
    """
    cells = board["cells"].to_dataset()
    model, _, compressor = variant.partition("+")
    compressor = compressor or "none"
    for dim, name in (("model", model), ("compressor", compressor)):
        known = [str(one) for one in cells[dim].values]
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known)}"
            raise SelectionError(f"no {dim} on the board is called {name!r}", hint)
    mine = cells.sel(model=model, compressor=compressor)
    about = board["benchmarks"].to_dataset()
    results = [
        _result(mine.sel(benchmark=name), about.sel(benchmark=name), str(name))
        for name in mine["benchmark"].values
        if Status.read(str(mine["status"].sel(benchmark=name).item())).has_score
    ]
    if not results:
        raise SelectionError(
            f"the board has no score of {model}+{compressor}", "run it on a benchmark first"
        )
    lines = ["---", "model-index:", f"- name: {_text(f'{model}+{compressor}')}", "  results:"]
    return "\n".join([*lines, *(line for result in results for line in result), "---"])


def _result(cell: xr.Dataset, about: xr.Dataset, name: str) -> list[str]:
    """Return the lines of one benchmark's result: its value, and the ends of its interval."""
    said = json.loads(str(cell["provenance"].item()) or "{}")
    simulated = " (simulated data)" if int(about["simulated"]) else ""
    lines = [
        "  - task:",
        "      type: text-generation",
        f"      name: {_text(about['kind'].item())}",
        "    dataset:",
        f"      type: {_text(name)}",
        f"      name: {_text(f'{name}{simulated}')}",
    ]
    if version := said.get("benchmark_version"):
        lines.append(f"      revision: {_text(f'brainpress version {version}')}")
    lines.append("    metrics:")
    for variable, label in (("value", ""), ("low", ", 95 % low"), ("high", ", 95 % high")):
        value = float(cell[variable])
        if math.isfinite(value):
            lines += [
                f"    - type: {_text(variable)}",
                f"      name: {_text(str(about['metric'].item()) + label)}",
                f"      value: {value:.6g}",
            ]
    return [*lines, "    source:", "      name: brainpress", f"      url: {_text(_key(cell))}"]


def _key(cell: xr.Dataset) -> str:
    """Return the address of a result: its key, by which a store and a leaderboard know it."""
    return f"brainpress:{cell['key'].item()}"


def _text(text: Any) -> str:
    """Return a YAML string that is nothing but a string: JSON's are."""
    return json.dumps(str(text), ensure_ascii=False)
