"""What can be asked of a model: by its spec, and by what its examination found."""

from __future__ import annotations

from harness.lm.examination import Examination
from harness.spec.specs import ModelSpec

HIDDEN, LOGPROB, COMPRESS = "hidden", "logprob", "compress"


def capabilities(spec: ModelSpec, packed: bool = False) -> frozenset[str]:
    """Return what a model can do: give hidden states, give log-probabilities, be compressed.

    Parameters
    ----------
    spec : ModelSpec
    packed : bool
        Whether its checkpoint is quantised already, so that no weight is left to compress.
    """
    if spec.control in ("static", "autocorrelation", "speech"):
        return frozenset({HIDDEN})
    if packed:
        return frozenset({HIDDEN, LOGPROB})
    return frozenset({HIDDEN, LOGPROB, COMPRESS})


def allowed(found: Examination, spec: ModelSpec) -> frozenset[str]:
    """Return what an examination leaves of what a model can do.

    A model that attends to what follows has no log-probabilities, and hidden states only where its
    spec asks for them; compressors measure it as one that does not, so it is not compressed.
    """
    able = {HIDDEN, LOGPROB, COMPRESS}
    if not found.causal:
        able = {HIDDEN} if spec.bidirectional else set()
    if found.hidden:
        able -= {HIDDEN}
    return frozenset(able)
