"""What installed packages offer: their public names with signatures and documentation, read from the packages themselves.

Importing a package runs it: name only packages that you would use yourself. Cost: one import a package, kept.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from jobs.synthesis.teacher.request import TeacherError

DOC_CHARACTERS = 600  # of one name's documentation


@dataclass(frozen=True)
class Package:
    """`names`: qualified name -> signature and the beginning of its documentation."""

    name: str
    version: str
    names: Mapping[str, str]


@cache
def package(name: str) -> Package:
    """The package as it is installed here. Raises TeacherError where it is not."""
    try:
        module = importlib.import_module(name)
        distribution = importlib.metadata.packages_distributions()[name.partition(".")[0]][0]
        version = importlib.metadata.version(distribution)
    except (ImportError, KeyError) as error:
        raise TeacherError(
            f"package {name!r} is not installed here, so its documentation cannot be read: {error}"
        ) from error
    return Package(name, version, dict(sorted(_public(module))))


def _public(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Functions and classes that a module offers under its own name: those of `__all__`, else those without underscore."""
    offered = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    for name in offered:
        value = getattr(module, name, None)
        if inspect.isroutine(value) or inspect.isclass(value):
            yield f"{module.__name__}.{name}", f"{name}{_signature(value)}\n{_documentation(value)}"


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (ValueError, TypeError):  # some functions of C have none
        return "(...)"


def _documentation(value: Any) -> str:
    return (inspect.getdoc(value) or "")[:DOC_CHARACTERS]


def names_used(tree: ast.Module, root: str) -> set[str]:
    """The qualified names below a package that code refers to, through imports and attributes, by whatever alias."""
    alias: dict[str, str] = {}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                if item.name.partition(".")[0] == root:
                    alias[item.asname or root] = item.name if item.asname else root
                    found.add(item.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").partition(".")[0] == root:
            for item in node.names:
                alias[item.asname or item.name] = f"{node.module}.{item.name}"
                found.add(f"{node.module}.{item.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (chain := _chain(node)) and chain[0] in alias:
            found.add(".".join([alias[chain[0]], *chain[1:]]))
    return found


def _chain(node: ast.expr) -> list[str]:
    """The parts of `a.b.c`; empty where it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def exists(qualified: str) -> bool:
    """Whether a module, function, class or attribute of this name is there in the installed version.

    What lies behind an instance cannot be told from its name: `numpy.array` can, `numpy.array(x).sum` never gets here.
    """
    parts = qualified.split(".")
    try:
        value: Any = importlib.import_module(parts[0])
    except ImportError:
        return False
    for i, part in enumerate(parts[1:], 2):
        if not hasattr(value, part):
            if not (isinstance(value, ModuleType) and _is_submodule(".".join(parts[:i]))):
                return False
            value = importlib.import_module(".".join(parts[:i]))
        else:
            value = getattr(value, part)
    return True


def _is_submodule(name: str) -> bool:
    above, _, last = name.rpartition(".")
    path = getattr(importlib.import_module(above), "__path__", None)
    return path is not None and any(found.name == last for found in pkgutil.iter_modules(path))
