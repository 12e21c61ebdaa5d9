"""Engines: who does the jobs of a run."""
