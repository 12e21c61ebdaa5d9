"""A laboratory's own recordings as a benchmark, described in a file, without any Python."""
