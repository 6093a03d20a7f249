"""What the syntax tree of a text holds: functions, imports, variables, returns, classes, and their names.

Trees come from tree-sitter, whose grammars know today's languages and go on after an error. One query per language finds
what is counted; what counts as what is the OpenCoder filter's, said with nodes instead of patterns over lines:

- `functions`: definitions, prototypes in C and C++; in JavaScript declarations, and function expressions with a name
- `simple_functions`: bodies of one return statement (Python)
- `simple_variables`: declarations without a value; in JavaScript also with a literal, a name or a unary expression
- `simple_returns`: without a value or with a name or literal; every return in Python, C# and Go
- `variables`: names that a declaration, an assignment or a parameter (Python) binds

Cost on one core: 0.1 s a megabyte to parse, 0.02 to query, 0.001 to look at the tree's shape. Memory: about 20 bytes a byte.
Bounds are counted, not timed: a parse ends after STEPS times what usual code takes, and a query, which takes time by the
depth of a tree and by the width of what was skipped as an error, is only made where both are bounded.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

MAX_BYTES = 8_000_000  # the cap of a file as it comes in
STEPS_PER_BYTE = 1 / 50  # hundreds of the parser's own steps; Python code takes 1/200
SMALL = 32_000  # bytes; no query over so short a text takes more than 0.4 s
MAX_DEPTH = 2_000  # levels; 60 are usual, 200 rare
MAX_WIDTH = 20_000  # parts of one node, in a tree with errors; a query over 50,000 takes a second


Form = re.Pattern[bytes]

# What the names of variables, functions and classes have to look like.
_NAMED = ("variable", "function_name", "class")
_LEGAL: Mapping[str, tuple[Form, Form, Form]] = {
    "java": (re.compile(b"[a-z][A-Za-z0-9]*"), re.compile(b"[a-z][A-Za-z0-9]*"), re.compile(b"[A-Z][A-Za-z0-9]*")),
    "javascript": (
        re.compile(b"[a-z$][A-Za-z0-9]*"),
        re.compile(b"[A-Za-z$][A-Za-z0-9]*"),
        re.compile(b"[A-Z][A-Za-z0-9]*"),
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Counts over one tree.

    `parses`: no part of the text was skipped or made up. `legal_*`: share of the names of variables, functions and
    classes that look as the language wants them; None without a name, or where the language wants nothing.
    """

    parses: bool
    functions: int = 0
    simple_functions: int = 0
    imports: int = 0
    simple_variables: int = 0
    simple_returns: int = 0
    statements: int = 0
    passes: int = 0
    prints: int = 0
    gotos: int = 0
    mains: int = 0
    public: int = 0
    class_fields: int = 0
    variables: int = 0
    classes: int = 0
    legal_variables: float | None = None
    legal_functions: float | None = None
    legal_classes: float | None = None


def syntax(text: str, language: str) -> Found | None:
    """What the tree of the text holds; None for a language without a grammar here.

    Raises ValueError for a text of more than MAX_BYTES, and where a bound is passed.
    """
    if language not in GRAMMARS:
        return None
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes: at most {MAX_BYTES} are parsed")
    parser, query = _tools(language)
    root = _parsed(parser, data)
    if len(data) > SMALL:
        _check_shape(root)
    from tree_sitter import QueryCursor

    return _found(root, QueryCursor(query).captures(root), data, _LEGAL.get(language))


def _parsed(parser: Any, data: bytes) -> Any:
    steps, allowed = 0, 1000 + int(len(data) * STEPS_PER_BYTE)

    def read(offset: int, point: object) -> bytes:  # noqa: ARG001  the parser passes both
        return data[offset : offset + _READ]

    def has_enough(offset: int, has_error: bool) -> bool:  # noqa: ARG001
        nonlocal steps
        steps += 1
        return steps > allowed

    try:
        return parser.parse(read, progress_callback=has_enough).root_node
    except ValueError as error:
        parser.reset()  # or the next text would go on where this one ended
        raise ValueError(f"{len(data)} bytes took more than {allowed * 100} steps to parse") from error


# Bytes. A query reads each name that it compares through the same function: 64 kB a name were three quarters of its time.
_READ = 256
_STRIDE = 500  # nodes


def _check_shape(root: Any) -> None:
    """Raises ValueError where a query would take long."""
    if not root.has_error and _is_shallow(root):
        return
    cursor = root.walk()
    widths = [0]
    while True:
        if cursor.goto_first_child():
            widths.append(0)
            if len(widths) > MAX_DEPTH:
                raise ValueError(f"the syntax tree has more than {MAX_DEPTH} levels")
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            widths.pop()
        widths[-1] += 1
        if widths[-1] > MAX_WIDTH and root.has_error:
            raise ValueError(f"the syntax tree has errors and a node of more than {MAX_WIDTH} parts")


def _is_shallow(root: Any) -> bool:
    """Whether no node lies deeper than MAX_DEPTH for certain: in the order of a walk depth grows by at most one a node, so
    one look in _STRIDE is enough. A walk over all of them took a quarter of the time of all measures."""
    cursor = root.walk()
    for place in range(0, root.descendant_count, _STRIDE):
        cursor.goto_descendant(place)
        if cursor.depth > MAX_DEPTH - _STRIDE:
            return False
    return True


def _found(root: Any, captures: Mapping[str, list[Any]], data: bytes, legal: tuple[Form, Form, Form] | None) -> Found:
    def count(*names: str) -> int:
        return sum(len(captures.get(name, ())) for name in names)

    def share(name: str, form: Form) -> float | None:
        nodes = captures.get(name, ())
        return sum(bool(form.fullmatch(data, n.start_byte, n.end_byte)) for n in nodes) / len(nodes) if nodes else None

    shares = [None] * 3 if legal is None else [share(n, f) for n, f in zip(_NAMED, legal, strict=True)]
    parses = not root.has_error and not captures.get("old")
    return Found(
        parses=parses,
        functions=count("function", "function_name"),
        simple_functions=sum(_is_one_return(node) for node in captures.get("body", ())),
        imports=count("import"),
        simple_variables=count("simple_variable") + sum(map(_has_no_value, captures.get("perhaps_variable", ()))),
        simple_returns=count("return") + sum(map(_is_simple, captures.get("perhaps_return", ()))),
        statements=root.named_child_count,
        passes=count("pass"),
        prints=count("print"),
        gotos=count("goto"),
        mains=count("main"),
        public=count("public"),
        class_fields=count("class_field"),
        variables=count("variable"),
        classes=count("class"),
        legal_variables=shares[0],
        legal_functions=shares[1],
        legal_classes=shares[2],
    )


def _is_one_return(body: Any) -> bool:
    inside = [child for child in body.named_children if child.type != "comment"]
    return len(inside) == 1 and inside[0].type == "return_statement"


_SIMPLE = re.compile(r"identifier|.*literal|number|string|true|false|null|this|undefined|.*constant")
_UNARY = ("unary_expression", "unary_op")


def _is_simple(statement: Any) -> bool:
    """Whether a return gives nothing, a name or a literal; in JavaScript a unary expression too."""
    children = [child for child in statement.named_children if child.type != "comment"]
    if not children:
        return True
    kind = children[0].type
    return len(children) == 1 and (bool(_SIMPLE.fullmatch(kind)) or kind in _UNARY)


def _has_no_value(declarator: Any) -> bool:
    return len([child for child in declarator.named_children if child.type != "comment"]) == 1


@functools.cache
def _tools(language: str) -> tuple[Any, Any]:
    from tree_sitter import Language, Parser, Query

    module, query = GRAMMARS[language]
    grammar = Language(import_module(module).language())
    return Parser(grammar), Query(grammar, query)


_PYTHON = """
(function_definition name: (identifier) @function_name body: (block) @body)
(class_definition name: (identifier) @class)
(class_definition body: (block (expression_statement (assignment left: (identifier) @class_field))))
(assignment left: (identifier) @variable)
(for_statement left: (identifier) @variable)
(parameters (identifier) @variable)
(parameters (typed_parameter . (identifier) @variable))
(parameters (default_parameter name: (identifier) @variable))
(parameters (typed_default_parameter name: (identifier) @variable))
(import_statement) @import
(import_from_statement) @import
(future_import_statement) @import
(return_statement) @return
(pass_statement) @pass
(call function: (identifier) @print (#eq? @print "print"))
(print_statement) @old
(exec_statement) @old
"""

_JAVASCRIPT = """
(function_declaration name: (identifier) @function_name)
(generator_function_declaration name: (identifier) @function_name)
(variable_declarator name: (identifier) @function_name value: (function_expression))
(assignment_expression left: (member_expression
    object: (member_expression object: (identifier) @_m property: (property_identifier) @_e)
    property: (property_identifier) @function_name)
  right: [(function_expression) (arrow_function)] (#eq? @_m "module") (#eq? @_e "exports"))
(assignment_expression left: (member_expression
    object: (member_expression object: (identifier) @_m property: (property_identifier) @_e)
    property: (property_identifier) @variable)
  right: [(identifier) (number) (string) (true) (false) (null) (unary_expression) (object) (array) (call_expression)
          (member_expression) (new_expression) (binary_expression) (template_string)]
  (#eq? @_m "module") (#eq? @_e "exports"))
(variable_declarator name: (identifier) @variable !value)
(variable_declarator name: (identifier) @variable value: [(arrow_function) (identifier) (number) (string) (true) (false)
  (null) (unary_expression) (object) (array) (call_expression) (member_expression) (new_expression) (binary_expression)
  (template_string) (await_expression) (ternary_expression) (subscript_expression) (regex) (class)
  (parenthesized_expression) (this) (undefined) (assignment_expression) (update_expression) (jsx_element)])
(variable_declarator !value) @simple_variable
(variable_declarator value: [(identifier) (number) (string) (true) (false) (null) (undefined) (regex)
  (unary_expression)]) @simple_variable
(class_declaration name: (identifier) @class)
(import_statement) @import
(return_statement) @perhaps_return
(call_expression function: (member_expression object: (identifier) @_c property: (property_identifier) @print)
  (#eq? @_c "console") (#eq? @print "log"))
"""

_C = """
(function_declarator) @function
(preproc_include) @import
(declaration type: (primitive_type) declarator: (identifier) @simple_variable)
(declaration type: (sized_type_specifier) declarator: (identifier) @simple_variable)
(field_declaration type: (primitive_type) declarator: (field_identifier) @simple_variable)
(field_declaration type: (sized_type_specifier) declarator: (field_identifier) @simple_variable)
(declaration declarator: (identifier) @variable)
(init_declarator declarator: (identifier) @variable)
(field_declaration declarator: (field_identifier) @variable)
(return_statement) @perhaps_return
(goto_statement) @goto
(function_definition declarator: (function_declarator declarator: (identifier) @main) (#eq? @main "main"))
(call_expression function: (identifier) @print (#match? @print "printf$"))
"""
_CPP = (
    _C
    + """
(class_specifier name: (type_identifier) @class body: (field_declaration_list))
((identifier) @print (#eq? @print "cout"))
"""
)

_CSHARP = """
(method_declaration name: (identifier) @function_name)
(constructor_declaration name: (identifier) @function_name)
(local_function_statement name: (identifier) @function_name)
(using_directive) @import
(variable_declaration type: (predefined_type) (variable_declarator) @perhaps_variable)
(variable_declarator name: (identifier) @variable)
(return_statement) @return
(class_declaration name: (identifier) @class)
(invocation_expression function: (member_access_expression expression: (identifier) @_c name: (identifier) @print)
  (#eq? @_c "Console") (#match? @print "^Write"))
"""

_JAVA = """
(method_declaration name: (identifier) @function_name)
(constructor_declaration name: (identifier) @function_name)
(method_declaration (modifiers) @public (#match? @public "public|protected|private"))
(import_declaration) @import
(field_declaration declarator: (variable_declarator) @perhaps_variable)
(local_variable_declaration declarator: (variable_declarator) @perhaps_variable)
(variable_declarator name: (identifier) @variable)
(return_statement) @perhaps_return
(class_declaration name: (identifier) @class)
(class_declaration (modifiers) @public (#match? @public "public|protected|private"))
(method_invocation object: (field_access) @_o name: (identifier) @print
  (#eq? @_o "System.out") (#match? @print "^print"))
"""

_GO = """
(function_declaration name: (identifier) @function_name)
(method_declaration name: (field_identifier) @function_name)
(import_spec) @import
(var_spec !value) @simple_variable
(var_spec name: (identifier) @variable)
(const_spec name: (identifier) @variable)
(short_var_declaration left: (expression_list (identifier) @variable))
(range_clause left: (expression_list (identifier) @variable))
(return_statement) @return
(type_spec name: (type_identifier) @class type: [(struct_type) (interface_type)])
(call_expression function: (selector_expression operand: (identifier) @_f field: (field_identifier) @print)
  (#eq? @_f "fmt") (#match? @print "^Print"))
"""

GRAMMARS: Mapping[str, tuple[str, str]] = {
    "python": ("tree_sitter_python", _PYTHON),
    "javascript": ("tree_sitter_javascript", _JAVASCRIPT),
    "c": ("tree_sitter_c", _C),
    "cpp": ("tree_sitter_cpp", _CPP),
    "csharp": ("tree_sitter_c_sharp", _CSHARP),
    "java": ("tree_sitter_java", _JAVA),
    "go": ("tree_sitter_go", _GO),
}
