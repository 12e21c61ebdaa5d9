"""What can be asked of a model, known before it is loaded."""

from __future__ import annotations

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
    if spec.control in ("static", "autocorrelation"):
        return frozenset({HIDDEN})
    if packed:
        return frozenset({HIDDEN, LOGPROB})
    return frozenset({HIDDEN, LOGPROB, COMPRESS})
