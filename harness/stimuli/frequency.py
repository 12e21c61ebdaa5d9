"""How frequent words are in a language, on the Zipf scale of wordfreq (Speer 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from harness.errors import DataError

SEGMENTED = frozenset(("zh", "ja", "ko"))
"""Languages for which wordfreq would call a tokenizer that is not installed with it. Words come
segmented here, so they are looked up as they are."""
FEW = 0.2
"""Where a smaller share of words has a frequency, the language is probably another one."""


def zipf_frequencies(words: Sequence[str], language: str) -> list[float]:
    """Return log10 of occurrences per 10^9 words; 0 for unknown words.

    Parameters
    ----------
    words : sequence of str
    language : str
        Code: ``en``, ``fr``, ``zh``.

    Raises
    ------
    DataError
        wordfreq has no such language.
    """
    check_language(language)
    if language in SEGMENTED:
        known = _segmented(language)
        return [known.get(word, 0.0) for word in words]
    import wordfreq

    return [wordfreq.zipf_frequency(word, language) for word in words]


def check_language(language: str) -> None:
    """Refuse a language that wordfreq does not have.

    Raises
    ------
    DataError
        It does not.
    """
    import wordfreq

    known = wordfreq.available_languages()
    if language not in known:
        raise DataError(
            f"no word frequencies of language {language!r}",
            f"give its code: {', '.join(sorted(known))}",
        )


def unfamiliar(words: Sequence[str], language: str) -> str:
    """Say that hardly any word has a frequency; nothing where enough have."""
    values = zipf_frequencies(words, language)
    share = sum(value > 0 for value in values) / max(len(values), 1)
    if share >= FEW:
        return ""
    return f"{share:.0%} of the words have a frequency in language {language!r}: is it another one?"


@cache
def _segmented(language: str) -> dict[str, float]:
    import wordfreq

    frequencies = wordfreq.get_frequency_dict(language)
    return {word: math.log10(value * 1e9) for word, value in frequencies.items()}
