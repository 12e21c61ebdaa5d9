"""What a speech model has no answer to, known before it is loaded."""

from __future__ import annotations

from harness.record.request import Measure, Request
from harness.stimuli.readouts import Lanczos

_WAY_OUT = 'your own data can have it: sound = "run1.wav" in each run (docs/your-data.md)'


def unheard(request: Request) -> str:
    """Say why a speech model cannot answer a request; empty where it can.

    Parameters
    ----------
    request : Request

    Returns
    -------
    str
        What follows the name of the model.
    """
    stimuli = request.stimuli
    if request.measure is not Measure.HIDDEN:
        return f"hears and reads no words: it has no {request.measure} to record"
    silent = [p.name for p in stimuli.passages if p.sound is None]
    if silent:
        whole = len(silent) == len(stimuli.passages)
        which = "no sound" if whole else f"no sound of {', '.join(silent[:3])}"
        return f"hears, and {stimuli.name} has {which}; {_WAY_OUT}"
    if not isinstance(request.readout, Lanczos):
        return f"answers in volumes, and {stimuli.name} asks for {type(request.readout).__name__}"
    return ""
