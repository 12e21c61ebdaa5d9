"""Other people's compressors, measured like ours.

A library changes a model in its own way; here the dense weights are compared before and after, so
that its result is reported in the same terms, and one that silently did nothing is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from torch import Tensor, nn

from harness.compress.layers.linear import Layer, block_layers
from harness.compress.layers.rewrite import count_parameters, frobenius, read_weight, summarise
from harness.compress.report.checks import check_finite
from harness.compress.report.meter import Meter
from harness.compress.report.summary import INPUT_BITS, CompressionReport, Detail, LayerReport
from harness.errors import ExtraMissing
from harness.spec.extras import install_command

PackedBits = Callable[[Layer, Tensor], int]
"""From a layer and its new weight (out, in) to its exact size."""


def require(extra: str, *modules: str) -> None:
    """Raise ExtraMissing when a module of an optional dependency is not installed.

    Parameters
    ----------
    extra : str
        Name of the extra of brainpress.
    *modules : str
        What it brings.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ExtraMissing(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            install_command(extra),
        )


def compress_with(
    model: nn.Module,
    work: Callable[[list[Layer]], Mapping[str, Detail]],
    packed_bits: PackedBits,
) -> CompressionReport:
    """Let a library work on a model, and report what it did.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    work : callable
        Changes the model in place, from the linear layers of its blocks; at the end their weights
        are dense. Returns what there is to say of layers, by name.
    packed_bits : callable
        The size of a layer.

    Returns
    -------
    CompressionReport
        Weight errors are of the weights as the library left them: where it has moved scales into
        norms (AWQ, SmoothQuant) they are no errors of rounding alone.

    Raises
    ------
    CompressionError
        A weight is not finite, or nothing changed.
    """
    layers = [layer for block in block_layers(model) for layer in block]
    parameters = count_parameters(model)
    before = [read_weight(layer, layer.device) for layer in layers]
    with Meter(layers[0].device) as meter, gradients_as_before(model):
        details = work(layers)
    rows = []
    for layer, old in zip(layers, before, strict=True):
        new = layer.weight()
        check_finite(new, layer.name, "the library overflowed here; try ours")
        rows.append(
            LayerReport(
                name=layer.name,
                shape=layer.shape,
                packed_bits=packed_bits(layer, new),
                zeros=int((new == 0).sum()),
                weight_norm=frobenius(old),
                weight_change=frobenius(new - old),
                detail=details.get(layer.name, {}),
            )
        )
    return summarise(model, layers, rows, parameters, meter)


@contextmanager
def gradients_as_before(model: nn.Module) -> Iterator[None]:
    """Leave the parameters' wish for gradients, and the model's mode, as they were."""
    wishes = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    training = model.training
    try:
        yield
    finally:
        model.train(training)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(wishes.get(name, False))


def input_detail(bits: int | None) -> Detail:
    """Return what a layer's detail says of the rounding of its input."""
    return {} if bits is None else {INPUT_BITS: bits}
