"""What the backends written in Python have in common: all but how they reach their database."""
