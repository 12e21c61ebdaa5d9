"""What arrays of NumPy are called in signatures, by what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
"""Of either precision."""
Doubles = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]
"""Places in an array, as NumPy gives them."""
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
"""Strings of any length."""
