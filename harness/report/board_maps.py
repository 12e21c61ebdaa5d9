"""Brain maps of the variants on a board: each participant's voxels, and the mean brain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import xarray as xr

from harness.board.answers.alignment import detail, mean_present, selected
from harness.encode.design.mappers import Sparse
from harness.errors import ScoreError, SelectionError
from harness.numeric.arrays import Doubles
from harness.report.maps import from_voxels
from harness.spec.layout import VOXEL
from harness.spec.names import nearest

MapperOf = Callable[[str], Sparse]
"""From a participant to the mapper (n_vertices, n_voxels) of their voxels."""

EVERYBODY = "mean"
LABELS = {
    "r": "held-out r",
    "unique_r2": "unique R²",
    "joint_r2": "joint R²",
    "nuisance_r2": "nuisance R²",
    "unique_p": "p of the unique part",
    "unique_q": "q of the unique part",
    "ceiling": "ceiling on r",
    "normalised": "r / ceiling",
    "layer": "chosen layer",
}
"""Label of the colour bar."""


@dataclass(frozen=True, eq=False)
class BrainMap:
    """A score of one variant on the surface.

    Parameters
    ----------
    variant : str
    participants : tuple of str
        One, or those whose brains were averaged.
    values : array, shape (2, 10242)
        Left and right hemisphere of fsaverage5; NaN where nothing was measured.
    """

    variant: str
    participants: tuple[str, ...]
    values: Doubles

    @property
    def whose(self) -> str:
        """The participant, or ``mean``."""
        return self.participants[0] if len(self.participants) == 1 else EVERYBODY


def brain_maps(
    board: xr.DataTree,
    benchmark: str,
    mapper_of: MapperOf,
    *,
    what: str = "r",
    variants: Sequence[str] = (),
    participants: Sequence[str] = (),
    q: float | None = None,
    minus: str = "",
) -> Iterator[BrainMap]:
    """Bring scores by voxel to the surface.

    Parameters
    ----------
    board : DataTree
    benchmark : str
        One whose scores are by voxel.
    mapper_of : callable
        Called once for each participant.
    what : str
        Which score: ``r``, ``unique_r2``, ``ceiling``, ``normalised``, ``layer``, …
    variants : sequence of str
        Globs of ``MODEL+COMPRESSOR``; all variants without any.
    participants : sequence of str
        Whose maps; without any the mean over all participants, each vertex over those who have a
        voxel there.
    q : float, optional
        Rate of false discoveries: voxels whose own q is not below it are left out, of the unique
        part (``unique_q``) where that is drawn, else of r (``q``).
    minus : str
        A variant whose scores are taken from those of each of the others, voxel by voxel. With
        ``q``, voxels count in which either of the two is significant.

    Yields
    ------
    BrainMap
        Variant after variant.

    Raises
    ------
    ScoreError
        The benchmark has no scores by voxel, or not this one.
    SelectionError
        No benchmark of the board, variant or participant is called so.
    """
    known = _voxels(board, benchmark, what)
    tested = "unique_q" if what.startswith("unique") else "q"
    if q is not None:
        _voxels(board, benchmark, tested)  # or says that the board has none
    names = [str(name) for name in known["variant"].values]
    chosen = [n for n in names if not variants or any(fnmatchcase(n, glob) for glob in variants)]
    if not chosen:
        raise SelectionError(
            f"no variant of {benchmark} matches {', '.join(variants)}", f"it has {', '.join(names)}"
        )
    if minus and minus not in names:
        near = nearest(minus, names) or names
        raise SelectionError(f"{benchmark} has no variant {minus!r}", f"it has {', '.join(near)}")
    chosen = [n for n in chosen if n != minus]
    if not chosen:
        raise SelectionError(f"nothing is left to take {minus} from", "name another variant, too")
    people = [str(person) for person in known["participant"].values]
    for person in participants:
        if person not in people:
            near = nearest(person, people) or people
            hint = f"it has {', '.join(near)}"
            raise SelectionError(f"{benchmark} has no participant {person!r}", hint)
    wanted = list(participants) or people
    mappers = {person: mapper_of(person) for person in wanted}
    for variant in chosen:
        own = known.sel(variant=variant)
        owner = own[f"{VOXEL}participant"].values
        values = own[f"{VOXEL}{what}"].values.astype(np.float64)
        sure = own[f"{VOXEL}{tested}"].values < q if q is not None else None
        if minus:
            other = known.sel(variant=minus)
            if not np.array_equal(owner, other[f"{VOXEL}participant"].values):
                raise ScoreError(
                    f"{variant} and {minus} were not scored on the same voxels",
                    "score both with the same options",
                )
            values = values - other[f"{VOXEL}{what}"].values.astype(np.float64)
            if sure is not None:
                sure = sure | (other[f"{VOXEL}{tested}"].values < q)
        if sure is not None:
            values = np.where(sure, values, np.nan)
        maps = {
            person: from_voxels(values[owner == people.index(person)], mappers[person])
            for person in wanted
        }
        if participants:
            yield from (BrainMap(variant, (p,), values) for p, values in maps.items())
        else:
            yield BrainMap(variant, tuple(people), mean_present(np.stack(list(maps.values())), 0))


def _voxels(board: xr.DataTree, benchmark: str, what: str) -> xr.Dataset:
    selected(board, [benchmark])  # or says that the board has no such benchmark
    known = detail(board, benchmark)
    if known is None:
        raise ScoreError(f"no cell of {benchmark} is done on this board", "run it first")
    if f"{VOXEL}participant" not in known:
        raise ScoreError(
            f"{benchmark} has no scores by voxel on this board",
            "run it with resolution=voxel; a bundle keeps them with `submit --maps`",
        )
    there = [str(n).removeprefix(VOXEL) for n in known.data_vars if str(n).startswith(VOXEL)]
    there.remove("participant")  # whose a voxel is: no score
    if what not in there:
        raise ScoreError(f"{benchmark} has no {what!r} by voxel", f"it has {', '.join(there)}")
    return known
