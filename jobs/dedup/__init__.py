"""Near-duplicates of any corpus: bands, pairs, clusters. Code, web text and samples use the same three jobs."""
