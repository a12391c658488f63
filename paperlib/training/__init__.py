"""Training: optimiser, loops, stages and checkpoints."""
