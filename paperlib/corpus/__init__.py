"""The embedded corpus and the loaders of real ones."""
