"""Benchmark items in the texts of any corpus: what is looked for, and every place where it was found."""
