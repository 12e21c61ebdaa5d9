"""Ridge: decompositions, scans of many voxels, himalaya beside it, permutations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.encode.design.features import delayed_gram
from harness.encode.design.kernel import Spectrum, kernel_spectrum
from harness.encode.design.scores import pearson
from harness.encode.design.splits import contiguous_folds
from harness.encode.solve.scan import Scan, plan_scan
from harness.stats.permutation import block_permutation
from on_card.setting import Row, Setting

RIDGE = "Ridge with a penalty a voxel"


@dataclass(frozen=True)
class Data:
    """Features with a decaying spectrum, z-scored, and voxels of every predictability."""

    x: np.ndarray  # (n_train + n_test, n_features), float32
    y: np.ndarray  # (n_train + n_test, n_voxels), float32
    n: int  # training rows
    penalties: np.ndarray

    @property
    def folds(self) -> Any:
        """Five contiguous ones."""
        return contiguous_folds(np.zeros(self.n), 5, 0)

    def kernel(self) -> np.ndarray:
        """Inner products of all rows, float64."""
        runs = np.repeat([0, 1], [self.n, len(self.x) - self.n])
        return delayed_gram(self.x, runs, range(1))

    def r(self, predictions: np.ndarray) -> np.ndarray:
        """Correlation of predictions with what was held out."""
        return pearson(self.y[self.n :].astype(np.float64), predictions.astype(np.float64))


def made(n: int, test: int, features: int, voxels: int) -> Data:
    """Draw data on the spot."""
    rng = np.random.default_rng(0)
    rank = min(200, n // 2)
    latent = rng.standard_normal((n + test, rank), dtype=np.float32)
    latent *= np.arange(1, rank + 1, dtype=np.float32) ** -0.5
    x = latent @ rng.standard_normal((rank, features), dtype=np.float32)
    x += 0.3 * rng.standard_normal(x.shape, dtype=np.float32)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = latent[:, :50] @ rng.standard_normal((min(50, rank), voxels), dtype=np.float32)
    y *= rng.uniform(0, 1, voxels).astype(np.float32)
    y += 3 * rng.standard_normal(y.shape, dtype=np.float32)
    return Data(x, y, n, np.geomspace(1e-3, 1e3, 20) * features)


def ridge(setting: Setting) -> Iterator[Row]:
    """Decompositions on host and card, scans at three widths, himalaya, permutations."""
    data = made(*setting.pick((3500, 300, 8192, 65536), (120, 40, 64, 96)))
    gram, kernel = setting.timed(data.kernel)
    n = data.n
    host, spectrum = setting.timed(lambda: kernel_spectrum(kernel[:n, :n], kernel[n:, :n]))
    yield _decomposed("Gram matrix of the features, host", "float64", gram)
    yield _decomposed("eigendecomposition, host (the product's)", "float64", host)
    yield from _on_device(setting, kernel, data)
    yield from _scans(setting, data, spectrum, gram + host)
    yield from _permutations(setting)


def _decomposed(what: str, dtype: str, seconds: float, note: str = "") -> Row:
    values = {"of one fold": what, "arithmetic": dtype, "s": seconds, "note": note}
    return Row("Decompositions", values)


def _on_device(setting: Setting, kernel: np.ndarray, data: Data) -> Iterator[Row]:
    n = data.n
    train = kernel[:n, :n] - kernel[:n, :n].mean(axis=0)
    train -= train.mean(axis=1, keepdims=True)
    for dtype in (torch.float64, torch.float32):
        matrix = torch.from_numpy(train).to(setting.device, dtype)
        name = str(dtype).removeprefix("torch.")
        eigen: Callable[[], Any] = lambda m=matrix: torch.linalg.eigh(m)  # noqa: E731
        setting.timed(lambda: torch.linalg.eigh(torch.eye(64, device=setting.device)))
        yield _decomposed("eigendecomposition, device", name, setting.timed(eigen)[0])
        across = torch.from_numpy(kernel[n:, :n]).to(setting.device, dtype)
        seconds, failed = setting.timed(lambda m=matrix, a=across: _cholesky(m, a, data.penalties))
        note = f"{failed} penalties without a factor" if failed else ""
        what = f"Cholesky and hat matrix of {len(data.penalties)} penalties, device"
        yield _decomposed(what, name, seconds, note)
        del matrix, across
        setting.let_go()


def _cholesky(kernel: torch.Tensor, across: torch.Tensor, penalties: np.ndarray) -> int:
    """Make the hat matrix of each penalty; return how many have no factor."""
    infos = []
    for penalty in penalties.tolist():
        own = kernel.clone()
        own.diagonal().add_(penalty)
        factor, info = torch.linalg.cholesky_ex(own)
        torch.cholesky_solve(across.T, factor)
        infos.append(info)
    return int((torch.stack(infos) != 0).sum())


def _scans(setting: Setting, data: Data, spectrum: Spectrum, prepared: float) -> Iterator[Row]:
    """``prepared``: seconds that the Gram matrix and its decomposition took."""
    planning, scan = setting.timed(
        lambda: plan_scan(spectrum, data.folds, data.penalties, device=str(setting.device))
    )
    setting.timed(lambda: scan.fit(data.y[: data.n, :64]))  # kernels are loaded
    yield from _inner_scores(setting, data, scan)
    plan, count = prepared + planning, data.y.shape[1]
    seconds, fit = setting.timed(lambda: scan.fit(data.y[: data.n]))
    values = {"what": "brainpress, whole", "voxels at a time": scan.width, "responses": "pageable"}
    values |= {"plan s": plan, "scan s": seconds, "all s": plan + seconds}
    yield Row(RIDGE, values | {"voxels/s": count / (plan + seconds)})
    setting.let_go()
    seconds, chosen, predictions = _himalaya(setting, data)
    same = f"same penalty {(chosen == fit.chosen).mean():.2%}, largest difference of r"
    off = np.abs(data.r(predictions) - data.r(fit.predictions)).max()
    values = {"what": "himalaya KernelRidgeCV, whole", "responses": "pageable", "all s": seconds}
    yield Row(RIDGE, values | {"voxels/s": count / seconds, "note": f"{same} {off:.1e}"})


def _inner_scores(setting: Setting, data: Data, scan: Scan) -> Iterator[Row]:
    """All penalties of all voxels, by width and by where responses are."""
    count = data.y.shape[1]
    for width in setting.pick([4096, 16384, 65536], [32, 64, 96]):
        own = replace(scan, width=width)
        blocks = [slice(i, i + width) for i in range(0, count, width)]
        for where in ("pageable", "pinned", "resident"):
            if where == "pinned" and not setting.on_card:
                continue  # there is nothing to copy to
            values = {"what": "inner scores", "voxels at a time": width, "responses": where}
            ready: list[Any] = []
            try:
                ready += [placed(data.y[: data.n, block], where, setting) for block in blocks]
                score = resident if where == "resident" else Scan.inner
                seconds, _ = setting.timed(lambda s=score, o=own, r=ready: [s(o, y) for y in r])
            except torch.OutOfMemoryError:
                yield Row(RIDGE, values | {"note": "out of memory"})
                continue
            finally:
                ready.clear()
                setting.let_go()
            yield Row(RIDGE, values | {"scan s": seconds, "voxels/s": count / seconds})


def placed(responses: np.ndarray, where: str, setting: Setting) -> Any:
    """Lay a block of responses out: contiguous, in pageable or pinned memory, or on the device."""
    block = torch.from_numpy(np.ascontiguousarray(responses))
    if where == "resident":
        return block.to(setting.device)
    return block.pin_memory().numpy() if where == "pinned" else block.numpy()


def resident(scan: Scan, responses: torch.Tensor) -> np.ndarray:
    """Inner scores as :meth:`Scan.inner` has them, of responses that are on the device."""
    folds = scan.each(responses - responses.mean(dim=0))
    scores = torch.stack([held.score(*held.sums(errors)) for held, errors, _ in folds])
    return scores.mean(dim=0).cpu().numpy()


def _himalaya(setting: Setting, data: Data) -> tuple[float, np.ndarray, np.ndarray]:
    """Fit all voxels by himalaya on the same device; s, indices of penalties, predictions."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import KFold

    back = set_backend("torch_cuda" if setting.on_card else "torch")
    try:
        model = KernelRidgeCV(
            alphas=data.penalties.astype(np.float32),
            cv=KFold(5),
            kernel="linear",
            fit_intercept=True,
            warn=False,
            solver_params={"score_func": r2_score, "n_targets_batch": 4096},
        )
        n = data.n

        def fit() -> np.ndarray:
            model.fit(back.asarray(data.x[:n]), data.y[:n])
            return np.asarray(back.to_numpy(model.predict(back.asarray(data.x[n:]))))

        seconds, predictions = setting.timed(fit)
        alphas = back.to_numpy(model.best_alphas_)
    finally:
        set_backend("numpy")
    return seconds, np.searchsorted(data.penalties * 1.001, alphas), predictions


def _permutations(setting: Setting) -> Iterator[Row]:
    rows, voxels = setting.pick((300, 10_000), (160, 50))
    rng = np.random.default_rng(2)
    y, x = rng.standard_normal((2, rows, voxels), dtype=np.float32)
    seconds, _ = setting.timed(lambda: block_permutation(y, x + y, np.zeros(rows), n=1000))
    values = {"rows": rows, "voxels": voxels, "permutations": 1000, "s, on the host": seconds}
    yield Row("Permutations in blocks", values)
