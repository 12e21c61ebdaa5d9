"""The llm-compressor library's GPTQ, SparseGPT, Wanda, AWQ and SmoothQuant."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from harness.compress.text.calibration import CalibrationSpec
from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.layers.linear import Layer
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.grid import Grid
    from harness.compress.report.summary import CompressionReport, Detail
    from harness.compress.text.calibration import Calibration

Method = Literal["gptq", "sparsegpt", "wanda", "awq", "smoothquant"]

_CITATIONS: Mapping[str, str] = {
    "gptq": "Frantar et al. 2023, GPTQ, ICLR",
    "sparsegpt": "Frantar, Alistarh 2023, SparseGPT, ICML",
    "wanda": "Sun et al. 2024, A simple and effective pruning approach for LLMs, ICLR",
    "awq": "Lin et al. 2024, AWQ, MLSys",
    "smoothquant": "Xiao et al. 2023, SmoothQuant, ICML",
}


@dataclass(frozen=True)
class LLMCompressor:
    """Compress with llm-compressor, on the same layers and the same calibration text as ours.

    The library simulates rounding while the model runs; here the rounded weights take the place of
    the weights, and rounding of inputs (SmoothQuant) is done as in ours, so that the model is saved
    and loaded like any other.

    Parameters
    ----------
    method : {"gptq", "sparsegpt", "wanda", "awq", "smoothquant"}
        Which of its methods.
    bits : int
        Bits a code, where it rounds.
    group : int, "auto" or "channel"
        Weights of a row that share a scale; see :class:`harness.compress.methods.grid.Grid`.
    symmetric : bool
        Without zero points.
    sparsity : float or str
        Share to prune, or n:m, where it prunes.
    calibration : CalibrationSpec
        The text.
    """

    method: Method
    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False
    sparsity: float | str = 0.5
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Compress every ``nn.Linear`` of the blocks, in place.

        Raises
        ------
        ExtraMissing
            The library is not installed.
        CompressionError
            An option does not fit, there is no calibration text, or the library did nothing: it
            knows no ``Conv1D`` (GPT-2).
        """
        del workspace
        from harness.compress.layers.walk import required
        from harness.compress.library import compress_with, require
        from harness.compress.methods.grid import Grid
        from harness.compress.methods.sparsity import parse_pattern

        require("llmcompressor", "llmcompressor")
        tokens = required(calibration).tokens
        grid = Grid(self.bits, self.group, self.symmetric)
        pattern = parse_pattern(self.sparsity)

        def work(layers: list[Layer]) -> dict[str, Detail]:
            linear = [layer for layer in layers if not layer.transposed]
            if not linear:
                raise CompressionError(
                    f"llm-compressor finds nothing to change in {type(model).__name__}: it knows "
                    "nn.Linear, and these blocks are made of Conv1D",
                    f"take ours, {self.method!r}, which knows both",
                )
            with _prepared(model):
                _oneshot(model, tokens, self._recipe(linear, grid))
            bits = self.bits if self.method == "smoothquant" else None
            return {layer.name: _settle(layer, bits) for layer in linear}

        def packed_bits(layer: Layer, weight: Tensor) -> int:
            if self.method in ("sparsegpt", "wanda"):
                return pattern.packed_bits(layer.shape, int((weight != 0).sum()))
            return grid.packed_bits(layer.shape)

        return compress_with(model, work, packed_bits)

    def _recipe(self, layers: list[Layer], grid: Grid) -> list[Any]:
        from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier
        from llmcompressor.modifiers.quantization import GPTQModifier, QuantizationModifier
        from llmcompressor.modifiers.transform.awq import AWQModifier
        from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier

        names = [layer.name for layer in layers]
        if self.method in ("sparsegpt", "wanda"):
            pruning = {"sparsegpt": SparseGPTModifier, "wanda": WandaPruningModifier}[self.method]
            structured = isinstance(self.sparsity, str)
            return [
                pruning(
                    sparsity=0.5 if structured else self.sparsity,
                    mask_structure=self.sparsity if structured else "0:0",
                    targets=names,
                )
            ]
        groups = _schemes(layers, grid, self.bits if self.method == "smoothquant" else None)
        if self.method == "gptq":
            return [GPTQModifier(config_groups=groups)]
        before: Any = AWQModifier()
        if self.method == "smoothquant":
            before = SmoothQuantModifier(smoothing_strength=0.5)
        return [before, QuantizationModifier(config_groups=groups)]


def _schemes(layers: list[Layer], grid: Grid, input_bits: int | None) -> dict[str, Any]:
    """Return the library's word for a grid: one scheme for each size of group."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    by_size: dict[int | None, list[str]] = {}
    for layer in layers:
        size = grid.group_size(layer.shape[1])
        by_size.setdefault(None if size == layer.shape[1] else size, []).append(layer.name)
    inputs = (
        None
        if input_bits is None
        else QuantizationArgs(num_bits=input_bits, symmetric=True, strategy="token", dynamic=True)
    )
    return {
        f"group_{number}": QuantizationScheme(
            targets=names,
            weights=QuantizationArgs(
                num_bits=grid.bits,
                symmetric=grid.symmetric,
                strategy="channel" if size is None else "group",
                group_size=size,
            ),
            input_activations=inputs,
        )
        for number, (size, names) in enumerate(by_size.items())
    }


def _oneshot(model: nn.Module, tokens: Tensor, recipe: list[Any]) -> None:
    import torch
    from llmcompressor import oneshot
    from torch.utils.data import DataLoader

    batches = [
        {"input_ids": row[None], "attention_mask": torch.ones_like(row)[None]} for row in tokens
    ]
    # The library insists on a tokenizer beside tokens, and does not use it; left to itself it would
    # cut the tie between embedding and head.
    oneshot(
        model=model,
        dataset=DataLoader(batches, batch_size=None),  # type: ignore[arg-type]
        processor=object(),
        tie_word_embeddings=True,
        recipe=recipe,
        num_calibration_samples=len(tokens),
        max_seq_length=tokens.shape[1],
    )


@contextmanager
def _prepared(model: nn.Module) -> Iterator[None]:
    """Give the library a folder with the model's config, and no pinned memory without a GPU."""
    import torch
    from llmcompressor.pipelines.cache import IntermediatesCache

    config: Any = model.config
    name = config.name_or_path
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config.save_pretrained(folder)
        config.name_or_path = folder
        stack.callback(setattr, config, "name_or_path", name)
        if not torch.cuda.is_available():
            # Its AWQ pins memory whether or not there is a device to pin it for.
            pin = IntermediatesCache.pin_memory
            stack.callback(setattr, IntermediatesCache, "pin_memory", pin)
            IntermediatesCache.pin_memory = lambda *_, **__: None
        yield
    if hasattr(config, "quantization_config"):
        del config.quantization_config


def _settle(layer: Layer, input_bits: int | None) -> Detail:
    """Put a layer's rounded values in place of its weight, and take the simulation away."""
    import torch
    from compressed_tensors.quantization.lifecycle import fake_quantize

    from harness.compress.library import input_detail
    from harness.compress.methods.activations import round_inputs

    module: Any = layer.module
    scheme = getattr(module, "quantization_scheme", None)
    if scheme is None:
        _strip(module)
        return {}
    with torch.no_grad():
        zero_point = getattr(module, "weight_zero_point", None)
        rounded = fake_quantize(module.weight, module.weight_scale, zero_point, scheme.weights)
    _strip(module)
    layer.assign(rounded)
    if input_bits is not None:
        round_inputs(module, torch.ones(layer.shape[1]), input_bits)
    return {"bits": scheme.weights.num_bits, **input_detail(input_bits)}


def _strip(module: nn.Module) -> None:
    """Make a layer a plain one again."""
    for name in [name for name in module._parameters if name.startswith(("weight_", "input_"))]:
        delattr(module, name)
    ours = ("forward", "_original_forward_func")
    for name in [n for n in vars(module) if n in ours or n.startswith("quantization_")]:
        delattr(module, name)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return the library's methods at the settings of ours."""
    return [
        _spec("gptq@llmcompressor-int4", "gptq", bits=4),
        _spec("gptq@llmcompressor-int3", "gptq", bits=3),
        _spec("awq@llmcompressor-int4", "awq", bits=4),
        _spec(
            "smoothquant@llmcompressor-int8",
            "smoothquant",
            bits=8,
            group="channel",
            symmetric=True,
        ),
        _spec("sparsegpt@llmcompressor-50", "sparsegpt", sparsity=0.5),
        _spec("sparsegpt@llmcompressor-2:4", "sparsegpt", sparsity="2:4"),
        _spec("wanda@llmcompressor-50", "wanda", sparsity=0.5),
        _spec("wanda@llmcompressor-2:4", "wanda", sparsity="2:4"),
    ]


def _spec(name: str, method: str, **options: Any) -> CompressorSpec:
    sparsity = options.get("sparsity")
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.llmcompressor_library:LLMCompressor",
        options={"method": method, "calibration": CalibrationSpec(), **options},
        method=f"{method}@llmcompressor",
        bits=options.get("bits"),
        sparsity=0.5 if isinstance(sparsity, str) else sparsity,
        calibrated=True,
        extra="llmcompressor",
        tags=("library", "pruning" if sparsity else "quantization"),
        citation=f"llm-compressor, the vLLM project; {_CITATIONS[method]}",
        homepage="https://github.com/vllm-project/llm-compressor",
        notes="A second implementation, to check ours against. It has no word for Conv1D (GPT-2).",
    )
