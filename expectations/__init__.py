"""One Great Expectations suite per table, and the gate that runs them."""
