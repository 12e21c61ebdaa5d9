"""Names of the packages: the folder ``plugins/`` is installed as ``brainpress_plugins``.

A folder ``plugins/`` beside a user's script is ordinary, and would hide the built-in plugins if
they went by that name. All else is in ``pyproject.toml``.
"""

from setuptools import find_packages, setup

FOLDER, PACKAGE = "plugins", "brainpress_plugins"

core = find_packages(include=["harness", "harness.*"])
plugins = [
    PACKAGE + name.removeprefix(FOLDER) for name in find_packages(include=[FOLDER, f"{FOLDER}.*"])
]
setup(packages=core + plugins, package_dir={PACKAGE: FOLDER}, py_modules=["brainpress"])
