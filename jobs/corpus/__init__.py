"""Gold: what training reads."""
