"""The preview: what is known before anything is fetched, and what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toys import NONE, ROUND, benchmark
from typer.testing import CliRunner

from harness.api import carry_out, plan
from harness.cli.app import app
from harness.lm import gguf
from harness.lm.files import Unconverted
from harness.lm.source import resolve, spec_from_address
from harness.place.place import Place
from harness.runner import preflight, room
from harness.runner.engines.options import EngineOptions
from harness.runner.pace import pace_of
from harness.runner.preflight import estimate, fitting
from harness.runner.sizes import Size, of_files, size_of, typical_states
from harness.runner.status import Status
from harness.spec.registry import registry
from harness.spec.specs import ModelSpec

FAR = ModelSpec("far", "hf:org/far", "0" * 40, parameters=1_500_000_000)


def test_a_model_that_is_not_here_is_counted_from_its_spec(planning: Any) -> None:
    made = planning(models=[FAR, replace(FAR, name="unknown", parameters=None)], compressors=[NONE])
    found = estimate(made)
    assert found.fetch == ("far", "unknown")
    assert found.fetched == 3_000_000_000
    assert found.unknown == ("unknown",)
    assert found.memory > 4 * FAR.parameters  # type: ignore[operator]
    assert found.disk > found.fetched
    assert found.seconds > 2 * FAR.parameters * 1550 / 5e11  # type: ignore[operator]
    assert "to fetch first (2.8 GiB, whose time is the network's): far, unknown" in found.sentence()


def test_a_control_is_made_from_files_that_are_fetched_once(planning: Any) -> None:
    control = replace(FAR, name="untrained:far#0", control="untrained", base="far", seed=0)
    once = estimate(planning(models=[FAR], compressors=[NONE]))
    both = estimate(planning(models=[FAR, control], compressors=[NONE]))
    assert both.fetched == once.fetched
    assert both.seconds > once.seconds


@pytest.mark.parametrize(
    ("parameters", "layers", "units"),
    [
        (124_000_000, 12, 768),  # GPT-2
        (410_000_000, 24, 1024),  # Pythia
        (1_540_000_000, 28, 1536),  # Qwen2.5
        (3_210_000_000, 28, 3072),  # Llama 3.2
        (8_030_000_000, 32, 4096),  # Llama 3.1
        (14_800_000_000, 48, 5120),  # Qwen2.5
        (70_600_000_000, 80, 8192),  # Llama 3.1
    ],
)
def test_states_of_published_shapes(parameters: int, layers: int, units: int) -> None:
    assert typical_states(parameters) == pytest.approx((layers + 1) * units, rel=0.3)


def test_what_fits_nowhere_is_refused_with_the_numbers(
    planning: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = planning(models=[FAR], compressors=[NONE])
    assert fitting(made).count(Status.TODO) == 2
    monkeypatch.setattr(room, "most", lambda: 4 * 2**30)
    refused = fitting(made)
    assert [cell.status for cell in refused.cells] == [Status.FAILED] * 2
    assert "far takes 5.6 GiB in float32; this machine has 4.0 GiB" in refused.cells[0].reason
    assert "--dtype bfloat16" in refused.cells[0].reason
    half = planning(models=[FAR], compressors=[NONE], dtype="bfloat16")
    assert fitting(half).count(Status.TODO) == 2
    assert any("GiB of memory" in line for line in estimate(made).short)
    # What is already stored is told, whatever the machine.
    assert fitting(planning(models=[FAR], overwrite="never")).count(Status.FAILED) == 0


def test_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "cards", lambda: (80 * 2**30, 24 * 2**30))
    here = Place.make(device="auto")
    assert room.room(here, EngineOptions()).card == 80 * 2**30
    assert room.room(replace(here, device="cuda:1"), EngineOptions()).model == 24 * 2**30
    both = EngineOptions("processes", gpus="0,1")  # type: ignore[arg-type]
    assert room.room(here, both).named == "a card of this machine"
    assert room.room(here, both).card == 24 * 2**30
    assert room.room(replace(here, device="cpu"), EngineOptions()).card is None
    far = EngineOptions("dask", scheduler="tcp://node:1")  # type: ignore[arg-type]
    assert room.room(here, far).model is None
    job = EngineOptions(cluster="slurm", cluster_options={"cores": 1, "memory": "10GiB"})  # type: ignore[arg-type]
    assert room.room(here, job).model == 10 * 2**30


def test_a_full_disk_is_said(planning: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.Store, "free_bytes", lambda self: 2**30)
    found = estimate(planning(models=[FAR], compressors=[NONE]))
    assert any("1.0 GiB are free" in line for line in found.short)


def test_speeds_are_read_off_the_store(planning: Any, store: Any) -> None:
    first = planning([benchmark("Hidden")], [NONE])
    assert not pace_of(first, store).measured
    carry_out(first)
    again = planning([benchmark("Hidden")], [NONE, ROUND])
    pace = pace_of(again, store)
    assert pace.measured
    assert pace.scoring(benchmark("Hidden")) < 5
    assert pace.scoring(benchmark("Logprob")) == pytest.approx(3)
    found = estimate(again)
    assert found.measured
    assert found.counts[Status.TODO] == 1


def test_a_gguf_file_is_not_converted_by_a_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "small.gguf"
    file.write_bytes(gguf.MAGIC + bytes(64))
    fields = {
        "general.architecture": "llama",
        "llama.block_count": 3,
        "llama.embedding_length": 32,
    }
    header = SimpleNamespace(fields=fields, numbers=1000)
    monkeypatch.setattr(gguf, "read_header", lambda path: header)
    monkeypatch.setattr(gguf, "_convert", lambda *_: pytest.fail("converted"))
    spec = spec_from_address(f"file:{file}")
    with pytest.raises(Unconverted) as caught:
        resolve(spec, offline=True, convert=False)
    assert (caught.value.parameters, caught.value.states) == (1000, 128)
    made = plan(models=f"file:{file}", benchmarks="minimal-pairs", store=tmp_path / "store")
    assert made.count(Status.TODO) == 1
    assert made.sizes[spec.name] == Size(1000, 128, fetch=0, convert=4000)
    assert estimate(made).fetch == ()


def test_sizes_of_files_and_of_sources(tiny_release: Any) -> None:
    found = of_files(resolve(spec_from_address(f"file:{tiny_release()}")))
    assert found.states == 4 * 32
    assert (found.fetch, found.convert) == (0, 0)
    wheel = ModelSpec("w", "pypi:w==1:w.gguf", parameters=1000)
    assert size_of(wheel) == Size(1000, typical_states(1000), fetch=1100, convert=4000)
    assert size_of(ModelSpec("x", "hf:a/x")) is None


def test_a_dry_run_says_by_its_exit_code_whether_all_can_be_done(
    tiny_release: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "none"))
    command = ["run", "-m", f"file:{tiny_release()}", "--store", str(tmp_path / "s"), "--dry-run"]
    good = CliRunner().invoke(app, [*command, "-b", "minimal-pairs"])
    assert good.exit_code == 0
    bad = CliRunner().invoke(app, [*command, "-b", "minimal-pairs,deniz2019-listening"])
    assert bad.exit_code == 1
    assert "1 cell to do" in bad.output


def test_a_dry_run_fetches_no_data(
    tiny_release: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "none"))

    def ask(*_: Any, **__: Any) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr("harness.fetch.download.transfer", ask)
    made = plan(
        models=f"file:{tiny_release()}",
        benchmarks="naturalstories",
        store=tmp_path / "store",
        fetch=False,
    )
    assert [cell.status for cell in made.cells] == [Status.TODO]
    assert "not on this machine" in made.cells[0].reason or "network" in made.cells[0].reason
    assert estimate(made).counts[Status.TODO] == 1


@pytest.mark.parametrize(
    "selection",
    [
        {"suite": "oota2026"},
        {"models": "*", "compressors": "*", "benchmarks": "minimal-pairs,simulated-listening"},
    ],
)
def test_the_study_and_thousands_of_cells_are_planned_with_nothing_fetched(
    selection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "none"))
    monkeypatch.setattr("harness.fetch.download.transfer", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setattr(room, "most", lambda: 2**40)
    made = plan(**selection, store=tmp_path / "store", fetch=False)
    found = estimate(made)
    assert len(made.cells) > 500
    assert found.unknown == ()
    assert found.seconds > 3600
    assert found.memory > 2**35  # 14 billion parameters and more, in float32
    assert found.fetched > 2**36
    assert found.disk > found.fetched


@pytest.mark.parametrize(
    ("parameters", "name", "seconds"),
    [
        (260_000, "minimal-pairs", 10.1),
        (260_000, "simulated-listening", 11.2),
        (134_515_008, "minimal-pairs", 72.8),
    ],
)
def test_time_is_within_a_third_of_what_was_measured(
    planning: Any, monkeypatch: pytest.MonkeyPatch, parameters: int, name: str, seconds: float
) -> None:
    """CPU seconds of whole runs, one thread, stories260K and SmolLM2-135M on an AMD EPYC."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = replace(FAR, parameters=parameters)
    made = planning(registry().benchmarks.select([name]), [NONE], [model])
    assert estimate(made).seconds == pytest.approx(seconds, rel=0.3)
