"""HQQ against the authors' loop, written out group by group in float64."""

from __future__ import annotations

import numpy as np
import torch
from brainpress_plugins.compressors.hqq import round_half_quadratic

from harness.compress.methods.grid import Grid, round_to_grid


def authors(weight: np.ndarray, bits: int, group: int) -> np.ndarray:
    """Return what hqq.core.optimize.optimize_weights_proximal_legacy gives, all groups together."""
    groups = weight.reshape(-1, group).astype(np.float64)
    low, high = groups.min(1, keepdims=True), groups.max(1, keepdims=True)
    top = 2**bits - 1
    step = ((high - low) / top).astype(np.float16).astype(np.float64)
    scale, zero = 1 / step, -low / step
    beta, best, kept = 10.0, np.inf, zero
    for _ in range(20):
        codes = np.clip(np.round(groups * scale + zero), 0, top)
        back = (codes - zero) / scale
        error = groups - back
        now = np.abs(error).mean()
        if now >= best:
            break
        best, kept = now, zero
        size = np.abs(error)
        shrunk = np.sign(error) * np.maximum(size - np.maximum(size, 1e-12) ** (0.7 - 1) / beta, 0)
        zero = (codes - (groups - shrunk) * scale).mean(1, keepdims=True)
        beta *= 1.01
    zero = kept.astype(np.float16).astype(np.float64)
    codes = np.clip(np.round(groups * scale + zero), 0, top)
    return ((codes - zero) / scale).reshape(weight.shape)


def test_it_is_the_authors_loop_and_makes_most_errors_smaller() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(24, 128, generator=generator) * 0.05
    weight[::5, ::7] *= 6
    for bits in (2, 3, 4):
        grid = Grid(bits, 64)
        found = round_half_quadratic(weight, grid)
        expected = torch.from_numpy(authors(weight.numpy(), bits, 64)).float()
        # Float32 may put a weight that lies between two codes on the other one.
        assert float((found - expected).abs().gt(1e-4).float().mean()) < 1e-3
        plain = (round_to_grid(weight, grid) - weight).abs().mean()
        assert float((found - weight).abs().mean()) < float(plain)
