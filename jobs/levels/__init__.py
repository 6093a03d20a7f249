"""Levels of deduplication, side by side on the same files: repositories and chunks as documents, and the arms they make."""
