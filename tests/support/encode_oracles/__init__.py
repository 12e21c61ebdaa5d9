"""The encoding analysis as it was first written, in NumPy: what the one engine is held to."""
