"""Samples that a teacher model writes: requests, answers, verified samples, each traceable to the file it grew from."""
