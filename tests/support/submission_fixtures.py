"""A small board with its base and its controls, as somebody would hand it in."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from toys import NONE, ROUND, Hidden

from harness.api import carry_out
from harness.board.submission.bundle import write_bundle
from harness.board.submission.cut import Offer, entries_of
from harness.board.submission.entry import Entry
from harness.lm.controls import static, untrained
from harness.lm.source import spec_from_address
from harness.place.place import Place
from harness.runner.options import RunOptions
from harness.runner.plan import make_plan
from harness.runner.select import Selection
from harness.spec.registry import Registry, Shelf
from harness.spec.specs import BenchmarkSpec

PEOPLE, REGIONS = ("ann", "bob", "cem"), ("LIFG", "LPTL")


class Listeners(Hidden):
    """Three participants and two regions, each a number that follows from the last layer."""

    def score(self, recordings: Any) -> xr.Dataset:
        (recording,) = recordings.values()
        level = float(np.tanh(np.abs(recording.isel(layer=-1).values).mean()))
        offsets = np.array([[0.0, 0.01], [0.02, 0.03], [0.04, 0.05]])
        best = 0.1 * level + offsets
        numbers = {"value": best.mean(), "low": best.min(), "high": best.max(), "ceiling": 0.5}
        numbers["normalised"] = numbers["value"] / 0.5
        curve = np.broadcast_to(best[..., None], (3, 2, recording.sizes["layer"]))
        return xr.Dataset(
            {
                **numbers,
                "r_best": (("participant", "roi"), best),
                "r": (("participant", "roi", "layer"), curve.copy()),
                "responses": (("participant", "volume"), np.ones((3, 7))),
                "text": ("word", np.array(["on", "a"], object)),
            },
            {
                "participant": list(PEOPLE),
                "roi": list(REGIONS),
                "layer": recording["layer"].values,
            },
            {"participants": 3, "ceiling_kind": "split half"},
        )


LISTENING = BenchmarkSpec(
    "toy-listening",
    target="submission_fixtures:Listeners",
    kind="neural",
    options={"words": 9},
    metric="Pearson r",
    margin=0.02,
)


@dataclass(frozen=True)
class Handed:
    """A board, the registry it was made with, and where its model is."""

    board: xr.DataTree
    registry: Registry
    offer: Offer

    @property
    def entries(self) -> list[Entry]:
        return entries_of(self.board, self.offer, self.registry)


@pytest.fixture(scope="session")
def handed(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Callable[..., Any],
    subword_tokenizer: Callable[..., Any],
) -> Handed:
    home = tmp_path_factory.mktemp("handed")
    tiny_model("llama").save_pretrained(home / "tiny")
    subword_tokenizer(False).save_pretrained(home / "tiny")
    base = spec_from_address(f"file:{home / 'tiny'}")
    models = (base, *(untrained(base, seed) for seed in range(3)), static(base))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINPRESS_CACHE", str(home / "cache"))
        place = Place.make(device="cpu", store=home / "store")
        selection = Selection(models, (NONE, ROUND), (LISTENING,))
        board = carry_out(make_plan(selection, place, RunOptions()))[1]
    registry = Registry(
        Shelf("model"),
        Shelf("compressor", {"none": NONE, "round": ROUND}, {"round": "toys 1.0"}),
        Shelf("benchmark", {LISTENING.name: LISTENING}, {LISTENING.name: "toys 1.0"}),
    )
    return Handed(board, registry, Offer("Ada", "ada@example.org"))


@pytest.fixture
def bundle(handed: Handed, tmp_path: Path) -> Path:
    return write_bundle(handed.entries, tmp_path / "ada.zip")


def edited(entry: Entry, change: Callable[[dict[str, Any]], object], **detail: Any) -> Entry:
    """Change an entry's record, its detail or both, and put the checksums right."""
    record = json.loads(entry.text)
    change(record)
    dataset = entry.dataset()
    assert dataset is not None
    if detail:
        dataset = dataset.assign(detail)
    return Entry.make(record, dataset)


def done(record: dict[str, Any], compressor: str = "none") -> dict[str, Any]:
    """Return the cell of a compressor."""
    (cell,) = [c for c in record["cells"] if c["compressor"]["name"] == compressor]
    found: dict[str, Any] = cell
    return found


def repacked(source: Path, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """Copy a bundle with its members changed, as a text editor would: checksums as they were."""
    with zipfile.ZipFile(source) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return target
