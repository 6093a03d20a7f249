"""The command line. stdout carries results, stderr progress; `--json` makes both readable by programs."""

from lakehouse.cli.main import main

__all__ = ["main"]
