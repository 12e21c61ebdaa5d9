"""A compressor at work on a loaded model, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.compress.layers.room import walk_room
from harness.compress.layers.workspace import Workspace
from harness.compress.text.calibration import Calibration, calibrate
from harness.compress.text.contamination import check_contamination
from harness.compress.text.perplexity import WINDOW
from harness.errors import CompressionError
from harness.place import memory
from harness.record.request import Measure
from harness.record.size import pass_bytes

if TYPE_CHECKING:
    from harness.compress.compressor import Compressor
    from harness.compress.report.summary import CompressionReport
    from harness.lm.load import LanguageModel

WALK = 1.3
"""Memory of a walk over that of weights and states: 890 MiB for 513 and 187 (SmolLM2, GPTQ)."""


@dataclass(frozen=True)
class Applied:
    """A model that was compressed.

    Parameters
    ----------
    report : CompressionReport
        What became of it.
    calibration : Calibration, optional
        The text it was measured on; None when it wanted none.
    """

    report: CompressionReport
    calibration: Calibration | None


def apply(
    compressor: Compressor,
    model: LanguageModel,
    *,
    cache: Path,
    stimuli: Mapping[str, str] | None = None,
    workspace: Workspace | None = None,
    offline: bool = False,
    again: bool = False,
) -> Applied:
    """Get the calibration text a compressor wants, check it, and compress a model in place.

    Parameters
    ----------
    compressor : Compressor
        What to do.
    model : LanguageModel
        The model before compression.
    cache : Path
        Folder for calibration text.
    stimuli : mapping, optional
        Name and running text of whatever the model will be tested on: text that shares 13 words in
        a row with it is refused.
    workspace : Workspace, optional
        Device, and where finished blocks are kept.
    offline : bool
        Never use the network.
    again : bool
        Compress a checkpoint that was published packed, from the values it stands for.

    Returns
    -------
    Applied

    Raises
    ------
    CompressionError
        The model is packed already and ``again`` is not set, the text is contaminated or too
        short, or the compressor failed.
    FetchError
        The text cannot be had.
    NotEnoughMemory
        Neither weights nor states of the text fit beside what the process has.
    """
    if "compress" not in model.capabilities and not (
        again or getattr(compressor, "changes_no_weight", False)
    ):
        raise CompressionError(
            f"{model.spec.name} is packed already: what is made of it again would be rounded twice",
            "compress the model that it was made from, or say again=True from Python",
        )
    calibration = checked_calibration(
        compressor, model, cache=cache, stimuli=stimuli, offline=offline
    )
    _check_room(model, calibration, getattr(compressor, "streams", 1))
    return Applied(compressor.compress(model.model, calibration, workspace), calibration)


def _check_room(model: LanguageModel, calibration: Calibration | None, streams: int) -> None:
    """Refuse what would be ended by the system half way.

    Weights that are mapped from their file become the process's own when they are changed; beside
    them are the states of the whole calibration text, as many times as it walks through the model,
    and what perplexity takes in the end.
    """
    here = [p for p in model.model.parameters() if p.device.type == "cpu"]
    if not here:
        return
    network: Any = model.model
    config = network.config.get_text_config()
    needed = min(sum(p.nbytes for p in here), memory.mapped())
    if calibration is not None:
        samples, length = calibration.tokens.shape
        width = network.get_input_embeddings().weight.shape[1]
        states = 1.3 * streams * samples * length * width * 4
        # Wide layers take more for their factors than a share of the weights.
        room = walk_room(network, samples * length, length, streams=streams)
        needed = max(int(WALK * (needed + states)), needed + room.states + room.work)
    needed += pass_bytes(WINDOW, config, Measure.LOGPROB)
    what = f"compressing {model.spec.name} in memory"
    memory.check_room(needed, what, "`brainpress weights --from-disk` holds one block at a time")


def checked_calibration(
    compressor: Compressor,
    model: LanguageModel,
    *,
    cache: Path,
    stimuli: Mapping[str, str] | None = None,
    offline: bool = False,
) -> Calibration | None:
    """Get the calibration text a compressor wants, and hold it against what will be tested.

    Takes the arguments of :func:`apply` and raises what it raises before it compresses. Needed even
    where the compressed weights are there: they may meet other stimuli now.
    """
    if compressor.calibration is None:
        return None
    calibration = calibrate(model, compressor.calibration, cache=cache, offline=offline)
    check_contamination(calibration.passages, stimuli or {})
    return calibration
