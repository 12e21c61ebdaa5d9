"""Making a model smaller, and saying exactly by how much.

Compressors themselves are plugins (``brainpress_plugins.compressors``); this room holds what they
share: the
view of a layer, the grid of rounding, the patterns of sparsity, the count of bits, the report and
perplexity.
"""
