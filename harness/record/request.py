"""What a benchmark asks of a variant, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from harness.record.context import Context
from harness.stimuli.passages import Stimuli
from harness.stimuli.readouts import Readout
from harness.store.keys import canonical, content_key

if TYPE_CHECKING:
    import xarray as xr


class Measure(StrEnum):
    """Quantity that is recorded for each token."""

    HIDDEN = "hidden"
    """The hidden state of every layer; layer 0 is the embedding."""
    LOGPROB = "logprob"
    """The natural logarithm of the probability of the token given its context."""
    BOUNDARY = "boundary"
    """The same of a word's end behind the token: that what follows begins with a space, or is
    nothing (see :mod:`harness.record.boundary`)."""
    TOKENS = "tokens"
    """One for each token: what the tokenizer counts. Nothing goes through the model."""
    UNIGRAM = "unigram"
    """Minus the logarithm of the token's share of all tokens of the stimuli (add-one smoothing over
    the vocabulary): what a model without context would be surprised by. Nothing goes through the
    model."""

    @property
    def capability(self) -> str:
        """What a model must be able to do; every model has hidden states."""
        if self is Measure.BOUNDARY:
            return str(Measure.LOGPROB)
        return str(Measure.HIDDEN if self.of_tokens else self)

    @property
    def of_tokens(self) -> bool:
        """Whether tokens alone say it, and no model is asked."""
        return self in (Measure.TOKENS, Measure.UNIGRAM)


@dataclass(frozen=True)
class Request:
    """Hidden states or log-probabilities of some stimuli.

    Parameters
    ----------
    stimuli : Stimuli
    measure : Measure
    context : Context
    readout : Readout
        The linear map from tokens to the rows of the recording.
    """

    stimuli: Stimuli
    measure: Measure
    context: Context
    readout: Readout = field(repr=False)

    @cached_property
    def key(self) -> str:
        """sha256 of everything that determines the answer, the variant apart."""
        return content_key(
            stimuli=self.stimuli.key,
            measure=self.measure,
            context=self.context,
            readout=canonical(self.readout),
        )

    @cached_property
    def pass_key(self) -> str:
        """Requests that share it are answered by the same forward passes."""
        return content_key(stimuli=self.stimuli.key, measure=self.measure, context=self.context)


class Recordings(Mapping[Request, "xr.DataArray"]):
    """The answers to a benchmark's requests, read when asked for.

    ``recordings[request]`` is a DataArray with dims (sample, layer, unit); ``layer`` is a
    coordinate of layer numbers, and ``passage`` names the passage of each sample.
    """

    def __init__(
        self, requests: Iterable[Request], load: Callable[[Request], xr.DataArray]
    ) -> None:
        self._requests = {request.key: request for request in requests}
        self._load = load

    def __getitem__(self, request: Request) -> xr.DataArray:
        return self._load(self._requests[request.key])

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests.values())

    def __len__(self) -> int:
        return len(self._requests)
