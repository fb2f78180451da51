"""The files of a report, seen from outside: HTML whose elements nest, XML, JSON and CSV that parse, no network.

Usage: report.py WRITE_REPORT (the built program of that name)
"""

import base64
import csv
import html.parser
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

VOID = {"meta", "img", "br", "line", "path"}


class Nesting(html.parser.HTMLParser):
    """Fails on an end tag that ends nothing, and collects what could reach the network."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.links = []
        self.tags = set()
        self.ids = []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), f"{tag} has {name}"
            if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                self.links.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> within {self.open[-3:]} at {self.getpos()}"
        self.open.pop()


def check_page(path):
    text = path.read_bytes().decode("utf-8")
    page = Nesting()
    page.feed(text)
    page.close()
    assert not page.open, page.open
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "form"}, page.tags
    assert len(page.links) == 36, len(page.links)
    for link in page.links:
        assert link.startswith("data:image/png;base64,"), link[:60]
        assert base64.b64decode(link.split(",", 1)[1], validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    without_data = re.sub(r'"data:[^"]*"', '""', text)
    assert not re.search(r"https?:|//|url\(|@import", without_data)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    xml.etree.ElementTree.fromstring(text.split("\n", 1)[1])


def check_tables(folder):
    rows = {}
    for name in ("settings", "classes", "photos", "coherence"):
        with open(folder / f"{name}.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows[name] = list(csv.DictReader(file, strict=True))
        assert all(None not in row and None not in row.values() for row in rows[name]), name
    assert len(rows["settings"]) == 13 and len(rows["classes"]) == 13 * 6 and len(rows["photos"]) == 40 * 13
    assert rows["photos"][0]["photo"].startswith('</title><script>alert("1")'), rows["photos"][0]
    assert rows["photos"][3 * 13]["miou"] == ""
    with open(folder / "results.json", encoding="utf-8") as file:
        results = json.load(file)
    assert len(results["settings"]) == 13 and len(results["failures"]) == 2 and len(results["coherence"]) == 2
    assert results["settings"][0]["published_miou"] == 65.2 / 100
    for row, setting in zip(rows["settings"], results["settings"]):
        assert row["name"] == setting["name"] and float(row["miou"]) == setting["miou"]
        assert (row["tau"] == "") == (setting["tau"] is None)
    for row, one in zip(rows["classes"], (c for s in results["settings"] for c in s["classes"])):
        assert row["name"] == one["name"] and int(row["tp"]) == one["tp"]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([sys.argv[1], name], check=True, stdout=subprocess.DEVNULL)
        check_page(folder / "report.html")
        check_tables(folder)
        root = xml.etree.ElementTree.parse(folder / "coherence.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
        figure = (folder / "coherence.png").read_bytes()
        assert figure.startswith(b"\x89PNG\r\n\x1a\n") and figure.endswith(b"IEND\xaeB`\x82"), figure[:8]
        assert min(struct.unpack(">II", figure[16:24])) >= 300
        assert sorted(p.name for p in folder.iterdir()) == [
            "classes.csv", "coherence.csv", "coherence.png", "coherence.svg", "photos.csv", "report.html",
            "results.json", "settings.csv"], list(folder.iterdir())
    print("8 files are well-formed")


main()
