"""Places of the channels of the *Alice* EEG, and what their groups are called."""

from __future__ import annotations

import numpy as np
from brainpress_plugins.benchmarks.neural import alice_eeg_files as files


def test_channels_lie_where_their_region_says():
    """Millimetres of the montage that came with the recordings: right, front, up."""
    where = {name: np.array(place) / 90 for name, place in files.places().items()}
    assert len(where) == 61
    assert sorted(c for own in files.REGIONS.values() for c in own) == sorted(files.CHANNELS)
    for name, own in files.REGIONS.items():
        x, y, z = np.array([where[c] for c in own]).T
        if "temporal" in name:
            assert (x > 0.7).all() if name.startswith("right") else (x < -0.7).all()
            assert (z < 0.5).all()
        elif name == "frontal":
            assert (y > 0.6).all()
        elif name == "occipital":
            assert (y < -0.7).all()
            assert (z < 0.5).all()
        else:
            assert (z > 0.7).all()
            assert (y < -0.19).all() if "parietal" in name else (y > -0.01).all()
    for reference in files.REFERENCES:
        assert where[reference][2] < -0.3  # mastoids
    np.testing.assert_allclose([np.linalg.norm(place) for place in where.values()], 1, atol=1e-3)
