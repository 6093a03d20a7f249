"""Pictures of a lake: what each language came to, and two corpora as clouds of points."""
