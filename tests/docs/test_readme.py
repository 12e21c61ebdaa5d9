"""Every command and snippet of README.md and docs/, run as a reader would run it.

A block with a title is the file of that name; commands run in the order of the page, in a folder of
their own. What would take a real model runs with ``--dry-run``; a folder ``my-model`` with a tiny
random model stands where the reader's would.
"""

from __future__ import annotations

import importlib
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_bids import simulate
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from harness.board.files import open_board
from harness.cli import main
from harness.spec.registry import registry

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "leaderboard/README.md",
    *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md")),
]
QUICK = ("file:my-model", "my-model")
"""Models of the pages that are there, and small enough to be run."""
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
STORY = "the old man went down to the shore and saw that a boat was gone"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """Lines of a shell block as words; comments are dropped."""
        lines = (shlex.split(line, comments=True) for line in self.text.splitlines())
        return [words for words in lines if words]


def blocks(page: str) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))]


def set_ups() -> Iterator[list[list[str]]]:
    """The set-up lines of all pages, each as its commands."""
    for page in PAGES:
        for block in blocks(page):
            for line in block.commands if block.language == "bash" else []:
                if "venv" in line:
                    yield [shlex.split(c) for c in shlex.join(line).split(" '&&' ")]


def project() -> dict[str, Any]:
    said: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return said["project"]


@dataclass(frozen=True)
class Reader:
    """Somebody who follows a page in a folder, with nothing but what the page gives them."""

    folder: Path
    site: Path
    patch: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]

    def brainpress(self, *arguments: str) -> str:
        """Run a command in this process: there are many, and torch is slow to import.

        A plan may say that cells cannot be done: a reader of the test has no data.
        """
        self.patch.setattr(sys, "argv", ["brainpress", *arguments])
        self.output.readouterr()
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        else:
            code = 0
        printed = self.output.readouterr()
        allowed = (0, 1) if "--dry-run" in arguments else (0,)
        assert code in allowed, f"brainpress {shlex.join(arguments)}\n{printed.out}\n{printed.err}"
        return printed.out

    def follow(self, words: list[str]) -> None:
        """Do what a command of a page says."""
        match words:
            case ["brainpress", "run", *rest]:
                models = rest[rest.index("-m") + 1].split(",") if "-m" in rest else ["others"]
                bases = {re.sub("^(untrained|static):", "", model) for model in models}
                quick = bases <= set(QUICK)
                self.brainpress("run", *rest, *([] if quick else ["--dry-run"]))
            case ["brainpress", "answer" | "card" as verb, *rest]:
                self.brainpress(verb, *(self.on_the_board(word) for word in rest))
            case ["brainpress", *rest]:
                self.brainpress(*rest)
            case ["pip", "install", "-e", package]:
                self.install(self.folder / package)
            case ["pip", "install", "-c", "constraints.txt", "-e", what]:
                assert_installable(what)
            case [".", ".venv/bin/activate"]:
                pass
            case ["python3", "-m", "venv", *_]:
                pass  # test_set_up reads these
            case _:
                raise AssertionError(f"nothing runs {shlex.join(words)!r}")

    def on_the_board(self, word: str) -> str:
        """Put the name that the board has where a page says ``my-model``."""
        model, plus, compressor = word.partition("+")
        if model != "my-model":
            return word
        board = open_board(Path(os.environ["BRAINPRESS_STORE"]) / "board.nc")
        names = [str(name) for name in board["cells"]["model"].values]
        (found,) = [name for name in names if name.startswith("my-model")]
        return found + plus + compressor

    def install(self, package: Path) -> None:
        """Install a package as pip does, into a folder of the reader's own."""
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--target", str(self.site), str(package)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        importlib.invalidate_caches()
        registry.cache_clear()

    def write(self, block: Block) -> Path:
        target = self.folder / (block.title or "snippet.py")
        target.parent.mkdir(exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
        return target


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Callable[..., Any],
) -> Path:
    """What the pages share: a tiny model, a store."""
    home = tmp_path_factory.mktemp("kept")
    tiny_model("llama", vocab_size=300, max_position_embeddings=1024).save_pretrained(
        home / "model"
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    letters = Tokenizer(models.BPE(vocabulary, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=letters, **special).save_pretrained(home / "model")
    return home


@pytest.fixture
def reader(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Reader]:
    """A reader with a model, prose, a story and responses; without data, cache or network."""
    folder, site = tmp_path / "here", tmp_path / "site"
    folder.mkdir()
    site.mkdir()
    (folder / "my-model").symlink_to(kept / "model")
    prose = ROOT / "harness/compress/texts/soil.txt"
    (folder / "prose.txt").symlink_to(prose)
    rows = [f"{w},{0.4 * i:.1f},{0.4 * i + 0.3:.1f}" for i, w in enumerate(STORY.split() * 40)]
    (folder / "words.csv").write_text("\n".join(["word,onset,offset", *rows]))
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(len(rows) // 5, 2))
    responses = {f"p{i}": shared + rng.normal(size=shared.shape) for i in range(3)}
    np.savez(folder / "responses.npz", **responses)
    for name in [n for n in os.environ if n.startswith(("BRAINPRESS_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BRAINPRESS_STORE", str(kept / "store"))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(kept / "cache"))
    monkeypatch.setenv("BRAINPRESS_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(site))
    imported = set(sys.modules)
    registry.cache_clear()
    made = Reader(folder, site, monkeypatch, capsys)
    if not (kept / "store" / "board.nc").exists():  # pages that show a board follow a run
        made.brainpress("run", "-m", "file:my-model", "-b", "minimal-pairs")
    yield made
    registry.cache_clear()
    for name in set(sys.modules) - imported:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def assert_installable(what: str) -> None:
    path, _, extras = what.partition("[")
    assert path == "."
    named = {e for e in extras.rstrip("]").split(",") if e}
    assert named <= set(project()["optional-dependencies"]), what


@pytest.mark.parametrize("page", PAGES)
def test_page_does_what_it_says(page, reader):
    said = (ROOT / page).read_text(encoding="utf-8")
    if "leaderboard/board.nc" in said and "board build" not in said:
        # A study of the accepted results is read beside them.
        (reader.folder / "leaderboard").mkdir()
        shutil.copy(ROOT / "leaderboard/board.nc", reader.folder / "leaderboard")
    if "derivatives/fmriprep" in said:
        simulate(reader.folder)
    for block in blocks(page):
        if block.title:
            reader.write(block)
        elif block.language == "python":
            runpy.run_path(str(reader.write(block)), run_name="__main__")
        elif block.language == "bash":
            for words in block.commands:
                reader.follow(words)
        else:
            assert block.language == "text", f"nothing reads a block of {block.language}"


def test_what_is_run_has_scores(reader):
    said = reader.brainpress("board")
    assert "my-model" in said
    assert "failed" not in said


def test_set_up(reader):
    lines = list(set_ups())
    assert len(lines) >= 3, "README says two, the quick start one"
    for make, install, use in lines:
        assert make == ["python3", "-m", "venv", ".venv"]
        assert install[:-1] == [".venv/bin/pip", "install", "-q", "-c", "constraints.txt", "-e"]
        assert_installable(install[-1])
        if use[0] == ".venv/bin/brainpress":
            assert "brainpress" in {point.name for point in entry_points(group="console_scripts")}
            assert "cells to do" in reader.brainpress(*use[1:], "--dry-run")
        else:
            assert install[-1] == ".[test]"


def test_ci_runs_the_tests_as_the_readme_does():
    (use,) = [use for _, _, use in set_ups() if ".venv/bin/brainpress" not in use]
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert shlex.join(use).replace(".venv/bin", '"$bin').replace("pytest", 'pytest"') in script
    assert "-c constraints.txt -e '.[test]'" in script


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target
