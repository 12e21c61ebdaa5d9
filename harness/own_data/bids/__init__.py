"""Responses in the layout of BIDS derivatives, as fMRIPrep and XCP-D write them."""
