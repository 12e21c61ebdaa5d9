"""The same ridge regressions by another program: himalaya (Dupré la Tour et al. 2022).

A claim about a ridge should not rest on one implementation. Here kernels, folds, penalties and
criterion are ours; centring, decompositions, inner cross-validation, choice and prediction are
himalaya's. Where two penalties score the same, it takes the larger one, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.encode.design.band import Kernels
from harness.encode.design.options import Metric
from harness.encode.design.splits import Fold
from harness.encode.solve.joint_scan import JointFit
from harness.encode.solve.scan import ScanFit
from harness.numeric.arrays import Doubles, Floats

BATCH = 1000
"""Targets that himalaya works on at a time: all penalties' predictions of them are in memory."""


@dataclass(frozen=True, eq=False)
class HimalayaRidge:
    """Kernel ridge regression by ``KernelRidgeCV``."""

    kernels: Kernels
    folds: Sequence[Fold]  # inner ones, as positions among the training rows
    penalties: Doubles  # ascending
    metric: Metric

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.kernels.train.nbytes + self.kernels.heldout.nbytes

    @property
    def cv(self) -> list[tuple[Any, Any]]:
        """Inner folds as himalaya takes them."""
        return [(fold.train, fold.test) for fold in self.folds]

    @property
    def solver(self) -> dict[str, Any]:
        """Parameters of himalaya's solvers: the criterion, and targets in batches."""
        from himalaya.scoring import correlation_score, r2_score

        criteria = {Metric.R2: r2_score, Metric.CORRELATION: correlation_score}
        return {"score_func": criteria[self.metric], "n_targets_batch": BATCH}

    def fit(self, responses: Floats) -> ScanFit:
        """Choose penalties of targets, (n_train, n_targets), and predict the held-out rows.

        Its inner scores are those of the chosen penalties only, (1, n_targets).
        """
        from himalaya.kernel_ridge import KernelRidgeCV

        model = KernelRidgeCV(
            alphas=self.penalties,
            kernel="precomputed",
            solver_params=self.solver,
            fit_intercept=True,
            cv=self.cv,
        )
        model.fit(self.kernels.train, np.asarray(responses, np.float64))
        alphas = np.asarray(model.best_alphas_)
        return ScanFit(
            np.asarray(model.cv_scores_)[None],
            np.abs(np.log(alphas) - np.log(self.penalties)[:, None]).argmin(axis=0),
            np.asarray(model.predict(self.kernels.heldout)),
        )

    def start(self, responses: Floats) -> Doubles:
        """Return no scores: a joint fit starts from nothing."""
        return np.empty((0, responses.shape[1]))


@dataclass(frozen=True, eq=False)
class HimalayaJoint:
    """Banded ridge regression of a model and nuisance by ``MultipleKernelRidgeCV``.

    Its random search is given the candidates: every pair of penalties. A pair is the mixture
    ``K_model / a + K_nuisance / b`` at a penalty of 1.
    """

    model: HimalayaRidge
    nuisance: Kernels
    penalties: Doubles  # of the nuisance band, ascending

    def fit(self, responses: Floats, inner: Doubles, alone: Doubles) -> JointFit:
        """Fit targets jointly: see :meth:`harness.encode.solve.joint_scan.JointScan.fit`.

        ``inner`` is not used: himalaya scores every pair by itself.
        """
        from himalaya.kernel_ridge import MultipleKernelRidgeCV, predict_weighted_kernel_ridge

        # From the largest: of pairs that score the same, himalaya keeps the first.
        pairs = np.stack(np.meshgrid(self.model.penalties, self.penalties, indexing="ij"), axis=-1)
        mixtures = 1 / pairs.reshape(-1, 2)[::-1]
        search = {"n_iter": mixtures, "alphas": np.ones(1), "progress_bar": False}
        ridge = MultipleKernelRidgeCV(
            kernels="precomputed",
            solver="random_search",
            solver_params=self.model.solver | search,
            fit_intercept=True,
            cv=self.model.cv,
        )
        bands = (self.model.kernels, self.nuisance)
        train = np.stack([band.train for band in bands])
        heldout = np.stack([band.heldout for band in bands])
        with warnings.catch_warnings():
            # Pairs with a band that is shrunk away are no reason to warn.
            warnings.simplefilter("ignore", UserWarning)
            ridge.fit(train, np.asarray(responses, np.float64))
        weights = (ridge.dual_coef_, ridge.deltas_)
        parts, fitted = (
            np.asarray(predict_weighted_kernel_ridge(kernels, *weights, split=True))
            for kernels in (heldout, train)
        )
        # Each band about its mean over training rows; the intercept is then that of responses.
        parts -= fitted.mean(axis=1, keepdims=True)
        better = np.asarray(ridge.cv_scores_).max(axis=0) > alone
        return JointFit(better, *parts[:, :, better])
