"""The store: every stage's output under the key of what determines it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CorruptError, StoreError
from harness.store.atomic import explained, writing
from harness.store.blocks import Block, Chunks, write_blocks
from harness.store.copies import copied, copy
from harness.store.leftovers import stale, sweep, temporary_name
from harness.store.lock import held, sweep_notes
from harness.store.netcdf import write_netcdf
from harness.store.seal import fault

if TYPE_CHECKING:
    import xarray as xr


class Kind(StrEnum):
    """What is stored, and the name of its folder."""

    COMPRESSION = "compression"
    RECORDING = "recordings"
    SCORE = "scores"
    FAILURE = "failures"


class Store:
    """A folder of netCDF files named by their content keys.

    Safe with several processes at once: files appear whole or not at all, and a stage is made under
    a lock of its own.

    Parameters
    ----------
    root : Path
        The folder; made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._sound: dict[Path, tuple[int, ...]] = {}

    @classmethod
    def default(cls) -> Store:
        """Return the store of ``BRAINPRESS_STORE``, else the one in the user's cache folder."""
        from harness.place.place import here

        return cls(here().store)

    def path(self, kind: Kind, key: str) -> Path:
        """Where a result is, or would be."""
        return self.root / kind / key[:2] / f"{key}.nc"

    def _copy_path(self, kind: Kind, key: str) -> Path:
        return self.root / "copies" / kind / key[:2] / key

    def weights_path(self, key: str) -> Path:
        """Where the weights of a compressed model are, or would be."""
        return self.root / "weights" / key[:2] / f"{key}.safetensors"

    def remove_weights(self, key: str) -> None:
        """Forget the weights of a compressed model."""
        with explained(self.root):
            self.weights_path(key).unlink(missing_ok=True)

    def has(self, kind: Kind, key: str) -> bool:
        """Whether a result is there."""
        return self.path(kind, key).is_file()

    def remove(self, kind: Kind, key: str) -> None:
        """Forget a result."""
        with explained(self.root):
            self.path(kind, key).unlink(missing_ok=True)
            self._copy_path(kind, key).unlink(missing_ok=True)

    def write(
        self,
        kind: Kind,
        key: str,
        dataset: xr.Dataset,
        chunks: Chunks | None = None,
        *,
        written: Callable[[str, Block], object] | None = None,
        room: int | None = None,
    ) -> None:
        """Store a dataset.

        Variables with chunks are read and written a chunk at a time, along their shortest chunks
        first.

        The file is sealed (:mod:`harness.store.seal`): it names its key and carries a digest of all
        its bytes, which every reader checks. Every numeric variable has a checksum per chunk as
        well (Fletcher-32), for parts that are read later than that.

        Parameters
        ----------
        kind : Kind
        key : str
        dataset : Dataset
        chunks : mapping, optional
            Sizes of the chunks of some variables.
        written : callable, optional
            Called with the name of such a variable and the block of it that is written.
        room : int, optional
            Bytes that must be free on the disk; by default all that are written.

        Raises
        ------
        StoreError
            The store is read-only or full.
        """
        encoding: dict[str, dict[str, Any]] = {
            str(name): {"fletcher32": True}
            for name, variable in dataset.variables.items()
            if variable.dtype.kind in "fiub" and variable.ndim > 0 and variable.size > 0
        }
        write_netcdf(
            self.path(kind, key),
            lambda path: (
                write_blocks(path, dataset, chunks, encoding, written)
                if chunks
                else dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)
            ),
            nbytes=dataset.nbytes if room is None else room,
            name=_name(kind, key),
        )
        self._proved(kind, key)

    def check(self, kind: Kind, key: str, *, anew: bool = False) -> None:
        """Read all bytes of a file, and hold them against its seal.

        Once: a file that this store has written or read whole, and that nobody has touched since,
        is not read again, unless ``anew`` asks for it. What is read of it later has checksums of
        its own.

        Raises
        ------
        StoreError
            It is not there, or the system does not let it be read.
        CorruptError
            It is of another key, or damaged; it has been moved aside, so that it is made again.
        """
        path = self.path(kind, key)
        before = _state(path)
        if not anew and before is not None and self._sound.get(path) == before:
            return
        if why := self.fault(kind, key):
            raise self._quarantined(path, why)
        if before is not None:
            self._sound[path] = before

    def fault(self, kind: Kind, key: str) -> str:
        """Say why a file is not what was stored under its key; nothing where it is.

        Raises
        ------
        StoreError
            It is not there, or the system does not let it be read.
        """
        path = self.path(kind, key)
        try:
            return fault(path, _name(kind, key))
        except FileNotFoundError as error:
            raise StoreError(f"{path} is not in the store") from error
        except OSError as error:
            raise _refused(path, error) from error

    def _proved(self, kind: Kind, key: str) -> None:
        """Remember a file that is whole."""
        path = self.path(kind, key)
        if (state := _state(path)) is not None:
            self._sound[path] = state

    def read(self, kind: Kind, key: str) -> xr.Dataset:
        """Read a dataset whole; a small one from its copy (:mod:`harness.store.copies`).

        Raises
        ------
        CorruptError
            The file does not read back; it has been moved aside, so that it is made again.
        """
        if kind is Kind.RECORDING:
            with self.reading(kind, key) as dataset:
                return dataset.load()
        beside, name = self._copy_path(kind, key), _name(kind, key)
        state = _state(self.path(kind, key))
        if state is not None and (found := copied(beside, name, state)) is not None:
            return found
        with self.reading(kind, key) as dataset:
            loaded = dataset.load()
        if state is not None:
            copy(beside, name, state, loaded)
        return loaded

    @contextmanager
    def reading(self, kind: Kind, key: str) -> Iterator[xr.Dataset]:
        """Open a dataset to read parts of it; a part that does not read back is a CorruptError."""
        dataset = self.opened(kind, key)
        try:
            yield dataset
        except (RuntimeError, AttributeError) as error:
            if "NetCDF" not in str(error):
                raise
            raise self._quarantined(self.path(kind, key), error) from error
        finally:
            dataset.close()

    def opened(self, kind: Kind, key: str) -> xr.Dataset:
        """Open a dataset whose seal holds; it is closed with the last reference to it.

        Raises
        ------
        StoreError
            It is not there, or the system does not let it be read.
        CorruptError
            It is of another key, or damaged; it has been moved aside, so that it is made again.
        """
        import xarray as xr

        self.check(kind, key)
        path = self.path(kind, key)
        try:
            return xr.open_dataset(path, engine="netcdf4")
        except OSError as error:
            if (error.errno or 0) > 0:  # netCDF's own are negative
                raise _refused(path, error) from error
            raise self._quarantined(path, error) from error
        except (RuntimeError, ValueError, AttributeError, KeyError) as error:
            raise self._quarantined(path, error) from error

    def said(self, kind: Kind, key: str) -> dict[str, Any]:
        """Return what a result says of how it was made, without reading its values.

        Nothing is held against the seal: a recording may have twenty gigabytes. For estimates.

        Raises
        ------
        StoreError
            It is not there, or does not open.
        """
        import netCDF4

        path = self.path(kind, key)
        try:
            with netCDF4.Dataset(path) as file:
                of_values = [v for name, v in file.variables.items() if name not in file.dimensions]
                return {k: v for part in (file, *of_values) for k, v in part.__dict__.items()}
        except (OSError, RuntimeError, AttributeError) as error:
            raise StoreError(f"{path} does not open: {error}") from error

    def set_aside(self, path: Path) -> Path:
        """Rename a file that does not fit, so that it is made again; return its new name."""
        aside = path.with_name(f"{path.stem}.corrupt-{time.time_ns()}")
        with explained(self.root):
            if path.exists():
                os.replace(path, aside)
        return aside

    def _quarantined(self, path: Path, error: Exception | str) -> CorruptError:
        aside = self.set_aside(path)
        return CorruptError(
            f"{path} does not read back whole ({error}); moved to {aside.name}",
            "run the same command again: the result is made anew",
        )

    @contextmanager
    def lock(self, kind: str, key: str, *, wait: bool = True) -> Iterator[None]:
        """Hold a result while it is made; another process that wants it waits.

        Parameters
        ----------
        kind : Kind or str
            What is made.
        key : str
        wait : bool
            Whether to wait for another holder.

        Raises
        ------
        Held
            Another process holds it, and ``wait`` is not set.
        """
        path = self.root / "locks" / f"{kind}-{key[:32]}.lock"
        with explained(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
        with held(path, wait=wait):
            yield

    @contextmanager
    def unfinished(self, key: str, *, anew: bool = False) -> Iterator[Path]:
        """Give a folder for work in progress; it is deleted unless something went wrong.

        Parameters
        ----------
        key : str
        anew : bool
            Without what was left there.

        Yields
        ------
        Path
            The same for the same key; it may not exist yet.
        """
        folder = self.unfinished_path(key)
        if anew:
            shutil.rmtree(folder, ignore_errors=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def scratch(self, kind: Kind, key: str) -> Iterator[Path]:
        """Give a folder of this process alone; whatever happens, it is gone afterwards.

        It is where the result will be, on the same disk. What a killed process leaves is swept, and
        goes when somebody makes the same result.
        """
        # Not named as the file is when it is written: that sweeps files of its name.
        grows = self.path(kind, key).with_name(f"grows-{key[:16]}")
        with explained(self.root):
            grows.parent.mkdir(parents=True, exist_ok=True)
            for left in stale(grows.parent, f".{grows.name}.~"):
                shutil.rmtree(left, ignore_errors=True)
        folder = grows.with_name(temporary_name(grows))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def unfinished_path(self, key: str) -> Path:
        """Where work in progress is, or would be."""
        return self.root / "unfinished" / key[:32]

    def check_writable(self) -> None:
        """Fail now rather than after an hour, and sweep what killed writes have left.

        Raises
        ------
        StoreError
            Nothing can be written here.
        """
        with writing(self.root / ".probe") as beside:
            beside.write_bytes(b"brainpress")
        (self.root / ".probe").unlink(missing_ok=True)
        with explained(self.root):
            sweep(self.root)
            sweep_notes(self.root / "locks")

    def free_bytes(self) -> int:
        """Bytes free on the store's disk."""
        return _free(self.root)


def _name(kind: Kind, key: str) -> str:
    """Return what a file's seal names."""
    return f"{kind}/{key}"


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is written or replaced; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _refused(path: Path, error: OSError) -> StoreError:
    """Tell what the system refuses: too many files open, no permission."""
    return StoreError(
        f"cannot read {path}: {error.strerror}",
        "the file is left as it is; mend what the system says and run again",
    )


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
