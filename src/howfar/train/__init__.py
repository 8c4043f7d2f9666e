"""Training: recipes, the loop, checkpoints. Needs PyTorch (extra `train`)."""
