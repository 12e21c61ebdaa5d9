"""A language model in the scanner: it answers requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from harness.errors import RecordingError
from harness.lm.states import hidden_states, mass_of, n_layers, token_logprobs
from harness.numeric.arrays import Doubles
from harness.record.batches import batch_matrix, padded, parents, positions, visible
from harness.record.boundary import beginnings
from harness.record.clock import Clock
from harness.record.context import Context
from harness.record.examined import check_rows, reads_alone, refused, start_tokens, told
from harness.record.growing import Growing, NotFinite, grown
from harness.record.packs import WORTH, Pack, Shown, batches, chains, trees
from harness.record.request import Measure, Request
from harness.record.size import bytes_of, fitting
from harness.record.tokens import Tokens, of_tokens, tokenise
from harness.record.windows import windows
from harness.stimuli.passages import Passage

if TYPE_CHECKING:
    from harness.lm.load import LanguageModel


BATCH_TOKENS = 2048
TREE_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest difference of logits, relative to the largest logit, that is rounding."""
LOGIT_BYTES = 2**28


@dataclass(frozen=True)
class LanguageSubject:
    """A loaded language model that records.

    Parameters
    ----------
    language_model : LanguageModel
    batch_size : int, optional
        Most windows of a batch. Recorded nowhere: it does not change results.
    batch_tokens : int
        Most tokens of a batch.
    trees : bool
        Whether windows that begin alike may be read together (see :mod:`harness.record.packs`).
        Does not change results.
    progress : callable, optional
        Called with (tokens done, tokens in all).
    scratch : Path, optional
        Folder for recordings that are too large to be held in memory; they are in
        ``scratch / KEY``, a file for each layer, and are read from there when they are asked
        for. None: all are held.
    """

    language_model: LanguageModel
    batch_size: int | None = None
    batch_tokens: int = BATCH_TOKENS
    trees: bool = True
    progress: Callable[[int, int], None] | None = None
    scratch: Path | None = None

    def record(self, request: Request) -> xr.DataArray:
        """Answer one request.

        Returns
        -------
        DataArray
            Dims (sample, layer, unit), float32; coordinates ``layer`` (0 is the embedding) and
            ``passage`` (name, by sample). Attributes ``tokens`` and ``forward_seconds``: how many
            tokens went through the model, and the wall time that took (s), readout included.

        Raises
        ------
        Unsupported
            The model has no answer of this kind.
        ContextTooLong
            A passage does not fit under the request's context policy.
        """
        return self.record_all([request])[request.key]

    def record_all(self, requests: Sequence[Request]) -> dict[str, xr.DataArray]:
        """Answer several requests; those that differ in their readout alone share one pass.

        Returns
        -------
        dict
            Recordings by the key of the request.
        """
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(request.pass_key, []).append(request)
        answers: dict[str, xr.DataArray] = {}
        for group in groups.values():
            answers |= _Pass(self, group).run()
        return answers


@dataclass
class _Pass:
    """The forward passes that answer requests of one set of stimuli, measure and context."""

    subject: LanguageSubject
    requests: list[Request]

    def run(self) -> dict[str, xr.DataArray]:
        request, model = self.requests[0], self.subject.language_model
        if request.measure.capability not in model.capabilities:
            what = f"{_NAMES[request.measure]}, which {request.stimuli.name} asks for"
            raise refused(model, what)
        passages = request.stimuli.passages
        tokens = [tokenise(p, model.tokenizer) for p in passages]
        readouts = [_Rows.of(r, tokens) for r in self.requests]
        if request.measure.of_tokens:
            values = of_tokens(request.measure, tokens, len(model.tokenizer))
            return {
                r.key: _recording(r, rows, rows.read(values)).assign_attrs(tokens=0)
                for r, rows in zip(self.requests, readouts, strict=True)
            }
        shown = self._shown(passages, tokens)
        layers = n_layers(model.model) if request.measure is Measure.HIDDEN else 1
        outs = self._sums(readouts, layers)
        passed, seconds = self._forward(shown, outs, request)
        spent = {"tokens": passed, "forward_seconds": seconds} | told(model, request.context)
        return {
            r.key: _recording(r, rows, out.values()).assign_attrs(spent)
            for r, rows, out in zip(self.requests, readouts, outs, strict=True)
        }

    def _sums(self, readouts: list[_Rows], layers: int) -> list[_Sum]:
        """Return the recordings, empty; together they decide whether they fit in memory."""
        scratch, rows = self.subject.scratch, sum(sum(r.counts) for r in readouts)

        def make(request: Request, own: int, units: int, device: torch.device) -> Growing:
            file = None if scratch is None else scratch / request.key
            return grown((own, layers, units), device, file, bytes_of((rows, layers, units)))

        return [_Sum(r, own, make) for r, own in zip(self.requests, readouts, strict=True)]

    def _shown(self, passages: Sequence[Passage], tokens: Sequence[Tokens]) -> list[Shown]:
        context, model = self.requests[0].context, self.subject.language_model
        lead = start_tokens(context, model.tokenizer, getattr(model, "start", None))
        limit = None if model.context is None else model.context - len(lead)
        shown = []
        for i, (passage, tok) in enumerate(zip(passages, tokens, strict=True)):
            for w in windows(context, tok, passage, limit):
                ids = np.concatenate([lead, tok.ids[w.start : w.stop]])
                shown.append(Shown(i, w, ids, len(lead)))
        check_rows(shown, model)
        return shown

    def _forward(self, shown: list[Shown], outs: list[_Sum], request: Request) -> tuple[int, float]:
        """Read the windows; return the number of tokens, and the wall time (s)."""
        model: Any = self.subject.language_model.model
        device = next(model.parameters()).device
        budget = self.subject.batch_tokens
        ends: torch.Tensor | None = None
        if request.measure is Measure.BOUNDARY:
            rows = int(model.get_input_embeddings().num_embeddings)
            tokenizer = self.subject.language_model.tokenizer
            ends = torch.from_numpy(beginnings(tokenizer, rows)).to(device)
        if request.measure is not Measure.HIDDEN:
            budget = min(budget, max(1, LOGIT_BYTES // (4 * model.config.vocab_size)))
        packs = chains(shown)
        alone = reads_alone(self.subject.language_model)
        if self.subject.trees and not alone:
            grown = trees(shown)
            saved = sum(map(len, grown)) / sum(map(len, packs))
            if saved < WORTH and reads_trees(model, grown[0]):
                packs = grown
        if device.type == "cpu":
            text = model.config.get_text_config()
            budget = fitting(budget, max(map(len, packs)), text, request.measure)
        total, done, clock = sum(map(len, packs)), 0, Clock(device)
        with torch.inference_mode():
            for batch in batches(packs, budget, 1 if alone else self.subject.batch_size):
                for out in outs:
                    out.next_batch(batch, device)
                inputs = model_inputs(batch, device, next(model.parameters()).dtype)
                with clock.running():
                    if request.measure is Measure.HIDDEN:
                        self._read_hidden(model, inputs, outs, request.context)
                    else:
                        before = torch.from_numpy(parents(batch)).to(device)
                        logits = model(**inputs, use_cache=False).logits
                        if ends is not None:
                            values = mass_of(logits, ends)
                        else:
                            values = token_logprobs(logits, inputs["input_ids"], before)
                        for out in outs:
                            out.add(0, values.reshape(-1, 1))
                done += sum(map(len, batch))
                if self.subject.progress is not None:
                    self.subject.progress(done, total)
            seconds = clock.seconds()
        return done, seconds

    @staticmethod
    def _read_hidden(
        model: Any, inputs: dict[str, torch.Tensor], outs: list[_Sum], context: Context
    ) -> None:
        def read(layer: int, states: torch.Tensor) -> None:
            flat = states.reshape(-1, states.shape[-1]).float()
            for out in outs:
                out.add(layer, flat)

        body = getattr(model, "base_model", model)
        with hidden_states(model, read, context.final_norm):
            body(**inputs, use_cache=False)


@dataclass(frozen=True)
class _Rows:
    """A request's readout, passage by passage."""

    matrices: list[Any]
    first: list[int]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, request: Request, tokens: Sequence[Tokens]) -> _Rows:
        counts = request.readout.rows(request.stimuli)
        matrices = [
            request.readout.matrix(request.stimuli, i, t.owners, len(t)).tocsc()
            for i, t in enumerate(tokens)
        ]
        return cls(matrices, [0, *np.cumsum(counts)[:-1].tolist()], counts)

    def read(self, values: Sequence[Doubles]) -> xr.Variable:
        """Read out a value for each token of each passage, (rows, 1, 1)."""
        rows = [matrix @ own for matrix, own in zip(self.matrices, values, strict=True)]
        found = np.asarray(np.concatenate(rows)[:, None, None], np.float32)
        return xr.Variable(("sample", "layer", "unit"), found)


class _Sum:
    """The recording as it grows: each batch adds its tokens' part to the rows it touches."""

    def __init__(
        self,
        request: Request,
        rows: _Rows,
        make: Callable[[Request, int, int, torch.device], Growing],
    ) -> None:
        self._request, self._rows, self._make = request, rows, make
        self._growing: Growing | None = None
        self._touched: Any = None
        self._matrix: Any = None

    def next_batch(self, batch: list[Pack], device: torch.device) -> None:
        touched, matrix = batch_matrix(batch, self._rows.matrices, self._rows.first)
        # A zero weight must not meet a token without a value (NaN): 0 * NaN is NaN.
        matrix.eliminate_zeros()
        matrix.sort_indices()
        self._touched = touched
        entries = matrix.tocoo()
        self._matrix = torch.sparse_coo_tensor(
            torch.from_numpy(np.stack([entries.row, entries.col]).astype(np.int64)),
            torch.from_numpy(entries.data.astype(np.float32)),
            size=matrix.shape,
            device=device,
            is_coalesced=True,  # rows in order, from CSR; columns of a row too, sorted below
            check_invariants=False,
        )

    def add(self, layer: int, flat: torch.Tensor) -> None:
        """Add the states of one layer: (windows * tokens, units)."""
        part = self._matrix @ flat
        if self._growing is None:
            rows = sum(self._rows.counts)
            self._growing = self._make(self._request, rows, part.shape[1], part.device)
        try:
            self._growing.add(layer, self._touched, part)
        except NotFinite as error:
            raise _not_finite(self._request, self._rows, error.row) from None

    def values(self) -> xr.Variable:
        assert self._growing is not None
        try:
            return self._growing.variable()
        except NotFinite as error:
            raise _not_finite(self._request, self._rows, error.row) from None


def model_inputs(
    batch: Sequence[Pack], device: torch.device, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return what a model of transformers is called with.

    Plain texts need token numbers alone: what pads them stands on their right, where a causal
    model does not look. Trees bring a mask and positions of their own.
    """
    inputs = {"input_ids": torch.from_numpy(padded(batch)).to(device)}
    if batch[0].is_chain:
        return inputs
    hidden = torch.from_numpy(~visible(batch)).to(device)
    mask = torch.zeros(hidden.shape, dtype=dtype, device=device)
    mask.masked_fill_(hidden, torch.finfo(dtype).min)
    return inputs | {
        "attention_mask": mask[:, None],
        "position_ids": torch.from_numpy(positions(batch)).to(device),
    }


def reads_trees(model: Any, pack: Pack) -> bool:
    """Whether an architecture reads a tree as it reads its branches one by one.

    Tried on a few windows of the pack: some architectures take no mask from outside, or count
    positions themselves.
    """
    tried = trees(pack.shown[:6])[0]
    device, dtype = next(model.parameters()).device, model.dtype
    with torch.inference_mode():
        try:
            inputs = model_inputs([tried], device, dtype)
            together = model(**inputs, use_cache=False).logits[0].float()
        except Exception:  # what an architecture raises when given a mask that it does not know
            return False
        for item, places in zip(tried.shown, tried.places, strict=True):
            ids = torch.from_numpy(item.ids)[None].to(device)
            alone = model(input_ids=ids, use_cache=False).logits[0].float()
            error = (together[torch.from_numpy(places)] - alone).abs().max()
            if error > TREE_TOLERANCE[dtype] * alone.abs().max():
                return False
    return True


_NAMES = {
    Measure.HIDDEN: "hidden states",
    Measure.LOGPROB: "log-probabilities",
    Measure.BOUNDARY: "log-probabilities of word ends",
    Measure.TOKENS: "tokens",
    Measure.UNIGRAM: "shares of tokens",
}


def _not_finite(request: Request, rows: _Rows, row: int) -> RecordingError:
    """Return the error of a value that is not finite."""
    passages = request.stimuli.passages
    passage = passages[int(np.searchsorted(np.cumsum(rows.counts), row, "right"))]
    return RecordingError(
        f"the {_NAMES[request.measure]} of passage {passage.name!r} are not finite (row {row})",
        "with dtype float16 activations can overflow: use float32 or bfloat16; a first token"
        " without a start token has no probability: use start='bos'",
    )


def _recording(request: Request, rows: _Rows, values: xr.Variable) -> xr.DataArray:
    names = np.repeat([p.name for p in request.stimuli.passages], rows.counts)
    return xr.DataArray(
        values,
        coords={"layer": np.arange(values.shape[1]), "passage": ("sample", names)},
        name="recording",
        attrs={
            "measure": str(request.measure),
            "context": str(request.context),
            "stimuli": request.stimuli.name,
        },
    )
