"""Asking the lake without a JVM: SQL, the story of one file, what there is. Nothing here writes."""
