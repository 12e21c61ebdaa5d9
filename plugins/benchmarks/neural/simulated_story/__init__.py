"""A story written for brainpress, annotated word by word, and listeners simulated from it."""
