"""Pure text work on bytes and Arrow buffers. Nothing here imports Spark or `lakehouse`."""
