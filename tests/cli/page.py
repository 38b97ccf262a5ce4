# SPDX-License-Identifier: Apache-2.0
"""The page that report writes, in a real browser: sorting, filtering, charts, links, hostile names."""

import os
import tempfile
import time

from browser import KEYS, Browser
from harness import enter_own_network, eventually, expect, fact, free_port, netns
from reporting import Reporting, many_connections
from traffic import owner_of_connection, refused

NAMES = [b"<script>hit()</", b"<img src=x onerr", b"\"'onload=hit()>", b"\x1b[31m\xe2\x80\xaerev", b"&lt;b&gt;</a></t"]


def page(hostile=False):
    """The path of a page about hundreds of connections and some trouble, over ten looks and more."""
    path = os.path.join(tempfile.mkdtemp(), "report.html")
    reporting = Reporting(path, "--filter", f"netns = {netns()}")
    if hostile:
        for name in NAMES:
            with owner_of_connection(name) as process:
                process.hear()
    port, ports, until = free_port(), (free_port(), free_port()), time.monotonic() + 0.6
    while time.monotonic() < until:
        many_connections(50, port)
        for nobody in ports:
            refused(nobody)
    reporting.end()
    return path


def quiet(browser):
    expect(browser.log(), [], "complaints of the browser")


@fact
def the_tables_of_a_page_sort_by_a_click_and_by_keys():
    enter_own_network()
    with Browser() as browser:
        browser.open(page())
        # Of a connection that is older than the report the duration is not known.
        values = ("return [...document.querySelectorAll('#t-connections tbody tr')].map((r) => Number(r.cells[5].dataset.v))"
                  ".filter(Number.isFinite)")
        header = "#t-connections th:nth-child(6)"
        browser.click(header + " button")
        falling = browser.run(values)
        expect(falling, sorted(falling, reverse=True), "durations after a click")
        expect(browser.run(f"return document.querySelector('{header}').ariaSort"), "descending", "what is said of it")
        browser.type(header + " button", KEYS["enter"])
        expect(browser.run(values), sorted(falling), "durations after a key")
        expect(browser.run("return document.querySelectorAll('#t-connections th[aria-sort]').length"), 1, "columns sorted by")
        quiet(browser)


@fact
def the_tables_of_a_page_are_filtered_while_one_types():
    enter_own_network()
    with Browser() as browser:
        browser.open(page())
        shown = "return [...document.querySelectorAll('#t-connections tbody tr')].filter((r) => !r.hidden).map((r) => r.textContent)"
        before = browser.run(shown)
        browser.type("input[data-table=t-connections]", "Refused out")
        rows = browser.run(shown)
        assert 0 < len(rows) < len(before) and all("refused" in row for row in rows), rows
        expect(browser.texts("#connections output"), [f"{len(rows)} of {len(before)} rows"], "what is said of it")
        quiet(browser)


@fact
def the_charts_of_a_page_tell_their_values_to_mouse_and_keys():
    enter_own_network()
    with Browser() as browser:
        browser.open(page())
        count = len(browser.texts(".plot"))
        assert count >= 3, count
        browser.point_at(".plot", 0.5)
        told = browser.texts(".readout")
        assert all(told) and "sent " in told[0], told
        browser.type(".plot", KEYS["end"])
        last = browser.texts(".readout")
        browser.type(".plot", KEYS["left"])
        assert not set(browser.texts(".readout")) & set(last), last
        before_it = browser.texts(".readout")
        browser.run("document.querySelector('.plot').dispatchEvent(new PointerEvent('pointerleave', {pointerType: 'mouse'}))")
        browser.run("document.querySelector('.plot').dispatchEvent(new PointerEvent('pointermove', {pointerType: 'mouse'}))")
        expect(browser.texts(".readout"), before_it, "what is told while the mouse rests and the page moves below it")
        expect(len([1 for text in browser.texts(".readout") if text]), count, "charts that tell the same time")
        quiet(browser)


@fact
def a_link_to_a_finding_opens_it():
    enter_own_network()
    with Browser() as browser:
        path = page()
        last = len(browser.open(path) or browser.texts(".finding"))
        assert last >= 2, last
        browser.run(f"document.getElementById('finding-{last}').open = false")
        browser.click(f"#when-{last}")
        hash_and_open = f"return [location.hash, document.getElementById('finding-{last}').open]"
        eventually(lambda: browser.run(hash_and_open) == [f"#finding-{last}", True], "the finding after a click")
        browser.open("/dev/null")
        browser.open(path, "#finding-1")
        eventually(lambda: browser.run("return document.getElementById('finding-1').open"), "the finding from elsewhere")
        quiet(browser)


@fact
def a_page_fits_a_phone_and_paper_in_the_light_and_in_the_dark():
    enter_own_network()
    with Browser() as browser:
        path = page()
        colours = set()
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            for width in (390, 1280):
                browser.size(width, 844)
                browser.open(path)
                beyond = browser.run("const e = document.documentElement; return [e.clientWidth <= innerWidth, e.scrollWidth - e.clientWidth]")
                expect(beyond, [True, 0], f"what is wider than {width}")
                expect(browser.run("return innerWidth"), width, "width")
            colours.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
        expect(len(colours), 2, f"backgrounds {colours}")
        assert len(browser.devtools("Page.printToPDF")["data"]) > 10000
        quiet(browser)


@fact
def no_name_runs_or_breaks_out_of_a_page():
    enter_own_network()
    with Browser() as browser:
        browser.open(page(hostile=True))
        expect(browser.run("return typeof hit"), "undefined", "a script of somebody else")
        expect(browser.run("return document.scripts.length"), 2, "scripts")
        expect(browser.run("return document.querySelectorAll('img, iframe, object, [onload], [onerror], td a, td b').length"), 0, "elements")
        names = browser.texts("#t-processes td:first-child")
        for shown in ["<script>hit()</", "<img src=x oner", "\"'onload=hit()>", "\\x1b[31m\\xe2\\x80\\xaerev", "&lt;b&gt;</a></"]:
            assert shown in names, f"{shown} is not in {names}"
        quiet(browser)


@fact
def the_pages_own_policy_allows_nothing_else():
    enter_own_network()
    with Browser() as browser:
        browser.open(page())
        browser.run("""const script = document.createElement('script'); script.textContent = 'window.hit = 1';
                       document.body.append(script); const image = new Image(); image.src = 'http://127.0.0.1:1/x';
                       document.body.append(image); return 0""")
        expect(browser.run("return typeof hit"), "undefined", "a script that the page did not bring")
        complaints = browser.log()
        assert len(complaints) == 2 and all("Content Security Policy" in text for text in complaints), complaints
