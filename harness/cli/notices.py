"""Notices of libraries that say nothing to whoever runs a command here."""

from __future__ import annotations

import logging
from collections.abc import Mapping

_POINTLESS: Mapping[str, str] = {
    # torchao, where it is installed beside transformers, registers enums as torch no longer wants.
    "torch.utils._pytree": "is an Enum subclass",
    # Its CUDA kernels, on a machine or a Python that cannot load them; nothing here calls them.
    "torchao": "Failed to load",
}
"""A part of the notice, by the logger that would tell it."""


class _Without(logging.Filter):
    """Lets pass what does not hold a part."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told."""
        return self._part not in record.getMessage()


def hide_pointless_notices() -> None:
    """Hide these notices, and no other, until the process ends."""
    for logger, part in _POINTLESS.items():
        logging.getLogger(logger).addFilter(_Without(part))
