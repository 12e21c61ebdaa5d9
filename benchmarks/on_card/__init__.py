"""Sections of benchmarks/gpu.py: each gives rows of tables, made by the product's own code."""
