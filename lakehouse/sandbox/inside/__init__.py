"""Runs inside the sandbox, on the standard library alone; nothing outside imports it at run time."""
