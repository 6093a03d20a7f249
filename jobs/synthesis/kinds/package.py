"""Package instructions: exercises about installed packages, with their own documentation in the prompt.

Whatever an answer uses of the package must exist in that version, and the exercise must need what was asked for.
"""

from __future__ import annotations

from jobs.synthesis import packages
from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, text_of
from jobs.synthesis.kinds.sections import assertions, entry_point, one_block, parsed, sections


def _write(seed: Seed, settings: Settings) -> Writing:
    used = _used(seed, settings.options["packages"])
    about = packages.package(used[0].partition(".")[0])
    documentation = "\n\n".join(about.names[name] for name in used)
    count = int(settings.options["tests"])
    values = {
        "package": about.name,
        "version": about.version,
        "apis": ", ".join(used),
        "documentation": documentation,
        "seed": seed.text,
        "tests": str(count),
    }
    text = yield from text_of(settings.request("package", values))
    parts = sections(text, ("Problem", "Solution", "Tests"))
    code, tests = one_block(parts["Solution"], "Solution"), assertions(one_block(parts["Tests"], "Tests"))
    if len(tests) != count:
        raise Rejected("wrong_number_of_tests", f"{len(tests)}: expected {count}")
    name = entry_point(code, tests)
    _check(code, about, used, parts["Problem"], name)
    labels = (f"package={about.name}", f"version={about.version}")
    return Draft(parts["Problem"], parts["Solution"], code, name, tests, labels=labels, language="python")


def _used(seed: Seed, wanted: tuple[str, ...]) -> list[str]:
    """Up to five documented names of the first configured package that the seed uses. Raises Rejected where it uses none."""
    tree = parsed(seed.text, "seed")
    for name in wanted:
        known = packages.package(name).names
        found = sorted(n for n in packages.names_used(tree, name) if n in known)
        if found:
            return found[:5]
    raise Rejected("no_package_in_seed", ", ".join(wanted))


def _check(code: str, about: packages.Package, used: list[str], problem: str, name: str) -> None:
    if about.name not in problem or name not in problem:
        raise Rejected("not_named_in_problem", f"{about.name}, {name}")
    there = packages.names_used(parsed(code, "solution"), about.name)
    unknown = sorted(n for n in there if not packages.exists(n))
    if unknown:
        raise Rejected("no_such_api", f"{', '.join(unknown)} in {about.name} {about.version}")
    if not there & set(used):
        raise Rejected("api_not_used", f"expected one of {', '.join(used)}")


package = Kind(
    "package",
    "exercises about installed packages, with their documentation in the prompt",
    _write,
    prompts=("package",),
    options={"packages": "names of installed packages", "tests": "number of tests"},
    uses_packages=True,
)
