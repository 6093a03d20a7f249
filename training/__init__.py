"""What a model is trained on, read from pinned releases. Nothing here imports `jobs`."""
