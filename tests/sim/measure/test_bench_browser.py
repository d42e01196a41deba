"""The report in a browser: nothing is fetched, nothing fails, tables sort, a phone need not scroll sideways."""

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench_records import bench, path, row, units

html = pytest.importorskip("gemmsmith_sim.measure.bench.page.html").html
browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(browser is None, reason="needs chromium or google-chrome")

WATCH = """<script>
const trouble = [];
for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"])
  window.addEventListener(kind, (event) => trouble.push(
    `${kind}: ${event.message ?? event.reason ?? event.blockedURI}`), true);
for (const kind of ["error", "warn"]) console[kind] = (...words) => trouble.push(`${kind}: ${words.join(" ")}`);
</script>"""

REPORT = """<script>
const found = %s;
let frames = 0;
const wait = () => {
  const waits = [...document.querySelectorAll(".chart")].some((chart) => !chart.querySelector("svg"));
  if (waits && ++frames < 300) return requestAnimationFrame(wait);
  const fetched = performance.getEntriesByType("resource").map((one) => one.name);
  parent.postMessage(JSON.stringify({...found(), trouble, fetched}), "*");
};
requestAnimationFrame(wait);
</script>"""

# The page may fetch nothing, so that it tells the frame around it. And a window is never narrower than some 500
# pixels, but a frame may be.
FRAME = """<!doctype html><style>body {{ margin: 0 }} iframe {{ border: 0 }}</style>
<iframe src="page.html" width="{width}" height="{height}"></iframe>
<script>addEventListener("message", (event) => fetch("found", {{method: "POST", body: event.data}}));</script>"""


@pytest.fixture(scope="module")
def page():
    tree = {"name": "core", "cells": 10, "total": 1000,
            "children": [{"name": "tree", "instance": f"t{i}", "cells": 99, "total": 99} for i in range(10)]}
    inside = {"critical_path": path("a.x", "a.y", f"{'deep.' * 30}z"), "modules": tree}
    rows = [*units(), row("anda-m6", eq=1500, macs=9.14, rms=6e-3, perplexity=None, area=0.2, time=0.1, **inside),
            row("broken", fmax=None, failures=["no sites " + "left" * 60]),
            *units(target="asic:toy", variant="area", energies=True)]
    return html(bench(rows))


class Server(ThreadingHTTPServer):
    """Gives the browser the files and keeps what it tells."""

    def __init__(self, files: dict[str, str]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.found = files, queue.Queue()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        text = self.server.files.get(self.path)
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((text or "").encode())

    def do_POST(self):
        self.server.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def look(tmp_path):
    """``look(page, script)``: what the function of JavaScript ``script`` returns once the charts are drawn."""

    def run(page: str, script: str, width: int = 1280, height: int = 10000) -> dict:
        start, _, end = page.rpartition("</body>")  # the charts' library has another one in a string
        start = start.replace("<head>", f"<head>{WATCH}", 1)
        files = {"/page.html": f"{start}{REPORT % script}</body>{end}",
                 "/frame.html": FRAME.format(width=width, height=height)}
        with Server(files) as server, open(tmp_path / "log", "w") as log:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            chromium = subprocess.Popen(
                [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 f"--user-data-dir={tmp_path / 'profile'}", f"--window-size=1280,{height}",
                 "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                 f"http://127.0.0.1:{server.server_port}/frame.html"],
                stdout=log, stderr=log, start_new_session=True)
            try:
                return server.found.get(timeout=120)
            except queue.Empty:
                pytest.fail(f"the browser tells nothing: {(tmp_path / 'log').read_text()[-2000:]}")
            finally:
                os.killpg(chromium.pid, signal.SIGKILL)
                chromium.wait()
                server.shutdown()

    return run


CHARTS = """() => ({
  charts: document.querySelectorAll(".chart").length,
  drawn: document.querySelectorAll(".chart svg").length,
  labels: [...document.querySelectorAll(".chart")].map((chart) =>
    [...chart.querySelectorAll("text")].filter((text) => text.textContent === "int8").length),
})"""


def test_charts_are_drawn_and_nothing_is_fetched(page, look):
    found = look(page, CHARTS)
    assert found["trouble"] == []
    assert found["fetched"] == []
    assert found["charts"] == found["drawn"] == 7
    assert all(count >= 1 for count in found["labels"]), found["labels"]


def test_a_page_that_fetches_is_found_out(page, look):
    found = look(page.replace("<main>", '<main><img src="https://example.org/x.png" alt="">', 1), "() => ({})")
    assert any(line.startswith("securitypolicyviolation: https://example.org") for line in found["trouble"])


SORT = """() => {
  const table = [...document.querySelectorAll("table")].find((one) => one.caption.textContent.startsWith("Lattice"));
  const head = (title) => [...table.querySelectorAll("thead th")].find((one) => one.textContent.startsWith(title));
  const units = () => [...table.tBodies[0].rows].map((one) => one.cells[0].textContent);
  const click = (title) => {
    head(title).querySelector("button").click();
    return [head(title).getAttribute("aria-sort"), ...units()];
  };
  const sorted = table.querySelectorAll("[aria-sort]").length;
  const shown = () => [...table.querySelectorAll("thead th")].filter((one) => one.offsetParent).length;
  const brief = shown();
  const more = table.closest(".table").querySelector("button.more");
  const steps = [click("MACs"), click("MACs"), click("Fmax"), click("unit"), click("perplexity")];
  more.click();
  const all = shown();
  return {sorted, steps, marks: table.querySelectorAll("[aria-sort]").length, brief, all,
          pressed: more.getAttribute("aria-pressed"), columns: table.rows[0].cells.length,
          reachable: head("unit").querySelector("button").tabIndex};
}"""


def test_tables_sort_and_show_all_columns(page, look):
    found = look(page, SORT)
    assert found["trouble"] == []
    assert found["sorted"] == 0
    assert found["steps"] == [
        ["ascending", "fp16", "broken", "int8", "anda-m6"],  # 1, 1, 4, 9.14: as numbers, equal ones as they were
        ["descending", "anda-m6", "int8", "fp16", "broken"],
        ["ascending", "anda-m6", "int8", "fp16", "broken"],  # all 50 MHz; what has none comes last
        ["ascending", "anda-m6", "broken", "fp16", "int8"],
        ["ascending", "broken", "fp16", "int8", "anda-m6"]]
    assert found["marks"] == 1
    assert found["reachable"] == 0
    assert found["brief"] == 9
    assert found["all"] == found["columns"] > 20
    assert found["pressed"] == "true"


WIDTH = """() => {
  for (const one of document.querySelectorAll("details")) one.open = true;
  for (const one of document.querySelectorAll("button.more")) one.click();
  return {window: innerWidth, page: document.documentElement.scrollWidth,
          boxes: [...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth).length,
          charts: [...document.querySelectorAll(".chart svg")].map((one) => one.getBoundingClientRect().right)};
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_only_tables_scroll_sideways(page, look, width):
    found = look(page, WIDTH, width=width)
    assert found["trouble"] == []
    assert found["window"] == found["page"] == width
    assert found["boxes"] >= 1
    assert len(found["charts"]) == 7
    assert max(found["charts"]) <= width
