"""Names of calibration texts that are no corpora."""

SELF = "self"
"""Sampled from the model itself."""
FILE = "file:"
"""Before the path of a plain text file."""
