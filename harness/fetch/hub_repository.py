"""Where files of hub repositories lie, and what is known about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from harness.errors import StoreError
from harness.fetch.checksum import remembered_sha256
from harness.place.locate import cache_folder
from harness.store.atomic import writing

Choose = Callable[[Collection[str]], list[str]]
"""From the names of a repository's files, those that are wanted."""
RepoType = Literal["model", "dataset"]


class HubRepository:
    """One repository: its folder in the hub's cache, and notes of what was checked in ours.

    Parameters
    ----------
    repo : str
        ``org/name``.
    kind : {"model", "dataset"}
        What kind of repository it is.
    """

    def __init__(self, repo: str, kind: RepoType) -> None:
        from huggingface_hub import constants

        self.repo, self.kind = repo, kind
        self.name = f"{kind}s--{repo.replace('/', '--')}"
        self.cache = Path(constants.HF_HUB_CACHE)
        self._notes = cache_folder() / "hub" / self.name

    def folder(self, commit: str) -> Path:
        """Return where the files of a commit are, or would be."""
        return self.cache / self.name / "snapshots" / commit

    def known(self, commit: str, choose: Choose) -> dict[str, str] | None:
        """Return the checksums of a commit's wanted files, when all are as they were found."""
        content = _read_json(self._notes / f"{commit}.json")
        files = content.get("files")
        if not isinstance(files, dict) or not files:
            return None
        wanted = choose(self.listed(commit))
        if not set(wanted) <= set(files):
            return None  # other files of the same commit are wanted this time
        folder = self.folder(commit)
        try:
            same = all(remembered_sha256(folder / name) == files[name] for name in wanted)
        except OSError:
            return None
        return {name: files[name] for name in wanted} if same else None

    def listed(self, commit: str) -> list[str]:
        """Return the names of all files of a commit; none when the hub was never asked."""
        return list(_read_json(self._notes / f"{commit}.json").get("listed", []))

    def last_commit(self, revision: str) -> str:
        """Return the commit that a branch stood for when the hub was last asked."""
        found = str(_read_json(self._ref(revision)).get("commit", ""))
        if found:
            return found
        pointer = self.cache / self.name / "refs" / (revision or "main")
        with suppress(OSError):
            return pointer.read_text(encoding="utf-8").strip()
        return ""

    def remember(
        self, commit: str, revision: str, files: Mapping[str, str], listed: Collection[str]
    ) -> None:
        """Note what was found right, and what a branch stands for.

        Losing these notes costs another check, so a cache that cannot be written is no error.
        """
        before = _read_json(self._notes / f"{commit}.json").get("files")
        known = {**(before if isinstance(before, dict) else {}), **files}
        _write_json(self._notes / f"{commit}.json", {"files": known, "listed": sorted(listed)})
        if revision != commit:
            _write_json(self._ref(revision), {"commit": commit})

    def _ref(self, revision: str) -> Path:
        return self._notes / f"ref-{quote(revision or 'main', safe='')}.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with suppress(StoreError, OSError), writing(path) as beside:
        beside.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
