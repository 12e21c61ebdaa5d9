"""Which stages a benchmark's code reaches: read from the text of its modules, nothing is run."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from harness.spec.specs import SCORING


def stages_reached(module: str) -> set[str]:
    """Return the stages whose room a module imports from, itself or through its own package.

    Imports inside of functions count as well: that is where heavy ones stand.

    Parameters
    ----------
    module : str
        Import path; what it imports of the same top package is followed.
    """
    found: set[str] = set()
    waiting, seen = [module], set()
    # A room of ours is a package of its own: all others are below or beside it.
    home = module.split(".")[: 2 if module.startswith("harness.") else 1]
    while waiting:
        name = waiting.pop()
        path = None if name in seen else _file(name)
        seen.add(name)
        if path is None:
            continue
        for imported in _imports(path, name):
            parts = imported.split(".")
            if parts[0] == "harness" and len(parts) > 1 and parts[1] in SCORING:
                found.add(parts[1])
            if parts[: len(home)] == home:
                waiting += [imported, imported.rpartition(".")[0]]
    return found


def _file(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module) if module else None
    except (ImportError, ValueError):  # a name of a module, not a module
        return None
    origin = None if spec is None else spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None


def _imports(path: Path, module: str) -> Iterator[str]:
    """Give the dotted names that a module imports, each with the names taken from it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
