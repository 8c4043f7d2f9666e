"""Finding out about a camera: its lens from a checkerboard, a depth network's scale on it."""
