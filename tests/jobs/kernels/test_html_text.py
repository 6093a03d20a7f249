"""HTML to text with its code intact.

extract("<body><pre class=python>def f():\\n    return 1</pre>").text    -> "```python\\ndef f():\\n    return 1\\n```"
"""

from __future__ import annotations

import html
import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.html_code import code_in_table, fenced, language_of
from jobs.kernels.html_scan import scan
from jobs.kernels.html_text import extract, extractor

CODE = "def f(x):\n    if x:\n\t\treturn {'<a>': x & 1}\n\n    return None"
PAGE = "<html><head><title>A  title</title></head><body><nav>Menu</nav><main><p>Before it.</p>{}<p>After it.</p></main></body>"


def text_of(inside: str) -> str:
    return extract(PAGE.format(inside)).text


def expected(code: str, language: str = "") -> str:
    return f"Before it.\n\n{fenced(code, language)}\n\nAfter it."


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("<pre>{}</pre>", ""),
        ("<PRE\n>{}</PRE\n>", ""),
        ('<pre><code class="language-python">{}</code></pre>', "python"),
        ('<pre class="brush: c-sharp; toolbar: false">{}</pre>', "c-sharp"),
        (
            '<div class="highlight-rust notranslate"><div class="highlight"><pre><span></span>{}</pre></div></div>',
            "rust",
        ),
        ('<div class="highlight highlight-source-shell"><pre>{}</pre></div>', "shell"),
        ('<pre class="sourceCode haskell"><code>{}</code></pre>', "haskell"),
        ('<figure class="highlight"><pre><code data-lang="go">{}</code></pre></figure>', "go"),
        ('<pre class="src src-emacs-lisp">{}</pre>', "emacs-lisp"),
        ('<pre class="rust rust-example-rendered">{}</pre>', "rust"),
        ('<div class="highlight-default notranslate"><pre>{}</pre></div>', ""),
        ("<code>{}</code>", ""),
    ],
)
def test_a_code_block_keeps_every_blank_and_gets_its_language(source: str, language: str) -> None:
    assert text_of(source.format(html.escape(CODE))) == expected(CODE, language)


def test_the_markup_of_a_highlighter_leaves_no_trace() -> None:
    source = '<pre><span class="k">def</span> <span class="nf">f</span>(x):\n    <span class="k">return</span> <b>x</b><!-- <i> --></pre>'
    assert text_of(source) == expected("def f(x):\n    return x")


def test_breaks_and_line_elements_are_line_ends() -> None:
    assert text_of("<pre>a<br>  b<br/>    c</pre>") == expected("a\n  b\n    c")
    assert text_of('<pre><div class="line">a</div><div class="line">  b</div></pre>') == expected("a\n  b")


@pytest.mark.parametrize(
    "source",
    [
        '<table class="highlighttable"><tr><td class="linenos"><div><pre>1\n2</pre></div></td><td class="code"><div><pre>{}</pre></div></td></tr></table>',
        '<table><tbody><tr><td class="gutter gl"><pre class="lineno">1\n2\n</pre></td><td class="code"><pre>{}\n</pre></td></tr></tbody></table>',
    ],
)
def test_a_table_of_line_numbers_beside_code_is_the_code(source: str) -> None:
    assert text_of(source.format("if x:\n    y()")) == expected("if x:\n    y()")


def test_a_table_with_a_row_per_line_is_the_code() -> None:
    rows = "".join(
        f'<tr><td class="blob-num" data-line-number="{n}"></td><td class="blob-code"><span>{line}</span></td></tr>'
        for n, line in enumerate(["for (;;) {", "    x++;", "}"], 1)
    )
    assert text_of(f"<table>{rows}</table>") == expected("for (;;) {\n    x++;\n}")


def test_line_numbers_inside_a_block_go_and_numbers_of_the_code_stay() -> None:
    source = (
        '<pre><span class="linenos">1</span>x = <span class="mi">1</span>\n<span class="lineno"> 2 </span>y = 2</pre>'
    )
    assert text_of(source) == expected("x = 1\ny = 2")


def test_code_with_fences_gets_longer_ones() -> None:
    assert fenced("```\na\n```", "md") == "````md\n```\na\n```\n````"
    assert text_of("<pre>```</pre>") == "Before it.\n\n````\n```\n````\n\nAfter it."


def test_a_word_of_code_in_a_sentence_stays_in_it() -> None:
    assert text_of("<p>Call <code>f()</code> now.</p>") == "Before it.\n\nCall f() now.\n\nAfter it."


def test_a_data_table_is_readable_and_a_layout_table_is_not_one() -> None:
    table = "<table><tr><th>name<th>size</tr><tr><td>a b</td><td><b>12</b> kB</td></tr></table>"
    assert text_of(table) == "Before it.\n\n| name | size |\n| a b | 12 kB |\n\nAfter it."
    assert "|" not in text_of("<table><tr><td><div>menu</div></td><td><h2>Head</h2><p>text</p></td></tr></table>")
    assert code_in_table("<tr><td>1</td><td>apples</td></tr><tr><td>2</td><td>pears</td></tr>") is None


@pytest.mark.parametrize(
    ("source", "tex"),
    [
        ('<math><semantics><mi>E</mi><annotation encoding="application/x-tex">{\\displaystyle E=mc^{2}}</annotation></semantics></math>', "$E=mc^{2}$"),
        ('<math display="block"><semantics><mi>E</mi><annotation encoding="application/x-tex">a&lt;b</annotation></semantics></math>', "$$a<b$$"),
        ('<script type="math/tex">x^2</script>', "$x^2$"),
        ('<script type="math/tex; mode=display">x^2</script>', "$$x^2$$"),
    ],
)  # fmt: skip
def test_a_formula_is_its_tex(source: str, tex: str) -> None:
    assert text_of(f"<p>So {source} holds.</p>") == f"Before it.\n\nSo {tex} holds.\n\nAfter it."


def test_what_is_beside_the_content_goes_and_blocks_are_counted() -> None:
    found = extract(PAGE.format("<pre>a\n  b</pre>").replace("Menu", "Menu<pre>of links</pre>"))
    assert "Menu" not in found.text
    assert (found.title, found.how, found.code_blocks, found.code_blocks_kept) == ("A title", "main", 2, 1)


def test_a_page_without_main_content_is_read_whole_and_one_without_text_says_so() -> None:
    assert extract("<body><nav>Only a menu</nav>").how == "whole"
    assert (extract("<body><script>x</script>").text, extract("<body><script>x").note) == ("", "no visible text")
    assert extract("").note == "no visible text"


def test_the_extractor_names_its_package_and_rules() -> None:
    assert re.fullmatch(r"resiliparse-\d+\.\d+\.\d+/rules-\d+", extractor())


HOSTILE = {
    "nested": "<div>" * 100_000 + "deep",
    "nested and wide": "<div>" * 1_900 + "<p>deep</p>" * 50_000,
    "tables in tables": "<table><tr><td>" * 1_500 + "deep",
    "blocks in blocks": "<pre>" * 1_500 + "deep",
    "formatting that is opened again": "".join(f"<b a={n}>" for n in range(1_000)) + "<p>deep" * 10_000,
    "attributes": "<p " + " ".join(f"a{n}='>'" for n in range(200_000)) + ">deep",
    "no closing tags": "<ul>" + "<li><p>deep" * 100_000,
    "openings without end": "<pre>" + "<a" * 500_000,
    "comments without end": "<pre>deep" + "<!--" * 500_000,
    "scripts without end": "<pre>deep" + "<script>" * 300_000,
    "annotations in an attribute": "<math><annotation a='" + "<annotation " * 100_000,
    "numbers": "<table><tr><td>" + "1 " * 300_000 + "x<td class=code>deep</table>",
    "backticks": "<pre>" + "`" * 500_000,
    "tables": "<table><tr><td>1<td class=code>deep</table>" * 25_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_is_bounded_and_explained(name: str) -> None:
    found = extract(HOSTILE[name])
    assert "deep" in found.text or found.text.startswith("```") or found.note
    assert found.how != "flat" or found.note


def test_text_of_a_page_over_budget_is_its_visible_text() -> None:
    found = extract("<title>t</title><p>a &amp; b</p>" + "<div>" * 3_000 + "<script>no</script>deep")
    assert (found.how, found.text) == ("flat", "a & b\ndeep")
    assert found.note == "elements nested 3,000 deep, allowed are 2,000"


@given(st.text(alphabet="ab \n\t<>&\"'`{}\\é漢", max_size=200))
def test_any_code_comes_out_as_it_went_in(code: str) -> None:
    lines = code.rstrip().split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    want = "\n".join(lines)
    found = extract(f"<body><p>x</p><pre>{html.escape(code)}</pre>").text
    assert found == (f"x\n\n{fenced(want, '')}" if want else "x")


@given(st.text(alphabet="<>/ab'\"= !-\n", max_size=300))
def test_any_markup_is_scanned_to_its_end(source: str) -> None:
    scanned = scan(source.encode())
    assert scanned.cost.tags <= source.count("<")
    assert scanned.cost.depth <= scanned.cost.tags
    extract(source)


def test_the_scan_finds_regions_with_the_tags_around_them() -> None:
    source = b"<div id=a><DIV id=b><pre x>c<b></pre></div><table><tr><td><table>inner</table></td></table>"
    first, second = scan(source).regions
    assert (first.kind, source[first.inner : first.inner_end], source[first.start : first.end]) == (
        "pre",
        b"c<b>",
        b"<pre x>c<b></pre>",
    )
    assert [source[at : at + 9] for at in first.above] == [b"<DIV id=b", b"<div id=a"]
    assert (second.kind, source[second.inner : second.inner_end]) == ("table", b"inner")


def test_the_language_of_a_block_is_what_its_own_classes_say_first() -> None:
    assert language_of('<pre class="language-c">', "", ['<div class="highlight-python">']) == "c"
    assert language_of("<pre>", "<code class=lang-r>", []) == "r"
    assert language_of('<pre class="wp-block-code">', "", []) == ""


def test_a_sphinx_page_keeps_its_indented_lines() -> None:
    body = textwrap.dedent(
        """
        <div class="document"><div class="body" role="main"><section id="s"><h1>Queues<a class="headerlink" href="#s">¶</a></h1>
        <p>Use one:</p><div class="highlight-python3 notranslate"><div class="highlight"><pre><span></span><span class="k">class</span> Queue:
            <span class="k">def</span> put(self):
                <span class="k">pass</span>
        </pre></div></div></section></div></div>"""
    )
    assert (
        "```python3\nclass Queue:\n    def put(self):\n        pass\n```"
        in extract(f"<html><body>{body}</body></html>").text
    )
