"""What a data set looks like before anything is scored, and what about it cannot be meant."""
