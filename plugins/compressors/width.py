"""Width: heads and MLP channels taken out of every block, the others making up for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.compress.text.calibration import CalibrationSpec
from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.compress.layers.dependence import Columns, Rows
    from harness.compress.layers.linear import Layer
    from harness.compress.layers.stream import Stream
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.moments import InputStatistics
    from harness.compress.report.summary import CompressionReport, LayerReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class NarrowBlocks:
    """Take out the heads and channels that cost least (after Kurtic et al. 2023, ZipLM).

    What goes is an input of the layer that ends the attention or the MLP: one channel there, a
    group of query heads with the key and value head they share here, so that what is left is a
    model of fewer heads and channels (Ma et al. 2023, LLM-Pruner, takes the same units). In each
    block the units are taken for which the error that is added to the residual stream is least for
    the weights they save; the inputs that stay make up for it by least squares.

    Parameters
    ----------
    share : float
        Share of every block's weights to take out, in (0, 1).
    damping : float
        Added to the diagonal of the second moments, as a share of its mean.
    calibration : CalibrationSpec
        The text.
    """

    share: float = 0.1
    damping: float = 0.01
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Narrow every block, in place. What was taken out stays in the tensors, as zeros.

        Raises
        ------
        CompressionError
            The share is not in (0, 1), or a block cannot lose it; blocks share keys and values; or
            there is no calibration text.
        """
        from harness.compress.layers.enter import enter
        from harness.compress.layers.own_run import eager_experts
        from harness.compress.layers.rewrite import count_parameters, naming, summarise
        from harness.compress.layers.walk import required
        from harness.compress.layers.workspace import Workspace
        from harness.compress.report.meter import Meter
        from harness.lm.anatomy import anatomy

        if not 0 < self.share < 1:
            raise CompressionError(
                f"a share of {self.share} cannot be taken out", "give a share in (0, 1), such as .1"
            )
        _check_separate(model)
        workspace = workspace or Workspace()
        parts = anatomy(model)
        parameters = count_parameters(model)
        rows: list[LayerReport] = []
        with Meter(workspace.device_of(parts.blocks[0])) as meter, eager_experts(model):
            entered = enter(model, required(calibration).tokens, workspace)
            stream, units = entered.stream, _units(model)
            for index, (name, block) in enumerate(
                zip(parts.block_names, parts.blocks, strict=True)
            ):
                with workspace.visiting(name, block) as device:
                    if kept := workspace.kept(name):
                        done = kept.put_back(block)
                    else:
                        with naming(name):
                            visit = _Visit(block, entered.layers[index], stream, device)
                            done = visit.narrow(units, self.share, self.damping)
                        workspace.keep(name, block, done)
                    if index + 1 < len(parts.blocks):
                        stream.advance(block, device)
                rows += done
                workspace.report_progress(index + 1, len(parts.blocks))
        layers = [layer for block in entered.layers for layer in block]
        return summarise(model, layers, rows, parameters, meter)


def _check_separate(model: nn.Module) -> None:
    """Refuse blocks whose keys and values others read: what a row reaches is not in its block."""
    config = _text_config(model)
    if getattr(config, "num_kv_shared_layers", 0):
        raise CompressionError(
            f"{config.model_type} has blocks that take keys and values of another: what a head "
            "reaches is not seen in its own block",
            "svd and pruning make such a model smaller",
        )


def _text_config(model: nn.Module) -> Any:
    config: Any = model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _units(model: nn.Module) -> tuple[int, ...]:
    """Return into how many units attention may fall: by query heads, by key and value heads."""
    config = _text_config(model)
    names = ("num_attention_heads", "num_key_value_heads", "num_kv_heads")
    counts = {getattr(config, name, None) or 1 for name in names}
    return tuple(sorted(count for count in counts if isinstance(count, int)))


@dataclass(frozen=True)
class _End:
    """A layer that ends a part of a block, and what its inputs are worth.

    Parameters
    ----------
    layer : Layer
    unit : int
        Inputs that go together.
    saved : float
        Weights that go with one unit.
    """

    layer: Layer
    unit: int
    saved: float


@dataclass(frozen=True)
class _Visit:
    """A block that is narrowed."""

    block: nn.Module
    layers: Sequence[Layer]
    stream: Stream
    device: torch.device

    def narrow(self, counts: Sequence[int], share: float, damping: float) -> list[LayerReport]:
        from harness.compress.layers.dependence import dead_rows, live_rows

        live = live_rows(self.block, self.layers, self.stream, self.device)
        ends = self._ends(counts, live)
        if not ends:
            raise CompressionError(
                "no head and no channel can go by itself: a norm over all of them, or a mixing, "
                "stands before the layer that would lose one",
                "svd, depth and pruning make such a model smaller",
            )
        seen = self._observe([end.layer for end in ends])
        cut = _choose(ends, seen, share * _weights(self.layers), damping)
        dead = dead_rows(self.block, self.layers, self.stream, self.device, cut, live)
        return self._put(ends, seen, cut, dead, damping)

    def _ends(self, counts: Sequence[int], live: Rows) -> list[_End]:
        """Find the layers that end a part, and the unit that saves most for each of its inputs."""
        from harness.compress.layers.dependence import dead_rows
        from harness.compress.layers.observe import sharing

        width = self.stream.width
        alone: dict[tuple[str, str], list[Layer]] = {}
        for group in sharing(self.block, self.layers, self.stream, self.device):
            layer = group.layers[0]
            if len(group.layers) == 1 and not group.after_norm and layer.shape[0] == width:
                expert = layer.expert
                kind = (expert.mixture, expert.role) if expert else (layer.name, "")
                alone.setdefault(kind, []).append(layer)
        ends = []
        for alike in alone.values():
            inputs = alike[0].shape[1]
            best, unit = 0.0, 0
            for size in sorted({1, *(inputs // n for n in counts if n > 1 and inputs % n == 0)}):
                cut = {layer.name: _first(inputs, size) for layer in alike}
                dead = dead_rows(self.block, self.layers, self.stream, self.device, cut, live)
                saved = _weights(self.layers, dead) / size / len(alike)
                if saved > best * 1.01:
                    best, unit = saved, size
            ends += [_End(layer, unit, unit * (best + width)) for layer in alike if unit]
        return ends

    def _observe(self, layers: Sequence[Layer]) -> Mapping[str, InputStatistics]:
        from harness.compress.layers.observe import observe

        groups = observe(
            self.block, layers, self.stream, self.device, advance=False, to_the_end=False
        )
        return {layer.name: group.statistics for group in groups for layer in group.layers}

    def _put(
        self,
        ends: Sequence[_End],
        seen: Mapping[str, InputStatistics],
        cut: Columns,
        dead: Rows,
        damping: float,
    ) -> list[LayerReport]:
        from harness.compress.compressor import Compressed
        from harness.compress.layers.rewrite import put, read_weight
        from harness.compress.methods.structured import without_inputs
        from harness.compress.report.accounting import dense_bits

        units = {end.layer.name: end.unit for end in ends}
        done = {}
        # The ends first: what comes out of the block must not change when dead rows go after them.
        for layer in sorted(self.layers, key=lambda layer: layer.name not in cut):
            before = read_weight(layer, self.device)
            after, columns = before.clone(), 0
            moments = seen[layer.name].moments if layer.name in cut else None
            if moments is not None:
                removed = cut[layer.name].nonzero()[:, 0]
                after = without_inputs(before, moments, removed, damping)
                columns = len(removed)
            after[dead[layer.name].to(after.device)] = 0
            rows = int(dead[layer.name].sum())
            left = (layer.shape[0] - rows) * (layer.shape[1] - columns)
            detail = {"removed_inputs": columns, "removed_outputs": rows}
            if layer.name in units:
                detail["unit"] = units[layer.name]
            done[layer.name] = put(
                layer, before, Compressed(after, dense_bits(left), detail), moments
            )
        return [done[layer.name] for layer in self.layers]


def _first(inputs: int, size: int) -> Tensor:
    import torch

    return torch.arange(inputs) < size


def _weights(layers: Sequence[Layer], rows: Rows | None = None) -> int:
    """Count the weights of layers, or of some of their rows."""
    return sum(
        (layer.shape[0] if rows is None else int(rows[layer.name].sum())) * layer.shape[1]
        for layer in layers
    )


def _choose(
    ends: Sequence[_End], seen: Mapping[str, InputStatistics], wanted: float, damping: float
) -> Columns:
    """Choose the units that cost least for what they save, until enough is saved.

    Errors of two layers that end in the residual stream are of one size; an expert's count by the
    tokens that reach it, or its floor.
    """
    import torch

    from harness.compress.methods.structured import losses

    offers = []
    for place, end in enumerate(ends):
        statistics = seen[end.layer.name]
        tokens = max(statistics.tokens, end.layer.shape[1]) if end.layer.expert else 0
        weight = end.layer.weight(statistics.moments.device)
        cost = losses(weight, statistics.moments, end.unit, damping) * (tokens or statistics.tokens)
        offers += [(float(c) / end.saved, place, unit) for unit, c in enumerate(cost)]
    saved = 0.0
    cut = {end.layer.name: torch.zeros(end.layer.shape[1], dtype=torch.bool) for end in ends}
    left = [end.layer.shape[1] // end.unit for end in ends]
    for _, place, unit in sorted(offers):
        end = ends[place]
        if left[place] > 1 and saved + end.saved / 2 <= wanted:
            cut[end.layer.name][unit * end.unit : (unit + 1) * end.unit] = True
            left[place] -= 1
            saved += end.saved
    if wanted - saved > min(end.saved for end in ends) / 2:
        raise CompressionError(
            f"{wanted:.0f} weights were to go with heads and channels, and {saved:.0f} can: "
            "each attention keeps a head, and each MLP a channel",
            "give a smaller share",
        )
    return {name: columns for name, columns in cut.items() if bool(columns.any())}


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return blocks without a tenth and without a quarter of their weights."""
    return [_spec("width-10", 0.1), _spec("width-25", 0.25)]


def _spec(name: str, share: float) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.width:NarrowBlocks",
        options={"share": share, "calibration": CalibrationSpec()},
        method="width",
        sparsity=share,
        calibrated=True,
        tags=("pruning", "structured"),
        citation=(
            "Kurtic, Frantar, Alistarh 2023, ZipLM: inference-aware structured pruning of language "
            "models, NeurIPS; units as in Ma, Fang, Wang 2023, LLM-Pruner: on the structural "
            "pruning of large language models, NeurIPS"
        ),
        homepage="https://arxiv.org/abs/2302.04089",
        notes=(
            "Every block loses the same share of its weights, in heads (with the key and value "
            "head they share) and channels. Not trained afterwards."
        ),
    )
