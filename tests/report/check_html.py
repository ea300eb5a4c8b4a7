#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a report page: well-formed, self-contained, every coordinate finite, every text inside its picture.

    check_html.py FILE...            pages on disk
    check_html.py --made-by PROGRAM  the page that PROGRAM (test_report_html) writes to $WEIR_REPORT_SAMPLE
"""
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Outline(HTMLParser):
    """The HTML parser's view: nesting of everything but void elements."""

    void = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self):
        super().__init__()
        self.open, self.faults = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


def check_svg(svg, faults):
    box = [float(v) for v in svg.get("viewBox").split()]
    if len(box) != 4 or box[2] <= 0 or box[3] <= 0:
        faults.append(f"viewBox {box}")
    if svg.find(f"{SVG}title") is None:
        faults.append("a picture without a title")
    for element in svg.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "width", "height"):
            value = element.get(name)
            if value is not None and not NUMBER.fullmatch(value):
                faults.append(f"{element.tag} {name}={value}")
        path = element.get("d")
        if path is not None and NUMBER.sub("", path).strip("MLHVZhv ") != "":
            faults.append(f"path data {path[:60]}")
        if element.tag == f"{SVG}text" and element.get("x"):
            check_text(element, box, faults)


def check_text(element, box, faults):
    """Text may not leave the picture; a character of the size used is at most 7.2 units wide."""
    x, y = float(element.get("x")), float(element.get("y"))
    width = 5.6 * len(element.text or "")
    left = x - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor")]
    if left < -2 or left + width > box[2] + 2 or not 0 <= y <= box[3]:
        faults.append(f"text '{element.text}' from {left:.0f} to {left + width:.0f} in a width of {box[2]:.0f}")


def check(path):
    text = open(path, encoding="utf-8").read()
    faults = []
    root = ET.fromstring(text)
    outline = Outline()
    outline.feed(text)
    faults += outline.faults + [f"<{tag}> is never closed" for tag in outline.open]
    if re.search(r"<script|<link|<iframe|<object|\son\w+=", text):
        faults.append("scripts or outside parts")
    for target in re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import""", text):
        if not "".join(target).startswith("#"):
            faults.append(f"refers to {target}")
    pictures = [svg for svg in root.iter(f"{SVG}svg") if svg.get("viewBox")]
    for svg in pictures:
        check_svg(svg, faults)
    identifiers = re.findall(r'\sid="([^"]*)"', text)
    if len(set(identifiers)) != len(identifiers):
        faults.append("an id is used twice")
    for name in set(re.findall(r"url\(#([^)]*)\)", text)) - set(identifiers):
        faults.append(f"#{name} is not defined")
    for fault in faults:
        print(f"{path}: {fault}")
    print(f"{path}: {len(pictures)} pictures, {len(text)} bytes, {len(faults)} faults")
    return not faults and pictures


def check_made_by(program):
    with tempfile.TemporaryDirectory() as folder:
        page = os.path.join(folder, "page.html")
        subprocess.run([program], env=dict(os.environ, WEIR_REPORT_SAMPLE=page), check=True)
        return check(page)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--made-by":
        sound = check_made_by(sys.argv[2])
    else:
        sound = len(sys.argv) > 1 and all([check(path) for path in sys.argv[1:]])
    sys.exit(0 if sound else 1)
