"""`codelake`: the group, its shared options, and how errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console

from lakehouse.errors import CodelakeError, ConfigError

COMMANDS = {
    # name: (module, function); imported when used, so that `codelake sql` does not load Spark
    "plan": ("build", "plan"),
    "build": ("build", "build"),
    "run": ("build", "run"),
    "ls": ("look", "ls"),
    "show": ("look", "show"),
    "runs": ("look", "runs"),
    "why": ("look", "why"),
    "sql": ("look", "sql"),
    "report": ("look", "report"),
    "rules": ("rules", "rules"),
    "dedup": ("dedup", "dedup"),
    "tokenizer": ("tokenizer", "tokenizer"),
    "mix": ("mix", "mix"),
    "refetch": ("jobs.code.cli", "refetch"),
    "picture": ("jobs.pictures.cli", "picture"),
    "web": ("jobs.web.cli", "web"),
    "synthesis": ("jobs.synthesis.cli", "synthesis"),
    "release": ("release", "release"),
    "doctor": ("setup", "doctor"),
    "setup": ("setup", "setup"),
    "quickstart": ("quickstart", "quickstart"),
    "train": ("training.cli", "train"),  # a dotted name is a module outside this package
    "export": ("training.cli", "export"),
    "register": ("training.cli", "register"),
    "lineage": ("training.cli", "lineage"),
    "evaluate": ("training.cli", "evaluate"),
    "ablate": ("training.cli", "ablate"),
    "perplexity": ("training.cli", "perplexity"),
}


class Lazy(click.Group):
    """Commands by name, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module, function = COMMANDS[cmd_name]
        name = module if "." in module else f"lakehouse.cli.{module}"
        command: click.Command = getattr(importlib.import_module(name), function)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="codelake")
def group() -> None:
    """Turn source code into tables that a model can be trained on, and say why for every row.

    \b
    First steps:
      codelake doctor                       is this machine ready?
      codelake quickstart                   a small lake from real code, in a few minutes
      codelake plan --conf my.yaml          what would run, and why
      codelake build --conf my.yaml         run it; a second time does nothing
      codelake sql "SELECT * FROM gold.pretrain LIMIT 3"
      codelake why repo:path                the whole story of one file

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage or configuration,
                3 data-quality gate failed, 4 another process holds the lock.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        # A command that ends with a code of its own gives it back here.
        code = group.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        if isinstance(code, int) and code:
            sys.exit(code)
    except click.exceptions.Abort:
        console.print("interrupted: nothing half-done was published; the same command goes on")
        sys.exit(130)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ConfigError.exit_code)
    except CodelakeError as error:
        console.print(f"[bold red]{type(error).__name__}[/]", end=" ")
        console.print(str(error), markup=False)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
