"""Many tasks on a large model: planned within what is said, and never held all at once."""

import gc
import json
import tracemalloc
import weakref
from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr
from toys import NONE, benchmark

from harness.api import carry_out
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.size import HELD
from harness.record.subject import LanguageSubject
from harness.runner.keys import Keys
from harness.runner.preflight import ACTIVATION_BYTES, estimate
from harness.runner.session import Session
from harness.spec.specs import BenchmarkSpec
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items
from harness.store.store import Kind

ROWS, LAYERS, UNITS, PARAMETERS = 12_000, 36, 2048, 3_085_938_688
ANSWER = ROWS * (LAYERS + 1) * UNITS * 4
"""Bytes of one task's recording: float32, every layer and the embedding."""
ALIVE: list[int] = []
"""Recordings of earlier tasks that were still there when a task was scored."""


@dataclass(frozen=True)
class Claimed:
    """A readout that says how many rows it has: a large request without its text."""

    count: int

    def rows(self, stimuli):
        return (self.count,)


class Many:
    """A suite of tasks, one request each, scored one after the other as Holmes is."""

    def __init__(self, tasks=50, rows=0):
        readout = Claimed(rows) if rows else Items()
        self.asked = tuple(
            Request(
                Stimuli(f"task {i}", (Passage.from_words(f"t{i}", ["on", "a", "thorn"]),)),
                Measure.HIDDEN,
                Context("prefix", start=Start.BOS),
                readout,
            )
            for i in range(tasks)
        )

    def requests(self):
        return self.asked

    def score(self, recordings):
        seen, means = [], []
        ALIVE.clear()
        for request in self.asked:
            recording = recordings[request]
            ALIVE.append(sum(one() is not None for one in seen))
            seen.append(weakref.ref(recording))
            layers = range(recording.sizes["layer"])
            means.append(np.mean([recording.isel(layer=i).values.mean() for i in layers]))
        return xr.Dataset({"value": np.mean(means), "means": ("task", means)})


def many(**options):
    return BenchmarkSpec("many", target=f"{__name__}:Many", kind="linguistic", options=options)


@pytest.fixture
def large(planning, tmp_path):
    """Fifty tasks for a model in the shape of Qwen2.5-3B, planned."""
    config = {"model_type": "qwen2", "num_hidden_layers": LAYERS, "hidden_size": UNITS}
    (tmp_path / "config.json").write_text(json.dumps(config))
    plan = planning([many(rows=ROWS)], [NONE])
    (name,) = plan.files
    files = replace(plan.files[name], folder=tmp_path, parameters=PARAMETERS)
    return replace(plan, files={name: files})


def test_the_preview_of_fifty_tasks_on_a_3b_model_states_disk_and_memory(large, store):
    said = estimate(large)
    assert said.disk == 50 * ANSWER
    # Weights, and one task at a time, in files: with all fifty it would be 180 GB more.
    assert said.memory == 4 * PARAMETERS + ACTIVATION_BYTES + 2 * HELD
    assert f"{said.memory / 2**30:.1f} GiB of memory" in said.sentence()
    assert f"{50 * ANSWER / 2**30:.1f} GiB of disk" in said.sentence()


def test_what_one_pass_records_is_held_together(planning, store):
    both = planning([benchmark("Hidden"), benchmark("Whole2")], [NONE])
    first, second = (planning([benchmark(name)], [NONE]) for name in ("Hidden", "Whole2"))
    sizes = [estimate(plan) for plan in (first, second, both)]
    assert sizes[2].disk == sizes[0].disk + sizes[1].disk
    held = [size.memory - sizes[0].memory + 2 * sizes[0].disk for size in sizes]
    assert held[2] == held[0] + held[1]


def test_a_run_records_and_scores_one_task_at_a_time(planning, store, monkeypatch):
    made, left = [], []
    original = LanguageSubject.record_all

    def spy(self, requests):
        gc.collect()
        left.append(sum(one() is not None for one in made))
        answers = original(self, requests)
        made.extend(weakref.ref(answer) for answer in answers.values())
        return answers

    monkeypatch.setattr(LanguageSubject, "record_all", spy)
    cells, board = carry_out(planning([many()], [NONE]))
    assert [str(c.status) for c in cells] == ["done"], cells[0].reason
    assert left == [0] * 50
    assert ALIVE == [0] * 50
    said = json.loads(board["cells"]["provenance"].values.item())
    assert len(json.loads(said["recordings"])) == 50
    assert said["record_seconds"] > 0


def test_a_recording_is_read_layer_by_layer(planning, store, monkeypatch):
    """What a benchmark takes is one layer at a time, and so is what the check of it takes."""
    rows, layers, units = 400, 16, 256
    values = np.random.default_rng(0).standard_normal((rows, layers, units)).astype(np.float32)
    plan = planning([many(tasks=1)], [NONE])
    (request,) = plan.benchmarks["many"].requests
    opened = Session(plan.variants[0], store, plan.place, plan.options, None)
    monkeypatch.setitem(opened.__dict__, "keys", keys := Keys("f", NONE, "float32"))
    answer = xr.DataArray(
        values,
        dims=("sample", "layer", "unit"),
        coords={"layer": np.arange(layers), "passage": ("sample", ["t0"] * rows)},
        name="recording",
        attrs={"context": "prefix"},
    )
    store.write(
        Kind.RECORDING,
        keys.recording(request),
        answer.to_dataset(),
        chunks={"recording": (rows, 1, units)},
    )
    opened.recording(request).isel(layer=0).values  # noqa: B018 - what is imported once
    tracemalloc.start()
    recording = opened.recording(request)
    mean = [recording.isel(layer=i).values.mean() for i in range(layers)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2)), atol=1e-6)
    assert peak < 4 * values.nbytes / layers
    assert recording.attrs["context"] == "prefix"
