"""Copies of benchmark items as they turn up in training data, to be planted and looked for."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Sequence

import pyarrow as pa

from jobs.kernels.contamination import Index, Item

FILLER = "import os\n\n\ndef unrelated(path):\n    return os.path.join(path, 'x')\n\n\n"
Change = Callable[[Item], str]


def _verbatim(item: Item) -> str:
    return "\n".join(item.parts[part] for part in ("prompt", "solution") if part in item.parts)


def _commented(item: Item) -> str:
    """A remark behind every line of code and none inside the prompt's own text."""
    lines = item.code.splitlines()
    quoted = False
    out = []
    for line in lines:
        quoted ^= (line.count('"""') + line.count("'''")) % 2 == 1
        plain = (
            not quoted and '"""' not in line and "'''" not in line and line.strip() and not line.rstrip().endswith("\\")
        )
        out.append(f"{line}  # step {len(out)}, kept as it was" if plain else line)
    return "\n".join(out)


class _Rename(ast.NodeTransformer):
    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        names = {n.arg for n in nodes if isinstance(n, ast.arg)} | stored
        names |= {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
        self.names = {name: f"thing_{i}" for i, name in enumerate(sorted(names))}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg, node.annotation = self.names[node.arg], None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name, node.returns = self.names[node.name], None
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body = node.body[1:]
        self.generic_visit(node)
        return node


def _renamed(item: Item) -> str:
    """Every name changed, prompt, comments and annotations gone: only the form of the code is left."""
    tree = ast.parse(item.code)
    return ast.unparse(_Rename(tree).visit(tree))


def _translated(item: Item) -> str:
    """Another language: the task as a comment, names in its style, a body of its own."""
    name = item.entry_point.split("_")
    camel = name[0] + "".join(part.title() for part in name[1:])
    task = "\n".join(f" * {line.strip()}" for line in item.parts["prompt"].splitlines())
    return f"/**\n{task}\n */\nstatic Object {camel}(Object given) {{\n    return null;\n}}\n"


KINDS: dict[str, Change] = {
    "verbatim": _verbatim,
    "re-wrapped": lambda item: textwrap.fill(_verbatim(item), 40),
    "re-indented": lambda item: "class Box:\n" + textwrap.indent(item.code.replace("    ", "\t"), "      "),
    "commented": _commented,
    "renamed": _renamed,
    "translated": _translated,
}


def recall_of(index: Index, items: Sequence[Item], benchmark: str, kind: str) -> tuple[float, list[str]]:
    """Share of the benchmark's items whose planted copy is found, and which are not. Items that do not parse are left out."""
    wanted = [item for item in items if item.benchmark.lower() == f"{benchmark}/{benchmark}"]
    planted = [(item, FILLER + KINDS[kind](item) + "\n\nprint('end')\n") for item in wanted if _parses(item)]
    texts = pa.array([text for _, text in planted], pa.string())
    found = {(hit.row, hit.benchmark, hit.item) for hit in index.find(texts, entry_points=False)}
    missed = [item.item for row, (item, _) in enumerate(planted) if (row, item.benchmark, item.item) not in found]
    return 1 - len(missed) / len(planted), missed


def _parses(item: Item) -> bool:
    try:
        ast.parse(item.code)
    except SyntaxError:
        return False
    return True
