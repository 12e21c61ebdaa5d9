"""What is kept of each target while layers and folds go by."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.design.result import NuisanceResult, scatter
from harness.encode.design.targets import Split
from harness.encode.solve.choice import GridEnds, grid_ends
from harness.numeric.arrays import Bools, Doubles, Floats, Positions, Singles

STRETCH = 20
"""Rows whose squared errors are added up: long enough to be independent, as blocks that are
permuted."""
_ASIDE = ("inner", "share", "errors", "joint_errors")

Small = npt.NDArray[np.int16]

_ARRAYS = (
    *("r", "r2", "inner_best", "r_best", "r2_best", "layer_best", "penalty_best"),
    *("penalty", "ends", "ceiling"),
)
"""What a tally saves."""


@dataclass(eq=False)
class NuisanceTally:
    """Scores of nuisance alone, and of nuisance and the best layer so far; NaN before there are.

    By (fold, voxel), but for ``split_r2`` and the squared errors.
    """

    inner: Doubles  # of nuisance alone, which a joint fit must beat
    r: Floats
    r2: Floats
    share: Floats  # product measure of nuisance alone
    joint_r: Floats  # of the joint fit; of nuisance alone where the model is left out
    joint_r2: Floats
    split_r2: Floats  # (2, fold, voxel), product measure of model and nuisance
    with_model: Floats  # 1 where the model is taken in, 0 where it is left out
    errors: Floats  # (fold, stretch of held-out rows, voxel), squared and added up
    joint_errors: Floats  # none of either where unique R2 is not tested

    @classmethod
    def empty(
        cls, n_folds: int, n_voxels: int, kind: type[np.floating[Any]], n_stretches: int = 0
    ) -> NuisanceTally:
        """Make one with nothing in it."""
        shape = (n_folds, n_voxels)
        arrays = {f.name: np.full(shape, np.nan, kind) for f in fields(cls)}
        arrays |= {"inner": np.full(shape, np.nan), "split_r2": np.full((2, *shape), np.nan, kind)}
        for name in ("errors", "joint_errors"):
            arrays[name] = np.zeros((n_folds, n_stretches, n_voxels), kind)
        return cls(**arrays)

    @property
    def gains(self) -> Floats:
        """Squared error that the joint fit saves in each stretch, (n_stretches, n_voxels)."""
        saved = self.errors - self.joint_errors
        gains = saved.reshape(-1, saved.shape[-1])
        gains[:, np.isnan(self.joint_r2).any(axis=0)] = np.nan
        return gains

    def add_up(self, errors: Floats) -> Floats:
        """Add up squares of errors (n_rows, n_voxels) over stretches, (n_stretches, n_voxels)."""
        n_stretches = self.errors.shape[1]
        if not n_stretches:
            return errors[:0]
        starts = np.arange(0, len(errors), STRETCH)
        sums = np.add.reduceat(np.square(errors), starts, axis=0)
        return np.pad(sums, [(0, n_stretches - len(sums)), (0, 0)])

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _means(self) -> dict[str, Floats]:
        """Means over folds, by name."""
        found = {n: v.mean(axis=-2) for n, v in self.arrays.items() if n not in _ASIDE}
        unique = (self.joint_r2 - self.r2).mean(axis=0)
        return found | {"unique_r2": unique}

    def variables(self) -> dict[str, tuple[Any, Floats]]:
        """Means over folds, as variables of a Dataset."""
        named = {"r": "nuisance_r", "r2": "nuisance_r2"}
        found: dict[str, tuple[Any, Floats]] = {
            named.get(name, name): (("band", "voxel") if name == "split_r2" else "voxel", values)
            for name, values in self._means().items()
        }
        return found | {"fold_unique_r2": (("fold", "voxel"), self.joint_r2 - self.r2)}

    def result(self, usable: Positions, n_targets: int) -> NuisanceResult:
        """Put what was found of usable targets among all of them; NaN for the others."""
        by_fold = ("r", "r2", "joint_r", "joint_r2")
        found = self._means() | {f"fold_{name}": getattr(self, name) for name in by_fold}
        return NuisanceResult(
            **{n: scatter(np.asarray(v, np.float64), usable, n_targets) for n, v in found.items()}
        )


@dataclass(eq=False)
class Tally:
    """Scores of one participant's voxels, or of any targets; they fill up as layers are scored.

    Targets of one number in ``groups`` choose their layer together, by their mean inner score; all
    are then added at once. By default each chooses its own. ``done`` counts steps: layers times
    folds, in this order; nuisance alone comes before the first layer.
    """

    r: Floats  # (fold, layer, voxel); of voxels only the mean over folds, as one curve
    r2: Floats
    inner_best: Doubles  # (fold, voxel), of the layer with the highest inner score so far
    r_best: Doubles
    r2_best: Doubles
    layer_best: Small  # its number; -1 before there is one
    penalty_best: Small  # index of its penalty
    penalty: Small  # (voxel,), of the layer and fold that were scored last
    ends: Doubles  # (2, fold, layer), share of voxels at the low and high end of the grid
    ceiling: Doubles  # (voxel,)
    predictions: Singles | None  # (voxel, held-out row), at the best layer so far; a file
    nuisance: NuisanceTally | None
    rows: tuple[slice, ...]  # where each fold's held-out rows are among those of all folds
    inner: Doubles | None = None  # (fold, layer, voxel), where curves are kept by fold
    penalties: Small | None = None
    groups: Positions | None = None
    ceiling_kind: str = "none"  # where ceilings come from
    unusable: dict[int, str] = field(default_factory=dict)  # voxels without scores, and why
    done: int = 0

    @classmethod
    def empty(
        cls,
        splits: Sequence[Split],
        n_layers: int,
        n_voxels: int,
        file: Path | None = None,
        *,
        nuisance: bool = False,
        tested: bool = False,
        groups: Positions | None = None,
    ) -> Tally:
        """Make one with nothing in it.

        Predictions are kept in a file, which has its size already, if anywhere. With ``groups``
        responses are in memory: everything is kept, in float64.
        """
        ends = np.cumsum([0, *(len(split.outer.test) for split in splits)]).tolist()
        n_folds, whole = len(splits), groups is not None
        each = (n_folds, n_voxels)
        curves = (n_folds if whole else 1, n_layers, n_voxels)
        predictions: Singles | None = None
        if file is not None:
            predictions = np.memmap(file, np.float32, "r+", shape=(n_voxels, ends[-1]))
        elif whole:
            predictions = np.zeros((n_voxels, ends[-1]), np.float32)
        kind = np.float64 if whole else np.float32
        longest = max(len(split.outer.test) for split in splits)
        n_stretches = -(-longest // STRETCH) if tested else 0
        return cls(
            r=np.zeros(curves, kind),
            r2=np.zeros(curves, kind),
            inner_best=np.full(each, -np.inf),
            r_best=np.full(each, np.nan),
            r2_best=np.full(each, np.nan),
            layer_best=np.full(each, -1, np.int16),
            penalty_best=np.full(each, -1, np.int16),
            penalty=np.full(n_voxels, -1, np.int16),
            ends=np.zeros((2, n_folds, n_layers)),
            ceiling=np.full(n_voxels, np.nan),
            predictions=predictions,
            nuisance=NuisanceTally.empty(*each, kind, n_stretches) if nuisance else None,
            rows=tuple(slice(a, b) for a, b in itertools.pairwise(ends)),
            inner=np.full(curves, np.nan) if whole else None,
            penalties=np.full(curves, -1, np.int16) if whole else None,
            groups=groups,
        )

    def save(self, path: Path) -> None:
        """Write all of it, as NumPy's archive; predictions stay in their file."""
        if isinstance(self.predictions, np.memmap):
            self.predictions.flush()
        said = {"ceiling_kind": self.ceiling_kind, "done": self.done, "unusable": self.unusable}
        with path.open("wb") as file:
            np.savez(file, said=np.array(json.dumps(said)), **self._arrays)

    @property
    def _arrays(self) -> dict[str, Any]:
        """Saved arrays by name, to be filled in place."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.nuisance is not None:
            arrays |= {f"nuisance_{name}": a for name, a in self.nuisance.arrays.items()}
        return arrays

    def restore(self, path: Path) -> bool:
        """Take over what was saved of a tally of the same shape; False where nothing is whole."""
        try:
            with np.load(path, allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in self._arrays}
                said = json.loads(str(saved["said"]))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return False
        for name, array in self._arrays.items():
            array[...] = arrays[name]
        self.ceiling_kind, self.done = said["ceiling_kind"], said["done"]
        self.unusable = {int(voxel): reason for voxel, reason in said["unusable"].items()}
        return True

    @property
    def n_voxels(self) -> int:
        """All voxels, usable or not."""
        return len(self.ceiling)

    def usable(self, block: slice) -> Positions:
        """Voxels of a block that can be scored."""
        wanted = [v for v in range(block.start, block.stop) if v not in self.unusable]
        return np.array(wanted, dtype=np.intp)

    def add(
        self,
        fold: int,
        layer: int,
        voxels: Positions,
        *,
        inner: Doubles,
        penalty: Positions,
        r: Doubles,
        r2: Doubles,
        predictions: Floats,
    ) -> Bools:
        """Add some voxels' scores of a layer in a fold; the best layer is the earlier of equals.

        Returns which voxels, (n_voxels,), the layer suits better than those before.
        """
        if self.inner is not None and self.penalties is not None:
            self.r[fold, layer, voxels], self.r2[fold, layer, voxels] = r, r2
            self.inner[fold, layer, voxels] = inner
            self.penalties[fold, layer, voxels] = penalty
        else:
            self.r[0, layer, voxels] += r / len(self.r_best)
            self.r2[0, layer, voxels] += r2 / len(self.r_best)
            self.penalty[voxels] = penalty
        if self.groups is not None:
            groups = self.groups[voxels]
            inner = (np.bincount(groups, inner) / np.bincount(groups).clip(min=1))[groups]
        better: Bools = inner > self.inner_best[fold, voxels]
        chosen = voxels[better]
        self.inner_best[fold, chosen] = inner[better]
        self.r_best[fold, chosen] = r[better]
        self.r2_best[fold, chosen] = r2[better]
        self.layer_best[fold, chosen] = layer
        self.penalty_best[fold, chosen] = penalty[better]
        if self.predictions is not None:
            self.predictions[chosen, self.rows[fold]] = predictions[:, better].T
        return better

    def count_ends(self, fold: int, layer: int, n_penalties: int) -> None:
        """Note the share of voxels whose penalty is an end of the grid."""
        last = self.penalty if self.penalties is None else self.penalties[fold, layer]
        found = grid_ends(last[last >= 0].astype(np.intp), n_penalties)
        self.ends[:, fold, layer] = found.low, found.high

    def predicted(self, voxels: Positions) -> Floats:
        """Held-out predictions at the chosen layers, (n_heldout, n_voxels)."""
        assert self.predictions is not None
        return np.asarray(self.predictions[voxels].T)

    def reasons(self) -> dict[str, int]:
        """How many voxels are unusable, by reason, without where in each."""
        return dict(Counter(reason.partition(" (")[0] for reason in self.unusable.values()))

    def warnings(self) -> list[str]:
        """List what a reader of the scores should know."""
        found = []
        if self.unusable:
            found.append(f"{len(self.unusable)} of {self.n_voxels} voxels cannot be scored")
        return [*found, *GridEnds(*self.ends.mean(axis=(1, 2))).warnings]

    def dataset(self, layers: npt.NDArray[Any]) -> xr.Dataset:
        """Scores as xarray; NaN where a voxel is unusable."""
        bad = list(self.unusable)
        self.r[..., bad] = self.r2[..., bad] = np.nan
        inner = np.where(np.isinf(self.inner_best), np.nan, self.inner_best)
        labels = np.where(self.layer_best < 0, -1, np.asarray(layers)[self.layer_best])
        by_layer, by_fold = ("layer", "voxel"), ("fold", "voxel")
        data = xr.Dataset(
            {
                "r": (by_layer, self.r[0]),
                "r2": (by_layer, self.r2[0]),
                "r_best": ("voxel", self.r_best.mean(axis=0).astype(np.float32)),
                "r2_best": ("voxel", self.r2_best.mean(axis=0).astype(np.float32)),
                "fold_r_best": (by_fold, self.r_best.astype(np.float32)),
                "layer_best": (by_fold, labels),
                "penalty_best": (by_fold, self.penalty_best),
                "inner_best": (by_fold, inner.astype(np.float32)),
                "grid_ends": (("end", "fold", "layer"), self.ends),
            },
            coords={"layer": layers, "end": ["low", "high"]},
        )
        if self.nuisance is None:
            return data
        return data.assign(self.nuisance.variables()).assign_coords(band=["model", "nuisance"])
