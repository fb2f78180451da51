"""
page.py - what the tests of the page share: the server, a browser on its page, and the words of the tests.

Each script is a list of functions named after what they promise; main() runs them on one server. Without Chromium and
its driver, or without libmicrohttpd, a script is skipped and says so.
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback

import browser

SOURCE = os.environ.get("SOURCE_DIR", os.path.join(os.path.dirname(__file__), "..", ".."))
DIFFCUT = os.environ.get("DIFFCUT", "diffcut")
SAMPLES = os.path.join(SOURCE, "samples")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


class Server:
    """`diffcut serve` on a port of its own; or the one at $PAGE_URL, for work on the page."""

    def __init__(self, *options):
        self.process = None
        self.url = os.environ.get("PAGE_URL")
        if self.url is None or options:
            self.options = options
            self.start(0)

    def start(self, port):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([DIFFCUT, "serve", "--port", str(port), *self.options],
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if not found:
            self.process.wait()
            self.errors.seek(0)
            why = self.errors.read().decode(errors="replace").strip()
            if "libmicrohttpd" in why:
                skip(why)
            raise RuntimeError(f"diffcut serve did not start: {line} {why}")
        self.url = found.group(0)

    @property
    def port(self):
        return int(re.search(r":(\d+)", self.url).group(1))

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            status = self.process.wait()
            self.process.stdout.close()
            self.errors.seek(0)
            words = self.errors.read().decode(errors="replace")
            self.errors.close()
            self.process = None
            equal(f"exit status of the server, which said '{words}'", status, 0)  # with sanitizers: no leak either


class Page(browser.Browser):
    """The page in a browser of its own."""

    def __init__(self, url, **options):
        super().__init__(**options)
        self.url = url

    def load(self):
        self.open(self.url)
        self.wait("the samples", lambda: self.run("return document.querySelectorAll('#samples img[src]').length >= 4"))

    def open_sample(self, name):
        """A sample, until its exact segments are there."""
        self.run("""const buttons = [...document.querySelectorAll('#samples button')];
                    buttons.find((button) => button.textContent.includes(arguments[0])).click();""", name)
        self.settle()

    def open_file(self, path):
        self.type("#file", os.path.abspath(path))

    def settle(self):
        """Until nothing is computed and the exact segments are drawn."""
        self.wait("the exact segments", lambda: self.run("""
            const state = document.getElementById('exact-state').textContent;
            return !document.body.classList.contains('computing') && !document.getElementById('work').hidden &&
                !state.includes('…') && document.querySelectorAll('#segments li').length > 0;"""))
        time.sleep(0.3)  # the list is made a moment after the picture

    def set_range(self, selector, value):
        """As a hand on the slider: moved, then let go."""
        self.run("""const slider = document.querySelector(arguments[0]);
                    slider.value = arguments[1];
                    slider.dispatchEvent(new Event('input', {bubbles: true}));
                    slider.dispatchEvent(new Event('change', {bubbles: true}));""", selector, value)

    def tree(self):
        """The id of the tree on the page, the last one it asked for."""
        return self.run("""return performance.getEntriesByType('resource')
            .map((entry) => /trees\\/([^/?]+)/.exec(entry.name)?.[1]).filter(Boolean).at(-1);""")

    def number(self, selector):
        return int(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def said(self):
        return self.run("return document.getElementById('announcer').textContent")

    def rows(self):
        """The list: [(segment, words that a screen reader is told, chosen)]."""
        return [(int(segment), words, chosen == "true") for segment, words, chosen in self.run(
            "return [...document.querySelectorAll('#segments li')].map((row) =>"
            "[row.dataset.segment, row.ariaLabel, row.ariaSelected])")]

    def pixel(self, across, down, layer="#segment-layer"):
        """RGBA of a canvas at a place in parts of its size."""
        return self.run("""const canvas = document.querySelector(arguments[0]);
            const x = Math.floor(canvas.width * arguments[1]), y = Math.floor(canvas.height * arguments[2]);
            return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data];""", layer, across, down)

    def picture_sum(self, layer="#segment-layer"):
        """A number that changes with the picture on a canvas."""
        return self.run("""const canvas = document.querySelector(arguments[0]);
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return new Uint32Array(data.buffer).reduce((sum, pixel) => (sum * 31 + pixel) % 4294967296, 7);""", layer)

    def on_photo(self, across, down):
        return self.middle("#photo-layer", across, down)

    def download(self, kind, name):
        self.click(f"[data-download={kind}]")
        return self.downloaded(name)

    def drop(self, path):
        """A file dragged from outside and let go over the page, by the browser's own events."""
        x, y = self.middle("body")
        data = {"items": [], "files": [os.path.abspath(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.devtools("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def paste(self, path):
        with open(path, "rb") as file:
            data = base64.b64encode(file.read()).decode()
        self.run("""const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
                    const transfer = new DataTransfer();
                    transfer.items.add(new File([bytes], arguments[1], {type: 'image/png'}));
                    document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true}));
                 """, data, os.path.basename(path))


def command(*arguments):
    """What the command prints, or its error."""
    return subprocess.run([DIFFCUT, *arguments], check=True, capture_output=True, text=True).stdout


def segment(photo, folder, *options):
    """Runs `diffcut segment` on a photo, results in the folder."""
    return json.loads(command("segment", "--json", "--force", "-o", folder, *options, photo))


def equal(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: {repr(got)[:300]}, expected {repr(expected)[:300]}")


def true(what, condition):
    if not condition:
        raise AssertionError(what)


def main(*tests, server_options=(), **options):
    """Runs test(page) one after the other, each on the page loaded anew; the exit status says whether all held."""
    sys.stdout.reconfigure(line_buffering=True)
    if browser.find_programs() is None:
        skip("chromium and chromium-driver are not installed")
    server = Server(*server_options)
    failed = 0
    try:
        page = Page(server.url, **options)
        page.server = server
        try:
            for test in tests:
                name = test.__name__.replace("_", " ")
                try:
                    page.load()
                    test(page)
                    equal("errors in the browser's console", page.complaints(), [])
                    print(f"ok: {name}")
                except Exception:
                    failed += 1
                    print(f"FAILED: {name}\n{traceback.format_exc()}")
                    if "PAGE_PICTURES" in os.environ:
                        page.picture(os.path.join(os.environ["PAGE_PICTURES"], f"{test.__name__}.png"))
        finally:
            page.close()
    finally:
        server.stop()
    print(f"{len(tests)} tests, {failed} failed")
    sys.exit(1 if failed else 0)
