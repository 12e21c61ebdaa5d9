import json
from dataclasses import replace

import numpy as np
import pytest
from toys import NONE, ROUND, Hidden, benchmark, values

from harness.api import carry_out
from harness.errors import StoreError
from harness.lm import controls
from harness.lm.source import spec_from_address
from harness.place.place import here
from harness.record.subject import LanguageSubject
from harness.runner.keys import Keys
from harness.spec.specs import BenchmarkSpec
from harness.store.store import Kind, Store


def statuses(cells):
    return [str(c.status) for c in cells]


def test_every_variant_is_scored_on_every_benchmark(planning, store):
    plan = planning()
    assert statuses(plan.cells) == ["to do"] * 4
    cells, board = carry_out(plan)
    assert statuses(cells) == ["done"] * 4
    assert values(board).shape == (1, 2, 2)
    assert len(np.unique(values(board))) == 4
    compression = board["compression"].to_dataset().squeeze("model")
    assert compression["bits_per_weight"].sel(compressor="round") == 4
    assert compression["perplexity"].sel(compressor="none") > 1


def test_a_finished_matrix_loads_no_model(planning, store, monkeypatch):
    first = values(carry_out(planning())[1])
    monkeypatch.setattr("harness.lm.load.load", lambda *_, **__: pytest.fail("a model was loaded"))
    plan = planning()
    assert statuses(plan.cells) == ["done"] * 4
    np.testing.assert_array_equal(values(carry_out(plan)[1]), first)


def test_benchmarks_that_ask_for_the_same_pass_share_it(planning, store, recorded):
    carry_out(planning([benchmark("Hidden"), benchmark("Whole2")], [NONE]))
    assert recorded == ["toy"]


def test_a_cell_that_fails_is_a_row_and_the_others_go_on(planning, store):
    specs = [benchmark("Fails"), benchmark("NoData"), benchmark("Hidden")]
    cells, board = carry_out(planning(specs, [NONE]))
    assert statuses(cells) == ["failed", "failed", "done"]
    reasons = board["cells"]["reason"].values.ravel()
    assert "ZeroDivisionError: in the score" in reasons[0]
    assert "the toy data are not here" in reasons[1]
    # what failed is tried again, what was recorded for it is kept
    again = planning(specs, [NONE])
    assert statuses(again.cells) == ["to do", "failed", "done"]
    assert statuses(planning(specs, [NONE], overwrite="never").cells)[0] == "failed"


def test_a_benchmark_with_a_fault_of_its_own_stops_no_other(planning, store, tmp_path, monkeypatch):
    (tmp_path / "halfdone.py").write_text("raise RuntimeError('half done')\n")
    monkeypatch.syspath_prepend(tmp_path)
    half = BenchmarkSpec("toy-half", target="halfdone:Half", kind="neural")
    toys = [benchmark("Odd"), half, benchmark("Hidden")]
    cells, _ = carry_out(planning(toys, [NONE]))
    assert statuses(cells) == ["failed", "failed", "done"]
    assert "KeyError: 'no such run'" in cells[0].reason
    assert "toys.py, line" in cells[0].reason
    assert "halfdone:Half" in cells[1].reason
    assert "half done" in cells[1].reason


def test_a_failure_that_decayed_does_not_hide_the_others(planning, store):
    toys = [benchmark("Fails"), benchmark("Hidden")]
    carry_out(planning(toys, [NONE]))
    (kept,) = (store.root / Kind.FAILURE).rglob("*.nc")
    kept.write_bytes(kept.read_bytes()[:500])
    again = planning(toys, [NONE], overwrite="never")
    assert statuses(again.cells) == ["to do", "done"]


def test_a_compressor_whose_extra_is_absent_is_told_before_anything_is_loaded(
    planning, store, monkeypatch
):
    needs = replace(ROUND, extra="bnb")
    monkeypatch.setattr("harness.spec.extras.lacking", lambda extra: ())
    carry_out(planning([benchmark("Hidden")], [needs]))
    monkeypatch.setattr("harness.spec.extras.lacking", {"bnb": ("bitsandbytes",), "": ()}.get)
    plan = planning(compressors=[NONE, needs])
    assert statuses(plan.cells) == ["to do", "to do", "done", "failed"]  # a score stays a score
    assert (
        plan.cells[-1].reason == "bitsandbytes is not installed: pip install 'bitsandbytes>=0.50'"
    )
    assert statuses(planning(compressors=[needs], overwrite="always").cells) == ["failed"] * 2


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_goes_on_where_it_was(planning, store, recorded, monkeypatch, interrupt):
    calls = []
    original = LanguageSubject.record_all

    def dies(self, requests):
        calls.append(1)
        if len(calls) == 3:
            raise interrupt
        return original(self, requests)

    monkeypatch.setattr(LanguageSubject, "record_all", dies)
    with pytest.raises(interrupt):
        carry_out(planning())
    before = statuses(planning().cells).count("done")
    assert before == 2
    recorded.clear()
    cells, board = carry_out(planning())
    assert statuses(cells) == ["done"] * 4
    assert len(recorded) == 2
    monkeypatch.setattr(LanguageSubject, "record_all", original)
    fresh = Store(store.root.parent / "fresh")
    wanted = carry_out(planning(into=fresh))[1]
    np.testing.assert_allclose(values(board), values(wanted), rtol=1e-5)


def test_a_killed_score_finds_what_it_left_and_its_device(planning, store, monkeypatch):
    found, original = [], Hidden.score

    def dies(self, recordings):
        folder = here().unfinished
        found.append(folder.exists())
        folder.mkdir(parents=True, exist_ok=True)
        if len(found) in (1, 2):
            raise KeyboardInterrupt
        found.append(here().device)
        return original(self, recordings)

    monkeypatch.setattr(Hidden, "score", dies)
    for overwrite in ("missing", "always"):
        with pytest.raises(KeyboardInterrupt):
            carry_out(planning([benchmark("Hidden")], [NONE], overwrite=overwrite))
    carry_out(planning([benchmark("Hidden")], [NONE]))
    # The second began anew; the third went on from the second.
    assert found == [False, False, True, "cpu"]
    assert not list((store.root / "unfinished").iterdir())
    assert here().unfinished is None


def test_overwrite_never_computes_nothing(planning, store, recorded):
    cells, board = carry_out(planning(overwrite="never"))
    assert recorded == []
    assert statuses(cells) == ["to do"] * 4
    assert np.isnan(values(board)).all()


def test_overwrite_always_computes_again(planning, store, recorded):
    carry_out(planning())
    recorded.clear()
    carry_out(planning(overwrite="always"))
    assert len(recorded) == 4


def test_a_score_that_decayed_is_computed_again(planning, store):
    cells, board = carry_out(planning())
    path = store.path(Kind.SCORE, cells[0].key)
    path.write_bytes(path.read_bytes()[:500])
    again, repaired = carry_out(planning())
    assert statuses(again) == ["done"] * 4
    np.testing.assert_array_equal(values(repaired), values(board))


def test_a_recording_that_decayed_is_made_again(planning, store, recorded):
    plan = planning([benchmark("Hidden")], [NONE])
    cells, board = carry_out(plan)
    (request,) = plan.benchmarks["toy-hidden"].requests
    keys = Keys(next(iter(plan.files.values())).fingerprint, NONE, "float32")
    path = store.path(Kind.RECORDING, keys.recording(request))
    path.write_bytes(path.read_bytes()[:700])
    store.remove(Kind.SCORE, cells[0].key)
    recorded.clear()
    _, repaired = carry_out(planning([benchmark("Hidden")], [NONE]))
    assert recorded == ["toy"]
    np.testing.assert_array_equal(values(repaired), values(board))


def test_order_of_cells_does_not_matter(planning, store):
    forward = [benchmark("Hidden"), benchmark("Whole2"), benchmark("Logprob")]
    a = carry_out(planning(forward))[1]["cells"].to_dataset()
    other = Store(store.root.parent / "other")
    plan = planning(forward[::-1], [ROUND, NONE], into=other)
    b = carry_out(plan)[1]["cells"].to_dataset().sel(a.coords)
    np.testing.assert_allclose(a["value"].values, b["value"].values, rtol=1e-5)


def test_keys_follow_what_determines_a_result_and_nothing_else(planning):
    def keys(**options):
        specs = options.pop("specs", [benchmark("Hidden")])
        compressors = options.pop("compressors", [ROUND])
        return [c.key for c in planning(specs, compressors, **options).cells]

    same = keys()
    assert keys(batch_size=3) == same
    assert keys(device="auto") == same
    assert keys(dtype="bfloat16") != same
    assert keys(compressors=[NONE]) != same
    assert keys(compressors=[replace(ROUND, options={"steps": 8})]) != same
    assert keys(compressors=[replace(ROUND, version=2)]) != same
    assert keys(specs=[benchmark("Hidden", version=2)]) != same
    assert keys(specs=[benchmark("Hidden", options={"words": 11})]) != same


def test_controls_have_cells_without_meaning(planning, store, tiny_release):
    base = spec_from_address(f"file:{tiny_release()}")
    models = (base, controls.untrained(base, 0), controls.static(base))
    cells, board = carry_out(planning(models=models))
    by_name = {
        (c.variant.model.control, c.variant.compressor.name, c.benchmark.name): c for c in cells
    }
    assert by_name["static", "none", "toy-hidden"].status == "done"
    assert by_name["static", "none", "toy-logprob"].status == "not applicable"
    assert by_name["static", "round", "toy-hidden"].status == "not applicable"
    assert by_name["untrained", "round", "toy-logprob"].status == "done"
    detail = board["neural/toy-hidden"].to_dataset()
    curves = detail["curve"].sel(variant=[v for v in detail["variant"].values if "static" in v])
    assert np.isfinite(curves.values[:, 0]).all()
    assert np.isnan(curves.values[:, 1:]).all()


def test_truncated_weights_are_named_and_the_rest_goes_on(planning, store, tiny_release):
    good = spec_from_address(f"file:{tiny_release()}")
    folder = tiny_release(seed=1)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    plan = planning(models=(spec_from_address(f"file:{folder}"), good))
    cells, _ = carry_out(plan)
    assert statuses(cells) == ["failed"] * 4 + ["done"] * 4
    assert "model.safetensors is truncated" in cells[0].reason


def test_a_store_that_cannot_be_written_stops_at_once(planning, store, recorded, monkeypatch):
    def refuse(self):
        raise StoreError("cannot write in the store: no space is left on the device")

    monkeypatch.setattr(Store, "check_writable", refuse)
    with pytest.raises(StoreError, match="no space"):
        carry_out(planning())
    assert recorded == []


def test_a_disk_that_fills_up_loses_nothing_computed_before(planning, store, monkeypatch):
    original, writes = Store.write, []

    def fills(self, kind, key, dataset, chunks=None, **how):
        if len(writes) == 4:
            raise StoreError("cannot write in the store: no space is left on the device")
        writes.append(kind)
        original(self, kind, key, dataset, chunks, **how)

    monkeypatch.setattr(Store, "write", fills)
    with pytest.raises(StoreError, match="no space"):
        carry_out(planning())
    monkeypatch.setattr(Store, "write", original)
    assert statuses(planning().cells).count("done") == writes.count(Kind.SCORE) == 1


def test_every_score_says_where_it_comes_from(planning, store):
    _, board = carry_out(planning())
    said = json.loads(board["cells"]["provenance"].sel(compressor="round").values.ravel()[0])
    for name in ("revision", "fingerprint", "recordings", "dtype", "device", "compressor_options"):
        assert said[name], name
    assert json.loads(said["versions"])["torch"]
    assert said["record_seconds"] > 0
    assert said["peak_memory"] > 0
    assert said["tokens"] > 0
    assert 0 < said["forward_seconds"] <= said["record_seconds"]


def test_speed_is_tokens_of_all_recordings_over_their_time(planning, store):
    specs = [benchmark("Hidden"), benchmark("Logprob")]
    _, board = carry_out(planning(specs))
    speeds = board["compression"]["tokens_per_second"].stack(variant=("model", "compressor"))
    cells = board["cells"].to_dataset().stack(variant=("model", "compressor"))
    for i in range(speeds.sizes["variant"]):
        said = [json.loads(text) for text in cells["provenance"].isel(variant=i).values]
        tokens, seconds = (sum(s[name] for s in said) for name in ("tokens", "forward_seconds"))
        assert float(speeds[i]) == pytest.approx(tokens / seconds)


def test_no_speed_is_on_a_board_of_recordings_that_were_not_timed(planning, store, monkeypatch):
    monkeypatch.setattr("harness.runner.work.provenance", untimed)
    cells, board = carry_out(planning())
    assert "tokens_per_second" not in board["compression"].to_dataset()
    assert cells[0].key == planning().cells[0].key


def untimed(variant, spec, files, read, *rest):
    from harness.runner.provenance import provenance

    timed = ("tokens", "forward_seconds")
    old = [{k: v for k, v in attrs.items() if k not in timed} for attrs in read]
    return provenance(variant, spec, files, old, *rest)
