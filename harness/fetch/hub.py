"""Files of a repository on the Hugging Face hub, checked, and remembered so that this is done once.

``huggingface_hub`` downloads into its own cache, which other programs share. What it does not do is
compare the bytes with the checksums that the hub states; that, and the list of what was found
right, is here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ChecksumError, FetchError, GatedError, HarnessError, OfflineError
from harness.fetch.allowance import Allowance
from harness.fetch.checksum import git_blob_sha1, remembered_sha256
from harness.fetch.hub_repository import Choose, HubRepository, RepoType
from harness.fetch.transfer import Progress, room_for
from harness.place.place import here
from harness.store.atomic import explained

PUBLIC_HUB = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubSnapshot:
    """Some files of a repository at one commit, on this machine.

    Parameters
    ----------
    folder : Path
        Where they are, under their names in the repository.
    commit : str
        What the revision stands for, 40 hexadecimal digits.
    files : mapping
        sha256 of each file, by name.
    pinned : bool
        Whether the commit itself was asked for, and not a branch or tag that may move.
    """

    folder: Path
    commit: str
    files: Mapping[str, str]
    pinned: bool


@dataclass(frozen=True)
class _Listed:
    """A file as the hub lists it: the sha256 of a large one, the git identifier of a small one."""

    name: str
    size: int
    sha256: str
    blob: str


def snapshot(
    repo: str,
    revision: str = "",
    *,
    choose: Choose = sorted,
    kind: RepoType = "model",
    offline: bool = False,
    progress: Progress | None = None,
) -> HubSnapshot:
    """Return files of a hub repository, downloading those that are not here yet.

    A commit that was checked before is taken without asking the hub. A branch is asked for each
    time, and while offline stands for the commit that it stood for last.

    Parameters
    ----------
    repo : str
        ``org/name``.
    revision : str
        A commit, branch or tag; empty, the default branch.
    choose : callable
        From the names of all files, those that are wanted; it may raise when they do not do.
    kind : {"model", "dataset"}
        What kind of repository it is.
    offline : bool
        Never use the network (also said by ``BRAINPRESS_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``).
    progress : callable, optional
        Called with bytes done and bytes in all.

    Raises
    ------
    GatedError
        The repository wants a licence accepted or a token.
    FetchError
        There is no such repository, revision or file, or the hub cannot be reached.
    OfflineError
        The files are not here and the network may not be used.
    ChecksumError
        A file is not what the hub says it is; it has been removed.
    StoreError
        The cache is read-only or full.
    """
    pinned = _COMMIT.fullmatch(revision) is not None
    shelf = HubRepository(repo, kind)
    offline = offline or _told_to_stay_offline()
    commit = revision if pinned else shelf.last_commit(revision) if offline else ""
    if commit and (files := shelf.known(commit, choose)) is not None:
        return HubSnapshot(shelf.folder(commit), commit, files, pinned)
    if offline:
        return _adopted(shelf, commit, revision, choose, pinned)
    with _named_errors(repo, revision, kind), explained(shelf.cache):
        commit, listed = _list(repo, revision, kind)
        wanted = set(choose([file.name for file in listed]))
        chosen = [file for file in listed if file.name in wanted]
        files = _bring(shelf, commit, chosen, progress)
    shelf.remember(commit, revision, files, [file.name for file in listed])
    return HubSnapshot(shelf.folder(commit), commit, files, pinned)


def _endpoint() -> str:
    # huggingface_hub reads HF_ENDPOINT when it is imported; asking now respects a later change.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or PUBLIC_HUB


def _told_to_stay_offline() -> bool:
    from huggingface_hub import constants

    return here().offline or constants.is_offline_mode()


def _list(repo: str, revision: str, kind: RepoType) -> tuple[str, list[_Listed]]:
    """Ask the hub what a revision stands for, and for its files."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=_endpoint()).repo_info(
        repo, revision=revision or None, repo_type=kind, files_metadata=True, timeout=30
    )
    files = [
        _Listed(
            name=sibling.rfilename,
            size=sibling.size or 0,
            sha256=sibling.lfs.sha256 if sibling.lfs else "",
            blob=sibling.blob_id or "",
        )
        for sibling in getattr(info, "siblings", None) or ()
    ]
    if not info.sha:
        raise FetchError(f"the hub gives no commit for {repo}")
    return info.sha, files


def _bring(
    shelf: HubRepository, commit: str, files: list[_Listed], progress: Progress | None
) -> dict[str, str]:
    """Download and check the files, one after the other; return their sha256."""
    total = sum(file.size for file in files)
    allowance = Allowance.here()
    allowance.check(total)
    folder = shelf.folder(commit)
    missing = sum(file.size for file in files if not (folder / file.name).exists())
    room_for(shelf.cache, missing, "HF_HOME")
    done, checksums = 0, {}
    for file in files:
        report = _reporter(progress, allowance, done, file.size, total)
        path = _download(shelf, commit, file.name, report, again=False)
        if _wrong(path, file):
            # It may lie in the shared cache since long ago: once more, from the hub.
            path.resolve().unlink(missing_ok=True)
            path = _download(shelf, commit, file.name, report, again=True)
            if problem := _wrong(path, file):
                path.resolve().unlink(missing_ok=True)
                path.unlink(missing_ok=True)
                raise ChecksumError(
                    f"{shelf.repo}: {file.name} {problem}",
                    "run the same command again; if it stays so, something on the way rewrites it",
                )
        checksums[file.name] = remembered_sha256(path)
        done += file.size
        if progress is not None:
            progress(done, total)
    return checksums


def _download(
    shelf: HubRepository,
    commit: str,
    name: str,
    report: Callable[[int], None] | None,
    *,
    again: bool,
) -> Path:
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        shelf.repo,
        name,
        repo_type=shelf.kind,
        revision=commit,
        cache_dir=shelf.cache,
        endpoint=_endpoint(),
        force_download=again,
        tqdm_class=_bar(report),
    )
    return Path(path)


def _wrong(path: Path, file: _Listed) -> str:
    """Say in what a file differs from what the hub states; empty when in nothing."""
    if file.sha256:
        found = remembered_sha256(path)
        return "" if found == file.sha256 else f"has sha256 {found} where {file.sha256} is expected"
    found = git_blob_sha1(path)
    return "" if found == file.blob else f"has git id {found} where {file.blob} is expected"


def _adopted(
    shelf: HubRepository, commit: str, revision: str, choose: Choose, pinned: bool
) -> HubSnapshot:
    """Take what another program downloaded into the hub's cache, checked by the blobs' names.

    Nothing of it is noted: without the hub nobody knows whether it is all that the hub has.
    """
    folder = shelf.folder(commit)
    absent = OfflineError(
        f"{shelf.repo}{f' at {revision}' if revision else ''} is not on this machine; looked in "
        f"{folder if commit else shelf.cache / shelf.name}",
        f"run once without --offline, or `hf download {shelf.repo}"
        + (f" --revision {revision}`" if revision else "`")
        + " where there is a network, and set HF_HOME to its folder",
    )
    if not commit or not folder.is_dir():
        raise absent
    here = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    checksums = {}
    try:
        chosen = choose(shelf.listed(commit) or here)
    except HarnessError as error:
        raise absent from error
    if not set(chosen) <= set(here):
        raise absent
    for name in chosen:
        path = folder / name
        # The hub's cache names a blob by its sha256 (large files) or its git identifier (small).
        blob = path.resolve().name
        listed = _Listed(name, 0, blob if _SHA256.fullmatch(blob) else "", blob)
        if not path.is_symlink():
            raise absent  # a copy, as on file systems without links: nothing says what it should be
        if problem := _wrong(path, listed):
            raise ChecksumError(f"{path} {problem}", "remove it and download it again")
        checksums[name] = remembered_sha256(path)
    if not checksums:
        raise absent
    return HubSnapshot(folder, commit, checksums, pinned)


@contextmanager
def _named_errors(repo: str, revision: str, kind: RepoType) -> Iterator[None]:
    """Turn what huggingface_hub and its HTTP library raise into errors of ours."""
    import httpx
    from huggingface_hub import errors

    page = f"{PUBLIC_HUB}/{'datasets/' if kind == 'dataset' else ''}{repo}"
    gated = GatedError(
        f"{repo} is gated: its licence must be accepted first",
        f"accept it at {page}, then set HF_TOKEN to a token of the same account "
        "(or run `hf auth login`)",
    )
    try:
        yield
    except errors.GatedRepoError as error:
        raise gated from error
    except errors.RevisionNotFoundError as error:
        raise FetchError(f"{repo} has no revision {revision!r}", f"see {page}/commits") from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(
            f"the hub has no {kind} {repo}, or it is private",
            f"check the name at {page}; for a private one set HF_TOKEN",
        ) from error
    except errors.LocalEntryNotFoundError as error:  # neither there nor here: no answer, in fact
        raise FetchError(f"cannot fetch {repo} from the hub: {_line(error)}") from error
    except errors.EntryNotFoundError as error:
        raise FetchError(f"{repo} lacks a file that it lists: {_line(error)}") from error
    except errors.OfflineModeIsEnabled as error:
        raise OfflineError(f"{repo}: {_line(error)}", "unset HF_HUB_OFFLINE") from error
    except errors.HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise gated from error
        raise FetchError(f"cannot fetch {repo} from the hub: {_line(error)}") from error
    except errors.HFValidationError as error:
        raise FetchError(f"{repo!r} is not the name of a hub repository: {_line(error)}") from error
    except httpx.HTTPError as error:
        raise FetchError(
            f"cannot reach the hub for {repo}: {type(error).__name__}",
            "check the network (HF_ENDPOINT names a mirror), or use --offline for what is here",
        ) from error
    except OSError as error:
        if error.errno is None:  # huggingface_hub's own: a download that ended short
            raise FetchError(f"cannot fetch {repo} from the hub: {_line(error)}") from error
        raise


def _reporter(
    progress: Progress | None, allowance: Allowance, before: int, size: int, total: int
) -> Callable[[int], None]:
    def report(count: int) -> None:
        allowance.check(before + count)
        if progress is not None:
            progress(before + min(count, size), total)

    return report


def _bar(report: Callable[[int], None] | None) -> Any:
    """Return a class that huggingface_hub takes for a progress bar, and that draws nothing."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]
            self.count = int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            self.count += int(n or 0)
            if report is not None:
                report(self.count)
            return None

    return Bar


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
