"""Notices of libraries: what is hidden, and what is not."""

from __future__ import annotations

import logging
import sys

import pytest

from harness import cli
from harness.cli.notices import hide_pointless_notices


@pytest.fixture(autouse=True)
def filters_as_before() -> object:
    loggers = [logging.getLogger(name) for name in ("torch.utils._pytree", "torchao")]
    before = [list(logger.filters) for logger in loggers]
    yield
    for logger, filters in zip(loggers, before, strict=True):
        logger.filters[:] = filters


def test_only_what_says_nothing_is_hidden(caplog: pytest.LogCaptureFixture) -> None:
    hide_pointless_notices()
    tree = logging.getLogger("torch.utils._pytree")
    tree.warning("%s is an Enum subclass and is now natively supported", int)
    tree.warning("a node was registered twice")
    logging.getLogger("torchao").warning("Failed to load _C_mxfp8.so: no CUDA")
    logging.getLogger("torchao").warning("an old version")
    logging.getLogger("elsewhere").warning("Failed to load the model: is an Enum subclass")
    assert [record.getMessage() for record in caplog.records] == [
        "a node was registered twice",
        "an old version",
        "Failed to load the model: is an Enum subclass",
    ]


def test_every_command_hides_them(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["brainpress", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    logging.getLogger("torchao").warning("Failed to load _C_mxfp8.so: no CUDA")
    assert caplog.records == []
