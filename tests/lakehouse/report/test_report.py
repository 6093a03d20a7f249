"""The report: one page that shows what a lake holds, safe to open whatever the data holds.

write(Lake("lake"), Path("lake/report.html"))
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from deltalake import DeltaTable

from lakehouse.errors import StorageError
from lakehouse.lake import Lake
from lakehouse.report import charts, facts
from lakehouse.report import page as report
from lakehouse.report.funnel import Amount, Step, funnel
from lakehouse.report.views import Views
from tests.lakehouse.lakes import (
    BIDI,
    HOSTILE_PATH,
    HOSTILE_REPO,
    HOSTILE_TEXT,
    JOBS,
    MAIL,
    SECRET,
    File,
    make_lake,
    rows,
    run_id,
)

VOID = {"meta", "line", "rect", "polygon", "col", "br"}


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text outside of style and script."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.raw = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(self.raw)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in {"td", "th", "li", "b", "text"} else ""

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data

    @property
    def said(self) -> str:
        """The text with runs of white space as one space."""
        return " ".join(self.text.split())

    def links(self) -> list[str]:
        return [str(attrs["href"]) for tag, attrs in self.tags if tag == "a"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def page(lake: Lake) -> Page:
    return Page(report.write(lake, Path(lake.root) / "report.html"))


def test_the_page_says_what_became_of_the_files(page: Page) -> None:
    assert "What became of 20 files" in page.said
    assert "3 sources held 20 files (9.0 MB). 5 documents with 2.7 kB of text are in gold.pretrain, 25.0 %" in page.said
    assert "− 2 exact copies · 956 B" in page.said
    assert page.open == []


def test_every_number_of_the_funnel_is_on_the_page(lake: Lake, page: Page) -> None:
    counted = funnel(lake)
    for step in counted.steps:
        assert step.out is not None
        assert f"{step.out.files:,} files" in page.text
        assert step.left in page.text
    for item in (*counted.by_source, *counted.by_language, *counted.rules, *counted.refused):
        assert item.name in page.text


def test_the_page_loads_nothing_and_runs_only_its_own_script(page: Page) -> None:
    forbidden = {
        "img",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "image",
        "use",
        "foreignobject",
        "audio",
        "video",
    }
    assert not forbidden & {tag for tag, _ in page.tags}
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert sum(tag == "style" for tag, _ in page.tags) == 1
    for tag, attrs in page.tags:
        assert not [
            name for name in attrs if name in {"src", "srcset", "style", "ping", "xlink:href"} or name.startswith("on")
        ], tag
    assert not [link for link in page.links() if re.match(r"[a-z]+:|//", link)]
    assert "@import" not in page.raw
    assert "url(" not in page.raw
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_hostile_names_and_texts_are_text_with_their_hidden_characters_shown(page: Page) -> None:
    for hostile in (HOSTILE_PATH, HOSTILE_REPO, HOSTILE_TEXT, f"<i>Own</i>{BIDI}"):
        assert hostile.replace(BIDI, "U+202E").replace("\x1b", "U+001B") in page.text
    assert BIDI not in page.raw
    assert "\x1b" not in page.raw


def test_what_was_taken_out_is_counted_and_never_shown(page: Page) -> None:
    assert "password 1 1" in page.said
    assert "licence or copyright notice 2 2" in page.said
    for secret in (SECRET, MAIL, "The Planted Authors"):
        assert secret not in page.raw


def test_a_run_that_failed_is_shown_with_the_first_line_of_its_error_only(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, without={"gold.pretrain"})
    DeltaTable(f"{lake.root}/ops/runs").delete(f"run_id = '{run_id('code.decide')}'")
    said = Page(report.write(lake, tmp_path / "report.html")).said
    assert "✗ gate_failed silver.code_decisions: the batch of 13 rows was refused." in said
    assert "example row" not in said


def test_runs_show_time_speed_and_memory_of_the_newest_run(page: Page) -> None:
    (run,) = [r for r in rows()["ops.runs"] if (r["job"], r["status"]) == ("code.decide", "published")]
    measured = f"{run['seconds']:.1f} {run['cpu_seconds']:.1f} 0.0 {run['peak_mb']:,.0f}"
    assert f"code.decide ✓ published {measured} 15 2 1 {run['started_at']:%Y-%m-%d %H:%M}" in page.said
    assert "code.exact_dedup ✓ published 3.5 5.6 0.0 930 15 1 0 2026-01-15 12:01" in page.said


def test_gates_show_what_was_not_met_without_the_values_that_did_not(page: Page) -> None:
    assert (
        '✗ warning expect_column_values_to_be_between(column="jaccard", max_value=1, min_value=0): 1 of 6 rows'
        in page.said
    )
    judged = sum(row["table"] == "silver.code_files" for row in rows()["ops.expectation_results"])
    assert f"silver.code_files 15 {judged} 0 ✓ all met" in page.said


def test_releases_and_versions_are_shown(page: Page) -> None:
    assert f"planted gold.pretrain 0 5 2.7 kB {'d' * 64} 2026-01-15 13:00" in page.said
    assert "silver.code_sample one kept content and whether the language's cap had room for it 0 7 1" in page.said
    for job, tables in JOBS:
        assert run_id(job) in page.text
        for table in tables:
            assert table.name in page.text


def test_the_survivor_stands_beside_its_least_similar_member(lake: Lake) -> None:
    with Views(lake) as views:
        (cluster,) = facts.largest_clusters(views, most=5, most_members=10)
    assert cluster.members.total == 4
    assert cluster.compared is not None
    assert cluster.compared.path == HOSTILE_PATH
    assert cluster.diff is not None
    assert [row.kind for row in cluster.diff.rows] == ["changed", "equal", "equal", "equal"]


def test_texts_are_found_whatever_file_and_row_group_they_lie_in(tmp_path: Path) -> None:
    from deltalake import WriterProperties, write_deltalake

    from jobs.code.tables import code_texts

    files = [File("s", "r", f"p{i}", f"text {i}\n".encode() * 20, "python", cluster=f"c{i % 7}") for i in range(35)]
    lake = make_lake(tmp_path, files=files, refused=(), without={"silver.code_texts"})
    import pyarrow as pa

    texts = rows(tuple(files), ())["silver.code_texts"]
    for part in (texts[:20], texts[20:]):
        data = pa.Table.from_pylist(part, schema=code_texts.arrow_schema)
        small = WriterProperties(max_row_group_size=3)
        write_deltalake(lake.location(code_texts), data, mode="append", writer_properties=small)
    with Views(lake) as views:
        clusters = facts.largest_clusters(views, most=7, most_members=10)
    assert len(clusters) == 7
    by_id = {row["content_id"]: row["text"] for row in texts}
    for cluster in clusters:
        assert cluster.compared is not None
        assert cluster.diff is not None
        row = cluster.diff.rows[0]
        assert row.left is not None
        assert row.right is not None
        assert row.left[1] == by_id[cluster.members.rows[0].content_id].split("\n")[0]
        assert row.right[1] == by_id[cluster.compared.content_id].split("\n")[0]


def test_links_to_data_docs_are_there_when_the_pages_are(tmp_path: Path) -> None:
    lake = make_lake(tmp_path / "a lake #1")
    path = tmp_path / "elsewhere" / "report.html"
    assert not [link for link in Page(report.write(lake, path)).links() if not link.startswith("#")]
    docs = Path(lake.root) / "_docs"
    judged = docs / "silver.code_files" / f"{run_id('code.exact_dedup')}.html"
    judged.parent.mkdir(parents=True)
    for target in (docs / "index.html", judged):
        target.write_text("docs")
    links = [link for link in Page(report.write(lake, path)).links() if not link.startswith("#")]
    assert [(path.parent / unquote(link)).resolve() for link in links] == [docs / "index.html", judged]


@pytest.mark.parametrize(
    "gone",
    [table.name for _, tables in JOBS for table in tables] + ["ops.runs", "ops.expectation_results", "gold.releases"],
)
def test_a_lake_that_is_not_complete_has_a_page_that_says_what_is_missing(tmp_path: Path, gone: str) -> None:
    page = Page(report.write(make_lake(tmp_path, without={gone}), tmp_path / "report.html"))
    assert page.open == []
    assert f"{gone} " in page.text
    assert "not there yet" in page.said


def test_an_empty_folder_has_a_page_that_says_how_to_begin(tmp_path: Path) -> None:
    said = Page(report.write(Lake(str(tmp_path)), tmp_path / "report.html")).said
    assert "No files yet" in said
    assert "codelake build code.ingest reads the configured sources" in said


def test_numbers_that_do_not_add_up_are_announced(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    DeltaTable(f"{lake.root}/silver/code_sample").delete("NOT taken")
    said = Page(report.write(lake, tmp_path / "report.html")).said
    assert "These numbers do not add up." in said
    assert "within the caps: 7 files" in said


def test_the_page_is_bounded_whatever_the_lake_holds(tmp_path: Path) -> None:
    """Every name and line is 900 characters that grow when escaped; every list is longer than what is shown."""
    long = f"<&{BIDI}" * 300

    def file(i: int) -> File:
        content = "once\n" + "".join(f"{i} {line}{long}\n" for line in range(210))
        return File(
            source=f"{long}{i % 80}", repo=f"{long}{i}", path=f"{long}{i}", content=content.encode(),
            language=f"{long}{i % 90}", licence=f"{long}{i}", hits=((f"{long}{i % 70}", 0, 0),) if i % 3 else (),
            cluster=f"{i % 6}", redact=((f"{long}{i}", "once"),),
        )  # fmt: skip

    files = [file(i) for i in range(90)]
    refused = [("s", long, long, f"{long}{i}", 1) for i in range(60)]
    path = report.write(make_lake(tmp_path, files=files, refused=refused), tmp_path / "report.html")
    assert 500_000 < path.stat().st_size < 2_000_000
    page = Page(path)
    assert page.open == []
    assert page.said.count("and 30 more") == 1  # languages
    assert page.said.count("and 5 more") == 5  # members of five clusters
    assert page.said.count("and 10 more") == 1  # reasons
    assert "and 1 more clusters" in page.said
    assert page.said.count("Only the first 60,000 characters of each text were compared.") == 5
    assert page.said.count("more rows") == 5
    assert BIDI not in page.raw


def test_a_page_that_cannot_be_written_is_an_error_that_names_it(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=re.escape(str(tmp_path / "file" / "report.html"))):
        report.write(lake, tmp_path / "file" / "report.html")


def test_a_second_report_replaces_the_first_and_leaves_nothing_else(lake: Lake, tmp_path: Path) -> None:
    for _ in range(2):
        report.write(lake, tmp_path / "new" / "report.html")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_on_every_ground_it_stands_on(scheme: str) -> None:
    """4.5 to 1 is what WCAG asks of text at AA."""
    style = (Path(report.__file__).parent / "page.css").read_text()
    blocks = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    colours = blocks[0] if scheme == "light" else blocks[0] | blocks[1]
    pairs = [(text, "bg") for text in ("fg", "muted", "kept", "lost", "good", "bad", "warn")]
    pairs += [(text, "panel") for text in ("fg", "muted", "good", "bad", "warn")]
    pairs += [("fg", "kept-pale"), ("muted", "kept-pale"), ("lost", "kept-pale")]
    pairs += [("fg", "lost-pale"), ("muted", "lost-pale"), ("lost", "lost-pale")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (scheme, text, ground)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_bar_longer_than_twice_what_was_taken_in_is_torn_off() -> None:
    steps = [
        Step("found in sources", "", "j", Amount(), Amount(10, 10_000)),
        Step("taken in", "refused", "j", Amount(1, 9_900), Amount(9, 100)),
    ]
    drawn = str(charts.funnel(steps))
    assert drawn.count('class="torn"') == 1
    assert '<rect class="kept" x="5%" width="70%"' in drawn  # 45 for 9 of 10 files, 25 for 100 of at most 200 bytes


def test_cluster_sizes_fall_into_bins_that_double() -> None:
    assert charts.doubling({2: 5, 3: 1, 7: 2, 8: 1, 33: 4}) == {
        "2": 5, "3": 1, "4": 0, "5–8": 3, "9–16": 0, "17–32": 0, "33–64": 4,
    }  # fmt: skip
    assert charts.doubling({2: 1}) == {"2": 1}
    assert charts.doubling({}) == {}


# What only a browser can tell.


@dataclass(frozen=True)
class Seen:
    """A page as Chromium saw it: the document after its script ran, messages on the console, addresses it asked for."""

    document: str
    console: list[str]
    requests: list[str]


class Browser:
    """Headless Chromium that can resolve no name, so that nothing leaves this machine."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary, self._folder, self._nth = binary, folder, 0

    def open(self, path: Path) -> Seen:
        self._nth += 1
        profile = self._folder / str(self._nth)
        log = self._folder / f"{self._nth}.json"
        flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
            "--enable-logging=stderr", f"--log-net-log={log}", "--dump-dom", path.absolute().as_uri(),
        ]  # fmt: skip
        done = subprocess.run([self._binary, *flags], capture_output=True, text=True, timeout=120, check=True)
        console = [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]
        events = [event.get("params") or {} for event in json.loads(log.read_text())["events"]]
        # The browser's own errands carry no `file://`; what the page asks for does.
        asked = {e["url"] for e in events if "url" in e and "file://" in str(e.get("network_isolation_key"))}
        return Seen(done.stdout, console, sorted(url for url in asked if not url.startswith("file://")))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("no Chromium is installed: what only a browser can tell is not tested")
    return Browser(binary, tmp_path_factory.mktemp("browser"))


def test_the_browser_of_these_tests_sees_requests_and_errors(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text('<!DOCTYPE html><img src="http://outside.invalid/x.png"><script>nope()</script>')
    seen = browser.open(bad)
    assert seen.requests == ["http://outside.invalid/x.png"]
    assert any("nope is not defined" in line for line in seen.console)


def test_a_browser_opens_the_page_without_errors_and_without_a_request(
    browser: Browser, lake: Lake, tmp_path: Path
) -> None:
    seen = browser.open(report.write(lake, tmp_path / "report.html"))
    assert "What became of 20 files" in seen.document
    assert seen.console == []
    assert seen.requests == []
    assert '<th><button type="button">Source</button></th>' in seen.document


def test_a_heading_sorts_its_table_down_and_then_up(browser: Browser, page: Page, tmp_path: Path) -> None:
    clicks = (
        "for (const n of {clicks}) document.querySelectorAll('section[aria-labelledby=sources] th button')[n].click();"
    )
    order = {}
    for clicks_ in ([1], [1, 1], [0], [0, 0], [2, 3]):
        copy = tmp_path / "copy.html"
        script = f"<script>{clicks.replace('{clicks}', str(clicks_))}</script></body>"
        # Our own policy would refuse this script.
        copy.write_text(re.sub(r"<meta http-equiv[^>]*>", "", page.raw).replace("</body>", script), encoding="utf-8")
        seen = browser.open(copy)
        assert seen.console == []
        section = seen.document.split('aria-labelledby="sources"')[1].split("</section>")[0]
        order[str(clicks_)] = (
            re.findall(r'<th scope="row"><bdi>(\w+)</bdi>', section),
            re.findall(r'aria-sort="(\w+)"', section),
        )
    assert order["[0]"] == (["crawl", "packages", "shop"], ["ascending"])
    assert order["[0, 0]"] == (["shop", "packages", "crawl"], ["descending"])
    assert order["[2, 3]"] == (["shop", "packages", "crawl"], ["descending"])  # bytes in: 4.7, 2.2 and 1.8 kB
    assert order["[1]"][1] == ["descending"]
    assert order["[1, 1]"][1] == ["ascending"]
