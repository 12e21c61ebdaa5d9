"""What a compressor did, layer by layer and in all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

from harness.compress.report.accounting import dense_bits, packed_bytes

Detail = Mapping[str, float | int | str | bool | None]

INPUT_BITS = "input_bits"
"""What a layer's detail calls the bits its input is rounded to."""

COVERED = 0.9
"""Share of the blocks' weights from which on a model counts as compressed."""


@dataclass(frozen=True)
class LayerReport:
    """What became of one layer.

    Parameters
    ----------
    name : str
        Path of the module in the model.
    shape : tuple of int
        (out, in).
    packed_bits : int
        Exact size as packed, scales and masks included; see
        :mod:`harness.compress.report.accounting`.
    zeros : int
        Weights that are zero.
    weight_norm, weight_change : float
        Frobenius norms of the weight before, and of its change.
    output_error : float, optional
        Relative error of the layer's output on the calibration text, ``||dW X|| / ||W X||``: of its
        weight alone, not of a rounding of its input.
    detail : mapping
        What else the method has to say: group, damping used, rank.
    """

    name: str
    shape: tuple[int, int]
    packed_bits: int
    zeros: int
    weight_norm: float
    weight_change: float
    output_error: float | None = None
    detail: Detail = field(default_factory=dict)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.shape[0] * self.shape[1]

    @property
    def bits_per_weight(self) -> float:
        """Realised bits a weight, scales and zero points included."""
        return self.packed_bits / self.weights

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero."""
        return self.zeros / self.weights

    @property
    def weight_error(self) -> float:
        """Relative error of the weight, Frobenius."""
        return self.weight_change / self.weight_norm if self.weight_norm else 0.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LayerReport:
        """Read what ``dataclasses.asdict`` and JSON made of a row."""
        return cls(**{**data, "shape": tuple(data["shape"])})


@dataclass(frozen=True)
class CompressionReport:
    """What a compressor did to a model.

    Parameters
    ----------
    layers : tuple of LayerReport
        The layers it changed.
    skipped : mapping
        Path of each other module with weights, to the reason why it was left alone.
    parameters : int
        Parameters of the model before, a shared (tied) one counted once.
    remaining : int
        Parameters outside ``layers`` that the compressed model still has.
    seconds : float
        Wall time of the compression.
    peak_memory : int
        Peak memory of the process meanwhile, bytes; on an accelerator, of the accelerator.
    block_weights : int
        Weights of the blocks that are matrices, those of all experts included, a shared one counted
        once: what ``coverage`` is a share of. 0 where nobody counted.
    restore : mapping
        What weights alone do not say of the compressed model, JSON-able: ``dropped_blocks``,
        ``key_value_bits``; :func:`harness.compress.layers.restore.restore` applies it.
    """

    layers: tuple[LayerReport, ...]
    skipped: Mapping[str, str]
    parameters: int
    remaining: int
    seconds: float = 0.0
    peak_memory: int = 0
    restore: Mapping[str, Any] = field(default_factory=dict)
    block_weights: int = 0

    @property
    def weights(self) -> int:
        """Number of weights in compressed layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def bits_per_weight(self) -> float:
        """Bits a weight over the compressed layers, scales and zero points included; 16 if none."""
        bits = sum(layer.packed_bits for layer in self.layers)
        return bits / self.weights if self.layers else float(dense_bits(1))

    @property
    def bits_per_weight_model(self) -> float:
        """Bits a parameter over the whole model as it was."""
        bits = sum(layer.packed_bits for layer in self.layers) + dense_bits(self.remaining)
        return bits / self.parameters

    @property
    def sparsity(self) -> float:
        """Share of zeros in the compressed layers."""
        return sum(layer.zeros for layer in self.layers) / self.weights if self.layers else 0.0

    @property
    def coverage(self) -> float | None:
        """Share of the blocks' weights that are in compressed layers; None where nobody counted.

        Below :data:`COVERED` a result says little of what the compressor costs *this* model.
        """
        known = self.block_weights and self.layers
        return min(1.0, self.weights / self.block_weights) if known else None

    @property
    def sparsity_model(self) -> float:
        """Share of zeros among all parameters, of which only compressed layers have been looked at.

        Weights that are gone altogether (dropped blocks) count as zeros.
        """
        return sum(layer.zeros for layer in self.layers) / self.parameters

    @property
    def bytes_base(self) -> int:
        """Bytes of the model before, at two bytes a parameter."""
        return packed_bytes(dense_bits(self.parameters))

    @property
    def bytes_packed(self) -> int:
        """Bytes of the compressed model exactly as packed, all else at two bytes a parameter."""
        packed = sum(packed_bytes(layer.packed_bits) for layer in self.layers)
        return packed + packed_bytes(dense_bits(self.remaining))

    @property
    def ratio(self) -> float:
        """How many times smaller the model became."""
        return self.bytes_base / self.bytes_packed

    @property
    def weight_error(self) -> float:
        """Relative error of all compressed weights together, Frobenius."""
        norm = sqrt(sum(layer.weight_norm**2 for layer in self.layers))
        change = sqrt(sum(layer.weight_change**2 for layer in self.layers))
        return change / norm if norm else 0.0

    @property
    def output_error(self) -> float | None:
        """Mean relative output error of the layers; None when there was no calibration."""
        errors = [layer.output_error for layer in self.layers if layer.output_error is not None]
        return sum(errors) / len(errors) if errors else None

    def totals(self) -> dict[str, float | int | None]:
        """Return what is said of the model as a whole."""
        return {
            "bits_per_weight": self.bits_per_weight,
            "bits_per_weight_model": self.bits_per_weight_model,
            "coverage": self.coverage,
            "sparsity": self.sparsity,
            "sparsity_model": self.sparsity_model,
            "bytes_base": self.bytes_base,
            "bytes_packed": self.bytes_packed,
            "ratio": self.ratio,
            "weight_error": self.weight_error,
            "output_error": self.output_error,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
        }

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``json.dump``; totals are in it for readers of the file."""
        return {"totals": self.totals(), **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CompressionReport:
        """Read what :meth:`to_json` wrote; totals are computed again."""
        rows = tuple(LayerReport.from_json(row) for row in data["layers"])
        fields = {name: value for name, value in data.items() if name not in ("totals", "layers")}
        return cls(layers=rows, **fields)
