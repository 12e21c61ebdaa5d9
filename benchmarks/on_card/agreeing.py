"""What arithmetic and device move: features, scores, compressed weights; and a whole small run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from harness.encode.design.kernel import kernel_spectrum
from harness.encode.solve.scan import ScanFit, plan_scan
from harness.record.subject import LanguageSubject
from on_card import models
from on_card.compressing import methods, text
from on_card.fitting import Data, made
from on_card.setting import KINDS, Row, Setting, products_in


def arithmetic(setting: Setting) -> Iterator[Row]:
    """Errors of TF32 and bfloat16 against float32: on features, and on scores made of them."""
    shape = models.config(setting, "1.5B")
    model = models.draw(shape, torch.float32, setting.device)
    n, test = setting.pick((1500, 300), (160, 60))
    request = models.story(n + test, shape.vocab_size, setting.pick(
        "strided(512,256)", "strided(32,16)"
    ))  # fmt: skip
    layers = (1, shape.num_hidden_layers // 2, shape.num_hidden_layers)
    exact: np.ndarray | None = None
    scored: dict[int, tuple[Data, np.ndarray]] = {}
    for kind in KINDS:
        if kind == "tf32" and not setting.on_card:
            continue
        with products_in(kind) as dtype:
            models.cast(model, dtype)
            owner = models.language_model(model, "1.5B")
            found = LanguageSubject(owner, batch_tokens=8192).record(request)
            states = np.stack([found.isel(layer=layer).values for layer in layers])
        if exact is None:
            exact = states
        for layer, own, true in zip(layers, states, exact, strict=True):
            if layer not in scored:
                data = _responses(true, n, setting.pick(2000, 40))
                scored[layer] = data, data.r(_fitted(setting, data).predictions)
            data, r = scored[layer]
            moved = r
            if own is not true:
                moved = data.r(_fitted(setting, _with_features(data, own)).predictions)
            yield Row(
                "Against float32",
                {
                    "arithmetic": kind,
                    "layer": layer,
                    "features, relative error": _relative(own, true),
                    "mean r": float(moved.mean()),
                    "mean r moves by": float(moved.mean() - r.mean()),
                    "r of a voxel moves by, rms": float(np.sqrt(((moved - r) ** 2).mean())),
                    "at most": float(np.abs(moved - r).max()),
                },
            )


def _relative(values: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(values - true) / np.linalg.norm(true))


def _responses(features: np.ndarray, n: int, voxels: int) -> Data:
    """Voxels that are linear in the features, beside twice as much noise."""
    rng = np.random.default_rng(3)
    x = _z(features)
    weights = rng.standard_normal((x.shape[1], voxels), dtype=np.float32) / x.shape[1] ** 0.5
    y = x @ weights
    y += 2 * rng.standard_normal(y.shape, dtype=np.float32)
    return Data(x, y, n, np.geomspace(1e-3, 1e3, 20) * x.shape[1])


def _with_features(data: Data, features: np.ndarray) -> Data:
    return Data(_z(features), data.y, data.n, data.penalties)


def _z(features: np.ndarray) -> np.ndarray:
    return (features - features.mean(axis=0)) / features.std(axis=0)


def _fitted(setting: Setting, data: Data, device: str = "") -> ScanFit:
    kernel, n = data.kernel(), data.n
    spectrum = kernel_spectrum(kernel[:n, :n], kernel[n:, :n])
    where = device or str(setting.device)
    return plan_scan(spectrum, data.folds, data.penalties, device=where).fit(data.y[:n])


def agreement(setting: Setting) -> Iterator[Row]:
    """The same in float32 on the device and on the CPU, each with its bound."""
    cpu = torch.device("cpu")
    shape = models.config(setting, "135M", num_hidden_layers=3)
    model = models.draw(shape, torch.float32, cpu)
    words, vocabulary = setting.pick(1024, 96), shape.vocab_size
    asked = {
        "hidden states": models.story(words, vocabulary, "strided(128,64)"),
        "log-probabilities": models.sentences(words // 8, vocabulary),
    }
    found: dict[str, list[np.ndarray]] = {name: [] for name in asked}
    for device in (cpu, setting.device):
        owner = models.language_model(model.to(device), "135M")
        for name, request in asked.items():
            found[name].append(LanguageSubject(owner).record(request).values)
    for name, (here, there) in found.items():
        yield _agree(name, "relative error", _relative(there, here), 1e-4)
    data = made(*setting.pick((1000, 200, 1024, 4000), (120, 40, 64, 96)))
    host, card = _fitted(setting, data, "cpu"), _fitted(setting, data)
    same = host.chosen == card.chosen
    share = 1 - float(same.mean())
    yield _agree("ridge", "share of voxels with another penalty", share, 1e-3)
    off = float(np.abs(data.r(host.predictions) - data.r(card.predictions))[same].max())
    yield _agree("ridge", "r, at the same penalty, at most", off, 1e-4)
    del model, owner
    calibration = text(*setting.pick((16, 128), (4, 32)), vocabulary)
    for name, method in methods().items():
        errors = []
        for device in (cpu, setting.device):
            model = models.draw(shape, torch.float32, cpu).to(device)
            errors.append(method.compress(model, calibration, None).totals()["output_error"])
        off = abs(errors[1] - errors[0]) / errors[0]
        yield _agree(name, "output error, relative difference", off, 1e-2)


def _agree(what: str, measure: str, off: float, bound: float) -> Row:
    values = {"what": what, "measure": measure, "found": off, "bound": bound}
    # What is not a number is no agreement.
    return Row("Device against CPU", values | {"agrees": "yes" if off <= bound else "NO"})


def whole(setting: Setting) -> Iterator[Row]:
    """A run from a folder of weights to a board, on the device, without the network."""
    with TemporaryDirectory() as name, patch.dict(os.environ, BRAINPRESS_CACHE=f"{name}/cache"):
        import harness

        folder = Path(name) / "model"
        _write(setting, folder)
        settings: dict[str, Any] = {
            "models": f"file:{folder}",
            "compressors": setting.pick(["none", "gptq-int4:samples=16;length=256"], ["none"]),
            "benchmarks": setting.pick(
                ["minimal-pairs", "simulated-listening"], ["simulated-listening"]
            ),
            "device": str(setting.device),
            "offline": True,
            "store": Path(name) / "store",
        }
        for turn in ("first", "again, from the store"):
            host = time.process_time()
            seconds, board = setting.timed(lambda: harness.run(**settings))
            values = {"run": turn, "cells": _cells(board), "s": seconds}
            yield Row("A whole run", values | {"host CPU s": time.process_time() - host})
            status = board["cells"]["status"].values
            if (status != "done").any():
                reasons = sorted(set(board["cells"]["reason"].values[status != "done"].tolist()))
                raise RuntimeError(f"not every cell is done: {'; '.join(reasons)}")


def _cells(board: Any) -> str:
    """Count cells by what became of them."""
    status, count = np.unique(board["cells"]["status"].values, return_counts=True)
    return ", ".join(f"{n} {name}" for name, n in zip(status, count, strict=True))


def _write(setting: Setting, folder: Path) -> None:
    """Write a random model and a tokenizer of single bytes, as ``save_pretrained`` does."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers import models as kinds
    from transformers import PreTrainedTokenizerFast

    tokens = ["<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(kinds.BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(folder)
    shape = models.config(setting, "135M", vocab_size=len(tokens))
    models.draw(shape, torch.float32, setting.device).save_pretrained(folder)
