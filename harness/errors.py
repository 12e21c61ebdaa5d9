"""What can go wrong, by name.

Every error a user can meet descends from :class:`HarnessError`. Its message says what was wrong and
where; ``hint`` says what to do next, and is printed on a line of its own by the command line.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Root of the errors brainpress raises on purpose.

    Parameters
    ----------
    message : str
        What was wrong, and where.
    hint : str, optional
        What to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class PluginError(HarnessError):
    """A plugin could not be imported, returned nonsense, or took a taken name."""


class SelectionError(HarnessError):
    """A name, glob or tag selected nothing."""


class ExtraMissing(HarnessError):
    """An optional dependency is not installed."""


class FetchError(HarnessError):
    """A file could not be had from where it should be."""


class OfflineError(FetchError):
    """A file is not on this machine and the network is off."""


class NotFetchedError(OfflineError):
    """Data are not on this machine, and no run fetches them by itself."""


class ChecksumError(FetchError):
    """A file is not the file it should be."""


class GatedError(FetchError):
    """A hub repository wants a licence accepted or a token."""


class StoreError(HarnessError):
    """The store cannot be read or written."""


class CorruptError(StoreError):
    """A stored file does not read back whole."""


class StimulusError(HarnessError):
    """A stimulus file or annotation cannot be used as it is."""


class ModelError(HarnessError):
    """A model cannot be loaded or taken apart."""


class RecordingError(HarnessError):
    """A request cannot be answered by this variant."""


class ContextTooLong(RecordingError):
    """A context policy needs more tokens than the model can see."""


class Unsupported(HarnessError):
    """A variant has no answer to this kind of request (a static model has no probabilities)."""


class CompressionError(HarnessError):
    """A compressor failed, or changed nothing."""


class DataError(HarnessError):
    """A neural or behavioural recording cannot be used as it is."""


class ScoreError(HarnessError):
    """A benchmark could not score its recordings."""


class SubmissionError(HarnessError):
    """A submission cannot be read, or does not hold what it should."""
