"""What is kept of each target's fits with nuisance regressors while layers and folds go by."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray
from harness.encode.design.result import NuisanceResult, scatter
from harness.encode.design.splits import IntArray


@dataclass(eq=False)
class NuisanceTally:
    """Scores of nuisance alone, and of nuisance and the best layer so far; NaN before there are.

    Parameters
    ----------
    inner : array, shape (n_folds, n_voxels)
        Inner score of nuisance alone, which a joint fit must beat.
    r, r2, share : array, shape (n_folds, n_voxels)
        Of nuisance alone; its product measure.
    joint_r, joint_r2 : array, shape (n_folds, n_voxels)
        Of the joint fit; of nuisance alone where the model is left out.
    split_r2 : array, shape (2, n_folds, n_voxels)
        Product measure of the model and of nuisance in the joint fit.
    with_model : array, shape (n_folds, n_voxels)
        1 where the model is taken in, 0 where it is left out.
    """

    inner: DoubleArray
    r: FloatArray
    r2: FloatArray
    share: FloatArray
    joint_r: FloatArray
    joint_r2: FloatArray
    split_r2: FloatArray
    with_model: FloatArray

    @classmethod
    def empty(cls, n_folds: int, n_voxels: int, kind: type[np.floating[Any]]) -> NuisanceTally:
        """Make one with nothing in it."""
        shape = (n_folds, n_voxels)
        each = (np.full(shape, np.nan, kind) for _ in range(6))
        r, r2, share, joint_r, joint_r2, with_model = each
        split = np.full((2, *shape), np.nan, kind)
        return cls(np.full(shape, np.nan), r, r2, share, joint_r, joint_r2, split, with_model)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def alone(
        self,
        fold: int,
        voxels: IntArray,
        *,
        inner: DoubleArray,
        r: DoubleArray,
        r2: DoubleArray,
        share: DoubleArray,
    ) -> None:
        """Note what nuisance explains alone."""
        self.inner[fold, voxels] = inner
        self.r[fold, voxels], self.r2[fold, voxels] = r, r2
        self.share[fold, voxels] = share

    def leave_out(self, fold: int, voxels: IntArray) -> None:
        """Let the joint fit of voxels be that of nuisance alone."""
        self.joint_r[fold, voxels] = self.r[fold, voxels]
        self.joint_r2[fold, voxels] = self.r2[fold, voxels]
        self.split_r2[0, fold, voxels] = 0
        self.split_r2[1, fold, voxels] = self.share[fold, voxels]
        self.with_model[fold, voxels] = 0

    def take_in(
        self, fold: int, voxels: IntArray, *, r: FloatArray, r2: FloatArray, split: FloatArray
    ) -> None:
        """Note a joint fit that takes the model in."""
        self.joint_r[fold, voxels], self.joint_r2[fold, voxels] = r, r2
        self.split_r2[:, fold, voxels] = split
        self.with_model[fold, voxels] = 1

    def variables(self) -> dict[str, tuple[Any, FloatArray]]:
        """Means over folds, as variables of a Dataset."""
        found = {
            "nuisance_r": self.r,
            "nuisance_r2": self.r2,
            "joint_r": self.joint_r,
            "joint_r2": self.joint_r2,
            "unique_r2": self.joint_r2 - self.r2,
            "with_model": self.with_model,
        }
        each: dict[str, tuple[Any, FloatArray]] = {
            name: ("voxel", values.mean(axis=0)) for name, values in found.items()
        }
        each["fold_unique_r2"] = (("fold", "voxel"), self.joint_r2 - self.r2)
        return {**each, "split_r2": (("band", "voxel"), self.split_r2.mean(axis=1))}

    def result(self, usable: IntArray, n_targets: int) -> NuisanceResult:
        """Put what was found of usable targets among all of them; NaN for the others."""
        found = {name: values.mean(axis=-2) for name, values in self.arrays.items()}
        del found["inner"], found["share"]
        found["unique_r2"] = found["joint_r2"] - found["r2"]
        found |= {
            f"fold_{name}": getattr(self, name) for name in ("r", "r2", "joint_r", "joint_r2")
        }
        return NuisanceResult(
            **{n: scatter(np.asarray(v, np.float64), usable, n_targets) for n, v in found.items()}
        )
