"""The board: all cells of a run as one xarray DataTree."""
