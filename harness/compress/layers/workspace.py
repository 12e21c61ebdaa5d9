"""Where the blocks of a model are while it is compressed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.compress.layers.offload import read_tensors
from harness.compress.layers.restore import restore_inputs
from harness.compress.report.summary import LayerReport
from harness.compress.report.tensor_file import reading_tensors, write_tensors
from harness.errors import CompressionError, CorruptError
from harness.place.memory import give_back


@dataclass(frozen=True)
class KeptBlock:
    """A block that an earlier run finished.

    Parameters
    ----------
    state : mapping
        Its parameters and buffers.
    name : str
        Its path in the model.
    rows : tuple of LayerReport
        What became of its layers.
    """

    state: Mapping[str, Tensor]
    name: str
    rows: tuple[LayerReport, ...]

    def put_back(self, block: nn.Module) -> list[LayerReport]:
        """Load the block, and return what became of its layers."""
        restore_inputs(block, f"{self.name}.", self.rows)
        block.load_state_dict(dict(self.state))
        return list(self.rows)


@dataclass(frozen=True)
class Workspace:
    """Which device works, and where finished blocks are kept.

    Parameters
    ----------
    device : torch.device or str, optional
        Blocks come to it one at a time and go back; None: they are worked on where they are.
    folder : Path, optional
        Finished blocks are kept here as safetensors, so that a run that was killed goes on with the
        first block that is not here. It belongs to one model, compressor and calibration; remove it
        afterwards.
    source : Path, optional
        Folder of safetensors from which blocks on the ``meta`` device are read when they are
        visited; see :mod:`harness.compress.layers.offload`. It needs a ``folder`` to keep them in.
    progress : callable, optional
        Called with blocks done and blocks in all.

    Raises
    ------
    CompressionError
        There is a source, and no folder.
    """

    device: torch.device | str | None = None
    folder: Path | None = None
    source: Path | None = None
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        if self.source is not None and self.folder is None:
            raise CompressionError(
                "blocks that are read from disk have nowhere to go when they are compressed",
                "give the workspace a folder",
            )

    def device_of(self, block: nn.Module) -> torch.device:
        """Return where a block is worked on."""
        home = next(block.parameters()).device
        return torch.device(self.device or ("cpu" if home.type == "meta" else home))

    @contextmanager
    def visiting(self, name: str, block: nn.Module) -> Iterator[torch.device]:
        """Bring a block to the device, and take it back."""
        home = next(block.parameters()).device
        device = self.device_of(block)
        if home.type == "meta":
            self._read(name, block, device)
        elif device != home:
            block.to(device)
        try:
            yield device
        finally:
            if device != home:
                block.to(home)

    def _read(self, name: str, block: nn.Module, device: torch.device) -> None:
        if self.source is None:
            raise CompressionError(
                f"{name} has shapes and no values (it is on the meta device)",
                "load the model whole, or give the workspace the folder it comes from",
            )
        block.to_empty(device=device)
        state = block.state_dict()
        tensors = read_tensors(self.source, [f"{name}.{key}" for key in state])
        block.load_state_dict({key: tensors[f"{name}.{key}"] for key in state})

    def kept(self, name: str) -> KeptBlock | None:
        """Return a block that an earlier run finished; None when none did."""
        if self.folder is None:
            return None
        try:
            with reading_tensors(self._path(name), self._label(name)) as (said, tensors):
                rows = json.loads(said["rows"])
                state = dict(tensors)
        except (FileNotFoundError, CorruptError, KeyError, ValueError):
            return None  # never finished, cut short, damaged or of another: it is made again
        return KeptBlock(state, name, tuple(LayerReport.from_json(row) for row in rows))

    def keep(self, name: str, block: nn.Module, rows: Sequence[LayerReport]) -> None:
        """Keep a block that is finished.

        Raises
        ------
        StoreError
            The folder is full or cannot be written.
        """
        if self.folder is None:
            return
        state = {key: value.contiguous().cpu() for key, value in block.state_dict().items()}
        metadata = {"rows": json.dumps([asdict(row) for row in rows])}
        write_tensors(self._path(name), state, metadata, name=self._label(name))

    def report_progress(self, done: int, total: int) -> None:
        """Say how far the work is, and let go of what the last block left behind."""
        give_back()
        if self.progress is not None:
            self.progress(done, total)

    def _label(self, name: str) -> str:
        assert self.folder is not None
        return f"blocks/{self.folder.name}/{name}"

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.safetensors"
