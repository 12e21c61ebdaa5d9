"""A compressor that rounds every linear weight to one of a few values."""

from harness.compress.report.summary import CompressionReport, LayerReport


class Halve:
    """Round weights to multiples of a quarter of their largest."""

    calibration = None

    def compress(self, model, calibration=None, workspace=None):
        """Compress in place and report."""
        from harness.lm.anatomy import anatomy, linear_layers

        rows = []
        parts = anatomy(model)
        for name, block in zip(parts.block_names, parts.blocks, strict=True):
            for path, layer in linear_layers(block).items():
                before = layer.weight.detach().clone()
                step = before.abs().max() / 4
                layer.weight.data = (before / step).round() * step
                rows.append(
                    LayerReport(
                        f"{name}.{path}",
                        tuple(before.shape),
                        packed_bits=4 * before.numel() + 16,
                        zeros=int((layer.weight == 0).sum()),
                        weight_norm=float(before.norm()),
                        weight_change=float((layer.weight - before).norm()),
                    )
                )
        parameters = sum(p.numel() for p in model.parameters())
        weights = sum(r.weights for r in rows)
        return CompressionReport(
            tuple(rows), {}, parameters=parameters, remaining=parameters - weights
        )
