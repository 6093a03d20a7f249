"""Source code: from repositories to decisions, one module per job."""
