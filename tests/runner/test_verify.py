"""``doctor --verify`` reads everything, and says what it set aside."""

import json
import os
import shutil

import pytest
from toys import NONE, ROUND, benchmark
from typer.testing import CliRunner

from harness.api import carry_out
from harness.cli import app
from harness.compress.report.tensor_file import write_tensors
from harness.fetch import checksum
from harness.runner.status import Status
from harness.runner.verify import verify
from harness.store.seal import seal
from harness.store.store import Kind


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.fixture
def filled(planning, store):
    import torch

    plan = planning([benchmark("Hidden")], [NONE, ROUND])
    carry_out(plan)
    weights = store.weights_path("ab" * 32)
    write_tensors(weights, {"w": torch.arange(9.0)}, name=f"weights/{weights.stem}")
    block = store.root / "blocks" / ("ab" * 32) / "model.layers.0.safetensors"
    write_tensors(block, {"w": torch.arange(9.0)}, name=f"blocks/{block.parent.name}/{block.stem}")
    return plan


def test_a_whole_store(filled, store):
    seen = []
    found = verify(filled.place, lambda done, total: seen.append((done, total)))
    assert not found.set_aside
    assert not found.damaged
    assert found.files >= 2 + 2 + 2 + 2  # scores, recordings, reports, weights and a block
    assert seen[-1] == (found.nbytes, found.nbytes)


def test_one_flipped_bit_in_each_file(filled, store):
    files = [*store.root.rglob("*.nc"), *store.root.rglob("*.safetensors")]
    for path in files:
        flip(path)
    found = verify(filled.place)
    assert {path for path, _ in found.set_aside} == set(files)
    assert not any(path.exists() for path in files)
    assert verify(filled.place).set_aside == ()
    cells, _ = carry_out(filled)
    assert {cell.status for cell in cells} == {Status.DONE}


def test_a_file_under_another_key(filled, store):
    one, other = sorted((store.root / Kind.SCORE).glob("*/*.nc"))
    shutil.copy(one, other)
    ((path, why),) = verify(filled.place).set_aside
    assert path == other
    assert f"not as scores/{other.stem}" in why


def test_a_model_that_rots_and_a_killed_write(filled, store):
    path = next(iter(filled.files.values())).folder / "model.safetensors"
    before, times = checksum.remembered_sha256(path), path.stat()
    flip(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    facts = checksum._facts(path.resolve())
    checksum._memory(path.resolve()).write_text(json.dumps({**facts, "sha256": before}))
    left = store.root / ".score.nc.~01234567-1.abcd"
    left.touch()
    os.utime(left, (0, 0))
    command = ["doctor", "--verify", "--store", str(store.root)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    assert result.exit_code == 1
    assert "not what it was" in result.output
    assert "0 set aside, 1 damaged, 1 swept" in result.output
    assert path.is_file()  # it is not ours
    assert CliRunner().invoke(app, command).exit_code == 0


def test_what_is_kept_in_the_cache(planning):
    """Calibration texts, electrodes, volumes, probes that were prepared; unfinished analyses."""
    import torch

    place = planning([benchmark("Hidden")], [NONE]).place
    files = [
        place.cache / "electrodes" / "ab.npy",
        place.cache / "volumes" / "cd.npy",
        place.cache / "gum-probes" / "ef.json",
        place.store / "unfinished" / "key" / "analysis" / "3.npz",
    ]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something" * 99)
        kind = "unfinished/analysis" if path.suffix == ".npz" else path.parent.name
        seal(path, f"{kind}/{path.stem}")
    text = place.cache / "calibration" / "01.safetensors"
    write_tensors(text, {"tokens": torch.arange(9)}, name="calibration/01")
    files.append(text)
    whole = verify(place)
    assert not whole.set_aside
    assert whole.files >= len(files)
    for path in files:
        flip(path)
    assert {path for path, _ in verify(place).set_aside} == set(files)
