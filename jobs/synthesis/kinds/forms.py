"""How solutions and tests are written in each language, as settings say it, and how they are read back.

form = form_of(settings, seed.language)          # of the seed's language, else Python's
tests = form.tests(block)                        # in Python assertions, else one condition a line
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.synthesis.kinds.base import Rejected, Settings
from jobs.synthesis.kinds.sections import assertions, entry_point
from lakehouse.sandbox.definitions import definitions
from lakehouse.sandbox.tested import TESTED

NAMES = {
    "python": "Python",
    "javascript": "JavaScript",
    "go": "Go",
    "java": "Java",
    "cpp": "C++",
    "rust": "Rust",
    "shell": "Bash",
}
_COMMENT = re.compile(r"^\s*(//|#)")


@dataclass(frozen=True)
class Form:
    """One language: what prompts call it, and what they say of its solutions and tests."""

    language: str
    name: str
    slots: Mapping[str, str]

    def tests(self, block: str) -> tuple[str, ...]:
        """The tests of a code block. Raises Rejected where it holds something else."""
        if self.language == "python":
            return assertions(block)
        lines = [line.strip() for line in block.splitlines() if line.strip() and not _COMMENT.match(line)]
        return tuple(line if self.language == "shell" else line.rstrip(";").rstrip() for line in lines)

    def entry_point(self, code: str, tests: Sequence[str]) -> str:
        """The function of the solution that every test calls. Raises Rejected where there is none."""
        if self.language == "python":
            return entry_point(code, tests)
        defined = [definition.name for definition in definitions(self.language, code)]
        for name in reversed(defined):  # helpers come first
            if tests and all(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", test) for test in tests):
                return name
        raise Rejected("no_entry_point", f"defined: {', '.join(defined) or 'nothing'}")


def form_of(settings: Settings, language: str) -> Form:
    """The form of this language, where it has none Python's. Raises Rejected where the settings have neither."""
    forms: Mapping[str, Mapping[str, str]] = settings.options["forms"]
    chosen = language if language in forms else "python"
    if chosen not in forms:
        raise Rejected("no_form", f"{language or 'no language'}: with a form are {', '.join(sorted(forms))}")
    said = forms[chosen]
    return Form(chosen, NAMES[chosen], {"solution_form": said["solution"], "test_form": said["test"]})


def wrong_forms(options: Mapping[str, Any]) -> str | None:
    """What is wrong with the option `forms`; None when nothing is."""
    forms = options["forms"]
    if not isinstance(forms, Mapping) or not forms:
        return "forms must say how solutions and tests are written, by language: ${conf:test-forms.yaml}"
    for language, said in forms.items():
        if language not in ("python", *TESTED):
            return f"forms.{language}: programs in it are not run; allowed: python, {', '.join(TESTED)}"
        if not isinstance(said, Mapping) or set(said) != {"solution", "test"}:
            return f"forms.{language}: expected the texts `solution` and `test`"
    return None


FORMS = "how solutions and tests are written, by language; Python's stands in for languages without one"
