"""brainpress under its own name: ``import brainpress`` is ``import harness``.

Another package called ``harness`` on the path would be imported in place of brainpress's own. This
module is the entry of the command line, and names the file that hides it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_WAY_OUT = "rename it, or take its folder off PYTHONPATH and the script's own folder"


def _harness(module: str = "harness") -> ModuleType:
    try:
        core = importlib.import_module("harness")
        if hasattr(core, "BenchmarkSpec"):
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "harness":
            raise
        core = sys.modules.get("harness", ModuleType("harness"))
    where = getattr(core, "__file__", None) or next(iter(getattr(core, "__path__", ())), "nothing")
    raise ImportError(f"{where} is imported as 'harness' and hides brainpress's own: {_WAY_OUT}")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_harness(), name)


def __dir__() -> list[str]:
    return dir(_harness())


def main() -> None:
    """Run the command line."""
    try:
        with _harness("harness.store.stopping").listening():  # also while the rest is imported
            _harness("harness.cli").main()
    except ImportError as error:
        if "hides brainpress" not in str(error):
            raise
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
