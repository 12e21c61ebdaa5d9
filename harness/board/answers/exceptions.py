"""Which compressor loses more, or less, than the others on the same models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.board.answers.alignment import mean_present
from harness.board.answers.paired import Paired, paired
from harness.numeric.arrays import Doubles, Texts

FEWEST = 3
"""Methods, below which none of them is the exception."""


@dataclass(frozen=True, eq=False)
class Exceptions:
    """How every compressor differs from its peers.

    Parameters
    ----------
    tests : Paired, arrays of shape (n_compressors,)
        Change under the compressor minus the mean change under its peers, on the same models:
        peers are the compressors of other methods that are no exceptions.
    flagged : tuple of int
        Exceptions, in the order found.
    """

    tests: Paired
    flagged: tuple[int, ...]


def find_exceptions(
    changes: Doubles,
    methods: Sequence[str],
    margin: float,
    alpha: float = 0.05,
    factors: int = 1,
) -> Exceptions | None:
    """Find exceptions one by one, the most deviant first (after Rosner 1983).

    A compressor is one where its change differs from its peers' (paired t-test over participants,
    Holm over compressors) and is not equivalent to it within the margin. What is found no longer
    counts as a peer of the rest, so that one failure does not make exceptions of the sound. At most
    half of the compressors can be exceptions.

    Parameters
    ----------
    changes : array, shape (n_participants, [n_parts,] n_models, n_compressors)
        Score under the compressor minus score of the base; NaN where a cell is missing.
    methods : sequence of str
        Method of every compressor, without its library: implementations are no peers.
    margin : float
        The difference that counts as none, or NaN.
    alpha : float
        Level.
    factors : int
        Number of leading axes that were drawn: participants, and parts of the stimulus.

    Returns
    -------
    Exceptions or None
        None with fewer than three methods, or without models that several of them share.
    """
    names = np.array(methods, dtype=object)
    active = [i for i in range(len(names)) if np.isfinite(changes[..., i]).any()]
    if len(set(names[active])) < FEWEST:
        return None
    half = len(active) // 2
    flagged: list[int] = []
    while len(flagged) < half and len(set(names[active])) >= FEWEST:
        against = _against_peers(changes, names, active)[..., active]
        tests = paired(against, margin, alpha, factors)
        different = (tests.p_holm < alpha) & ~(tests.p_equivalence_holm < alpha)
        if not different.any():
            break
        worst = int(np.argmax(np.where(different, np.abs(tests.difference), -np.inf)))
        flagged.append(active.pop(worst))
    tests = paired(_against_peers(changes, names, active), margin, alpha, factors)
    if not np.isfinite(tests.difference).any():
        return None
    return Exceptions(tests, tuple(flagged))


def _against_peers(changes: Doubles, methods: Texts, active: list[int]) -> Doubles:
    """Contrast every compressor with the mean of its active peers: (n_participants, …, n)."""
    contrasts = np.full((*changes.shape[:-2], changes.shape[-1]), np.nan)
    for i in range(changes.shape[-1]):
        peers = [j for j in active if methods[j] != methods[i]]
        if peers:
            difference = changes[..., i] - mean_present(changes[..., peers], axis=-1)
            contrasts[..., i] = mean_present(difference, axis=-1)
    return contrasts
