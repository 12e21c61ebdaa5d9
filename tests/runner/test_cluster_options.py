"""Options of a cluster's jobs: what is read, what is refused, and what a job's script says."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SelectionError
from harness.runner.engines import jobqueue, memory
from harness.runner.engines.cluster import ClusterName, ClusterOptions
from harness.runner.engines.options import EngineName, EngineOptions

FULL = """
cores = 8
memory = "60GiB"
walltime = "1-02:30:00"
queue = "gpu"
account = "lab"
gres = "gpu:a100:2"
prologue = ["module load cuda"]
directives = ["--exclude=node7"]
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(FULL, encoding="utf-8")
    read = ClusterOptions.read(file)
    assert (read.cores, read.bytes, read.seconds, read.gpus) == (8, 60 * 2**30, 95400, 2)
    options = EngineOptions(cluster="slurm", cluster_options=str(file))  # type: ignore[arg-type]
    assert options.cluster is ClusterName.SLURM
    assert options.engine is EngineName.DASK
    assert options.cluster_options == read


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"memroy": "8GiB"}, "no 'memroy'", "did you mean memory?"),
        ({"wall_time": "01:00:00"}, "no 'wall_time'", "did you mean walltime?"),
        ({"zzz": 1}, "no 'zzz'", "there are account, cores"),
        ({"memory": "8GiB"}, "cores of a job is not said", "cores = 8"),
        ({"cores": 8}, "memory of a job is not said", "60GiB"),
        ({"cores": "8", "memory": "8GiB"}, "cores cannot be '8'", "a whole number"),
        ({"cores": True, "memory": "8GiB"}, "cores cannot be True", "a whole number"),
        ({"cores": 0, "memory": "8GiB"}, "cores cannot be 0", "at least"),
        ({"cores": 1, "memory": "much"}, "memory cannot be 'much'", "8GiB"),
        ({"cores": 1, "memory": "8GiB", "walltime": "90"}, "walltime cannot", "HH:MM:SS"),
        ({"cores": 1, "memory": "8GiB", "walltime": "00:00:30"}, "walltime cannot", "longer"),
        ({"cores": 1, "memory": "8GiB", "prologue": "module"}, "prologue cannot", "a list"),
        ({"cores": 1, "memory": "8GiB", "queue": "a\n#SBATCH b"}, "queue cannot", "one line"),
        ({"cores": 1, "memory": "8GiB", "directives": ["a\nb"]}, "directives cannot", "a list"),
        ({"cores": 1, "memory": "8GiB", "gres": "cards"}, "gres cannot", "gpu:1"),
        ({"cores": 1, "memory": "8GiB", "gpus": -1}, "gpus cannot", "0"),
    ],
)
def test_what_is_refused(given: Any, message: str, hint: str) -> None:
    with pytest.raises(SelectionError, match=message) as caught:
        ClusterOptions.read(given)
    assert hint in caught.value.hint


def test_files_that_are_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="cannot be read"):
        ClusterOptions.read(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"cores = \xff")
    with pytest.raises(SelectionError, match="not TOML"):
        ClusterOptions.read(broken)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cluster": "slrum"}, "no cluster 'slrum'"),
        ({"cluster": "slurm"}, "what a job of slurm asks for is not said"),
        ({"cluster_options": {"cores": 1, "memory": "1GiB"}}, "are of a cluster"),
        ({"cluster": "pbs", "engine": "processes"}, "of this machine"),
        ({"cluster": "pbs", "scheduler": "tcp://a:1"}, "a Dask scheduler of their own"),
    ],
)
def test_options_that_do_not_fit(options: Any, message: str) -> None:
    if "scheduler" in options:
        options |= {"cluster_options": {"cores": 1, "memory": "1GiB"}}
    with pytest.raises(SelectionError, match=message):
        EngineOptions(**options)


@pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="needs the extra `dask`")
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("slurm", ["-p gpu", "-A lab", "--cpus-per-task=8", "--mem=60G", "-t 26:30:00"]),
        ("pbs", ["-q gpu", "-A lab", "select=1:ncpus=8:mem=60gb:ngpus=2", "walltime=26:30:00"]),
        ("sge", ["-q gpu", "-P lab", "-l h_rt=26:30:00", "-pe smp 8"]),
        ("lsf", ["-q gpu", '-P "lab"', "-n 8", '-gpu "num=2"', "-W 26:30"]),
    ],
)
def test_the_script_of_a_job(
    name: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask_jobqueue

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1; touch here")
    given = {"cores": 8, "memory": "60GiB", "walltime": "1-02:30:00", "queue": "gpu"}
    given |= {"account": "lab", "prologue": ["module load cuda"]}
    given |= {"gres": "gpu:a100:2"} if name == "slurm" else {"gpus": 2}
    given |= {"directives": ["-pe smp 8"]} if name == "sge" else {}
    how = jobqueue.settings(ClusterName(name), ClusterOptions.read(given), tmp_path)
    queue = jobqueue.QUEUES[ClusterName(name)]
    job = getattr(dask_jobqueue, queue.cluster).job_cls
    del how["scheduler_options"]
    script = job("tcp://127.0.0.1:1", name="worker", **how).job_script()
    header, _, body = script.partition("export ")
    for line in lines:
        assert line in header
    assert "#SBATCH --gres=gpu:a100:2" in header or name != "slurm"
    assert "secret" not in script
    assert "HF_HUB_OFFLINE='1; touch here'" in body
    assert body.index("module load cuda") < body.index("dask_worker tcp://127.0.0.1:1")
    assert "--nthreads 1 --memory-limit 0 --resources GPU=2" in body
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_what_only_one_scheduler_has(tmp_path: Path) -> None:
    typed = ClusterOptions.read({"cores": 1, "memory": "8GiB", "gres": "gpu:1"})
    with pytest.raises(SelectionError, match="gres is of Slurm"):
        jobqueue.settings(ClusterName.PBS, typed, tmp_path)
    wide = ClusterOptions.read({"cores": 8, "memory": "8GiB"})
    with pytest.raises(SelectionError, match="parallel environment") as caught:
        jobqueue.settings(ClusterName.SGE, wide, tmp_path)
    assert "-pe smp 8" in caught.value.hint


def test_who_is_not_warned_hands_back_before_the_walltime() -> None:
    hour = ClusterOptions.read({"cores": 1, "memory": "8GiB", "walltime": "01:00:00"})
    assert jobqueue.lifetime(ClusterName.SLURM, hour) is None
    assert jobqueue.lifetime(ClusterName.LSF, hour) == 3480
    short = ClusterOptions.read({"cores": 1, "memory": "8GiB", "walltime": "00:05:00"})
    assert jobqueue.lifetime(ClusterName.SGE, short) == 240


def test_memory_of_a_worker() -> None:
    assert memory.peak() > 2**20
    assert memory.share(14 * 2**30, 15 * 2**30) == "memory 14.0 of 15.0 GiB"
    assert memory.share(0, 0) == "memory unknown"
