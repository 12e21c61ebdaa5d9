"""Packages and entry points: the folder ``plugins/`` is installed as ``brainpress_plugins``.

A folder ``plugins/`` beside a user's script is ordinary, and would hide the built-in plugins if
they went by that name. Each of its modules that implements a hook becomes an entry point, as a
stranger's does by a line of their ``pyproject.toml``. All else is in ``pyproject.toml``.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDER, PACKAGE = "plugins", "brainpress_plugins"


def entry_points() -> list[str]:
    """Return a line for each module, or package, of the folder that implements a hook."""
    here = Path(__file__).parent
    found = []
    for path in sorted((here / FOLDER).rglob("*.py")):
        if "\n@hookimpl\n" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(here / FOLDER).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found.append(f"{parts[0]}.{parts[-1]} = {'.'.join((PACKAGE, *parts))}")
    return found


core = find_packages(include=["harness", "harness.*"])
plugins = [
    PACKAGE + name.removeprefix(FOLDER) for name in find_packages(include=[FOLDER, f"{FOLDER}.*"])
]
setup(
    packages=core + plugins,
    package_dir={PACKAGE: FOLDER},
    py_modules=["brainpress"],
    entry_points={
        "console_scripts": ["brainpress = brainpress:main"],
        "brainpress": entry_points(),
    },
)
