"""What may drive a region: the latent features of the story.

None of them is a list of words. Each is a property that many words share and that most words have
only in context, so that a model that has learnt English can carry it from one part of the story to
another, and one that has not cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from harness.numeric.arrays import Doubles

from .story import Word

Feature = Callable[[Word], float]


def _any_class(*classes: str) -> Feature:
    return lambda word: float(not word.classes.isdisjoint(classes))


def _any_pos(*tags: str) -> Feature:
    return lambda word: float(word.pos in tags)


#: Linguistic features of a word, by name.
DRIVERS: Mapping[str, Feature] = MappingProxyType(
    {
        "social": _any_class("person", "speech", "emotion", "thought"),
        "concrete": _any_class("artefact", "food", "body", "animal"),
        "spatial": _any_class("place", "nature", "weather", "motion"),
        "sensory": _any_class("light", "sound", "perception"),
        "depth": lambda word: float(word.depth),
        "closure": lambda word: float(word.closes),
        "predicate": _any_pos("VERB", "AUX", "ADJ"),
        "sea": lambda word: float(word.topic == "sea"),
        "home": lambda word: float(word.topic == "home"),
        "quoted": lambda word: float(word.quoted),
    }
)


def _log_frequency(word: Word) -> float:
    import wordfreq

    return float(wordfreq.zipf_frequency(word.text, "en"))


#: What any speech does to an auditory region, by name.
NUISANCE: Mapping[str, Feature] = MappingProxyType(
    {
        "word rate": lambda word: 1.0,
        "word length": lambda word: float(word.letters),
        "log frequency": _log_frequency,
    }
)


def values(features: Mapping[str, Feature], words: tuple[Word, ...]) -> Doubles:
    """Tabulate features, (words, features)."""
    return np.array([[feature(word) for feature in features.values()] for word in words])
