"""Notebooks as triplets of markdown, code and output; formats 3 and 4, and what is broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.notebooks import Triplet, parse, read, render

LIMIT = 200


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {}, "execution_count": 1}


def markdown(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(**data):
    return {"output_type": "execute_result", "data": {key.replace("__", "/"): value for key, value in data.items()}}


def notebook(*cells, **metadata):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)})


def test_a_notebook_becomes_triplets_and_one_text_that_gives_them_back():
    text = notebook(
        markdown("# Sums\n"),
        markdown(["We add.\n", "Twice."]),
        code(["%matplotlib inline\n", "x = 1 + 1\n", "x"], result(text__plain="2")),
        code("print('a')", stream("a\n")),
        markdown("Done."),
        kernelspec={"name": "python3", "language": "python"},
    )
    found = read(text, LIMIT)
    assert found.triplets == (
        Triplet("# Sums\n\nWe add.\nTwice.", "# %matplotlib inline\nx = 1 + 1\nx", "2"),
        Triplet("", "print('a')", "a"),
        Triplet("Done.", "", ""),
    )
    assert (found.language, found.format, found.cells, found.problem) == ("python", "4.5", 5, None)
    assert render(found.triplets).startswith("<jupyter_text>\n# Sums\n\nWe add.\nTwice.\n<jupyter_code>\n# %matplotlib")
    assert parse(render(found.triplets)) == found.triplets


def test_format_3_keeps_its_cells_in_worksheets_and_writes_them_otherwise():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Old"]},
        {
            "cell_type": "code",
            "language": "python",
            "input": ["y = 2\n", "y"],
            "outputs": [
                {"output_type": "pyout", "text": ["2"]},
                {"output_type": "pyerr", "ename": "E", "evalue": "no"},
            ],
        },
    ]
    found = read(
        json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}), LIMIT
    )
    assert found.triplets == (Triplet("## Old", "y = 2\ny", "2\nE: no"),)
    assert (found.format, found.language) == ("3.0", "python")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ('{"cells": [', "not JSON at line 1, column 12"),
        ('{"cells": ' + "1" * 5000 + "}", "thousands of digits"),
        ("<<<<<<< HEAD\n{}", "not JSON"),
        ("[]", "a JSON list"),
        ("null", "a JSON NoneType"),
        ("{}", "no cells"),
        ('{"cells": {}}', "no cells"),
        ('{"cells": []}', "no cells"),
        ('{"worksheets": [1, {"cells": 2}]}', "no cells"),
        ('{"cells": [1, null, {"cell_type": "code", "source": 5}]}', "no cell of it"),
        ("[" * 200_000, "nested too deeply"),
        ('{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ],
)
def test_a_broken_notebook_has_a_problem_and_no_triplets(text, problem):
    found = read(text, LIMIT)
    assert problem in found.problem
    assert (found.triplets, found.cells) == ((), 0)


def test_a_cell_that_is_none_is_counted_and_the_others_stay():
    found = read(notebook(code("a = 1"), {"cell_type": "cod"}, 7, code("b = 2")), LIMIT)
    assert [t.code for t in found.triplets] == ["a = 1", "b = 2"]
    assert (found.cells, found.refused) == (2, 2)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1"),
        ("!pip install x\nimport x", "# !pip install x\nimport x"),
        ("  %timeit f()", "#   %timeit f()"),
        ("?print", "# ?print"),
        ("%%time\nf()", "# %%time\nf()"),
        ("%%bash\nls\n\nrm x", "# %%bash\n# ls\n#\n# rm x"),
        ("%%html\n<b>x</b>", "# %%html\n# <b>x</b>"),
        ("x = (a\n     % b)", "x = (a\n     % b)"),
        ("y = a != b", "y = a != b"),
        ("print('%d' % 3)", "print('%d' % 3)"),
    ],
)
def test_magics_become_comments_in_python_and_nowhere_else(source, expected):
    assert read(notebook(code(source)), LIMIT).triplets[0].code == expected
    other = read(notebook(code(source), kernelspec={"language": "octave"}), LIMIT)
    assert other.triplets[0].code == source.strip("\n")


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"kernelspec": {"language": "Python", "name": "x"}}, "python"),
        ({"language_info": {"name": "julia"}}, "julia"),
        ({"kernelspec": {"name": "ir"}}, "r"),
        ({"kernelspec": {"name": "python3"}}, "python"),
        ({"kernelspec": {"language": 3}, "language_info": []}, "python"),
        ({}, "python"),
    ],
)
def test_the_kernel_says_the_language(metadata, language):
    assert read(notebook(code("x"), **metadata), LIMIT).language == language


def test_outputs_are_plain_text_of_bounded_length():
    image = {"image__png": "iVBOR" * 100_000, "text__plain": ["<Figure size 1x1>"], "text__html": "<b>x</b>" * 1000}
    lines = "".join(f"line {i}\n" for i in range(100_000))
    progress = " 10%\r 50%\r100%\n"
    colours = "\x1b[31mred\x1b[0m"
    cells = [
        code("plot()", result(**image)),
        code("many()", stream(lines)),
        code("p()", stream(progress), stream(colours)),
    ]
    found = read(notebook(*cells), LIMIT)
    assert found.triplets[0].output == "<Figure size 1x1>"
    assert found.triplets[1].output.startswith("line 0\nline 1\n")
    assert found.triplets[1].output.endswith(" characters more]")
    assert len(found.triplets[1].output) < LIMIT + 40
    assert found.triplets[2].output == "100%\nred"
    assert found.output_characters - found.cut == sum(
        len(t.output.rpartition("\n[")[0] if t.output.endswith("more]") else t.output) for t in found.triplets
    )


def test_files_inside_markdown_are_left_out_and_what_follows_them_stays():
    found = read(notebook(markdown(f"![a](data:image/png;base64,{'Ab1+' * 500}) and words")), LIMIT)
    assert found.triplets[0].markdown == "![a](data:) and words"


TEXT = st.text(alphabet="ab \n\r<>_%!jupyter_code\x1b[m", max_size=30)
CELLS = st.lists(
    st.builds(markdown, TEXT) | st.builds(code, TEXT, st.builds(stream, TEXT)) | st.sampled_from(
        [markdown("<jupyter_code>\nx"), code("<jupyter_output>\n", stream("<jupyter_text>")), code("", stream("o")), 5]
    ),
    max_size=8,
)  # fmt: skip


@given(CELLS, st.integers(0, 40))
def test_what_is_rendered_is_parsed_to_the_same_triplets(cells, limit):
    found = read(notebook(*cells), limit)
    assert parse(render(found.triplets)) == found.triplets
    assert (found.problem is None) == (found.cells > 0)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["cells", "worksheets", "cell_type", "source", "outputs", "metadata", "data", "text", "kernelspec"]), inner, max_size=4), max_leaves=20))  # fmt: skip
def test_any_json_is_a_notebook_or_has_a_problem(data):
    found = read(json.dumps(data), LIMIT)
    assert parse(render(found.triplets)) == found.triplets


def test_a_text_that_was_never_rendered_is_refused():
    with pytest.raises(ValueError, match="begins with one of"):
        parse("x = 1\n")
    assert parse("") == ()
