"""The pipeline: one folder per corpus, one module per job. `jobs.registry` lists them; the graph is derived from reads and writes."""
