"""What a model is compared with: itself untrained, its word embeddings, no network, the sound.

*Untrained* keeps the architecture and the tokenizer and draws the weights anew: what it predicts
comes from the shape of the network and of the text. *Static* keeps the input embedding and drops
everything after it: what it predicts comes from the words without their context.
*Autocorrelation* is no network at all: what it predicts comes from the order of rows in time.
*Speech* is a model that hears the story and reads no word: what it predicts comes from the sound.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

from harness.errors import ModelError
from harness.lm.files import COMPANIONS, CONFIG, QUANTISATION, ModelFiles
from harness.spec.specs import ModelSpec
from harness.store.keys import content_key

UNTRAINED = "untrained"
STATIC = "static"
AUTOCORRELATION = "autocorrelation"
SPEECH = "speech"
PREFIX = "control"
"""Scheme of controls that are made from no model."""
VERSION = 1
"""Stage version of the controls: bumped when the same spec comes to mean other weights."""
HEARING = 1
"""Version of how sound is read (:mod:`harness.lm.speech`): bumped when other states come out."""


def untrained(spec: ModelSpec, seed: int = 0) -> ModelSpec:
    """Return the control with a model's architecture and tokenizer and random weights.

    Parameters
    ----------
    spec : ModelSpec
        A model, not itself a control.
    seed : int
        Seed of the weights.

    Returns
    -------
    ModelSpec
        Named ``untrained:NAME#seed``.

    Raises
    ------
    ModelError
        ``spec`` is a control already, or the seed is negative.
    """
    if seed < 0:
        raise ModelError(f"untrained:{spec.name}: a seed is not negative ({seed})")
    notes = f"{spec.name} with weights drawn anew from its initialiser, seed {seed}"
    control = _control(spec, UNTRAINED, f"untrained:{spec.name}#{seed}", notes)
    return replace(control, seed=seed)


def static(spec: ModelSpec) -> ModelSpec:
    """Return the control that is a model's input embedding alone.

    Returns
    -------
    ModelSpec
        Named ``static:NAME``.

    Raises
    ------
    ModelError
        ``spec`` is a control already.
    """
    notes = f"the input embedding of {spec.name}: words without their context, one layer"
    return _control(spec, STATIC, f"static:{spec.name}", notes)


def autocorrelation() -> ModelSpec:
    """Return the control without a network (:mod:`harness.record.autocorrelation`).

    Returns
    -------
    ModelSpec
        Named ``control:autocorrelation``, of no base.
    """
    name = f"{PREFIX}:{AUTOCORRELATION}"
    return ModelSpec(
        name,
        source=name,
        parameters=0,
        control=AUTOCORRELATION,
        tags=("control", AUTOCORRELATION),
        citation=(
            "Feghhi, Hadidi, Song, Blank & Kao (2024). What are large language models mapping to in"
            " the brain? A case against over-reliance on brain scores. arXiv 2406.01538."
        ),
        notes="no network: each row of the stimulus is a unit, smoothed over its neighbours",
    )


def speech(spec: ModelSpec) -> ModelSpec:
    """Return the control that hears what others read (:mod:`harness.record.hearing`).

    Parameters
    ----------
    spec : ModelSpec
        Of an audio model: wav2vec 2.0 and its kin, Whisper.

    Returns
    -------
    ModelSpec
        Named ``speech:NAME``, of no base: it is every text model's.

    Raises
    ------
    ModelError
        ``spec`` is a control already.
    """
    notes = "hidden states on the sound of the story; it has no words and no probabilities"
    control = _control(spec, SPEECH, f"{SPEECH}:{spec.name}", notes)
    return replace(control, base="")


def control_fingerprint(spec: ModelSpec, files: ModelFiles) -> str:
    """Return the fingerprint of a control made from a model's files.

    An untrained model depends on the initialisers of transformers and torch, and on the trained
    weights not at all. A static one is a part of the trained weights, and goes by the whole.
    """
    if spec.control == STATIC:
        return content_key(control=STATIC, version=VERSION, base=files.fingerprint)
    if spec.control == UNTRAINED:
        described = {CONFIG, *COMPANIONS} - set(QUANTISATION)
        return content_key(
            control=UNTRAINED,
            version=VERSION,
            seed=spec.seed or 0,
            files={name: files.sha256[name] for name in sorted(described & set(files.sha256))},
            transformers=version("transformers"),
            torch=version("torch").partition("+")[0],
        )
    if spec.control == SPEECH:
        return content_key(control=SPEECH, version=HEARING, base=files.fingerprint)
    if spec.control == AUTOCORRELATION:
        return files.fingerprint
    raise ModelError(
        f"{spec.name}: {spec.control!r} is not a control",
        f"there are {UNTRAINED}, {STATIC}, {AUTOCORRELATION} and {SPEECH}",
    )


def _control(spec: ModelSpec, control: str, name: str, notes: str) -> ModelSpec:
    if spec.control:
        raise ModelError(f"{name}: {spec.name} is a control already")
    return replace(
        spec, name=name, control=control, base=spec.name, notes=notes, tags=("control", control)
    )
