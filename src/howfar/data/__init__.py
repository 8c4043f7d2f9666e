"""Data sets: readers, samples and a synthetic world."""
