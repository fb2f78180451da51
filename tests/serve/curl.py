#!/usr/bin/env python3
"""The examples of doc/SERVE.md run as they stand; openapi.json, the document and the server's table agree."""
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import *


def text_of(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def table():
    """The server's routes: (method, path): fields."""
    code = text_of("tools", "serve", "routes.c")
    words = dict(re.findall(r'^#define (\w+_FIELDS) "(.*)"$', code, re.M))
    found = {}
    for method, path, fields in re.findall(r'^    \{"([A-Z]+)", "([^"]+)", (.*?), BODY_', code, re.M):
        parts = [words.get(part, part.strip('"')) for part in re.findall(r'\w+_FIELDS|"[^"]*"', fields)]
        found[method, path] = sorted(" ".join(parts).split())
    return found


def described():
    """openapi.json's, in the same form."""
    document = json.loads(text_of("doc", "openapi.json"))
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = []
            for one in operation.get("parameters", []):
                if "$ref" in one:
                    name = one["$ref"].split("/")[-1]
                    one = document["components"]["parameters"][name]
                    equal(one["name"], name, "a parameter's name")
                if one["in"] == "query":
                    names.append(one["name"])
            found[method.upper(), re.sub(r"\{\w+\}", "{}", path)] = sorted(names)
    return found


def check_documents():
    served = {key: fields for key, fields in table().items() if key[1] not in ("/", "/{}")}
    check(len(served) >= 15, "the table was not read: %r" % served)
    equal(described(), served, "openapi.json and the server's table")
    guide = text_of("doc", "SERVE.md")
    for _, path in served:
        check(path.split("{}")[-1] in guide, "%s is not in SERVE.md" % path)


def check_examples():
    if shutil.which("curl") is None or shutil.which("bash") is None:
        print("curl is not installed: the examples were not run")
        return
    examples = re.findall(r"^```sh\n(.*?)^```$", text_of("doc", "SERVE.md"), re.M | re.S)
    check(len(examples) == 3, "%d examples" % len(examples))
    with server() as s, tempfile.TemporaryDirectory(prefix="diffcut-serve.") as folder:
        with open(os.path.join(folder, "photo.png"), "wb") as file:
            file.write(png(80, 60))
        for example in examples:
            ran = subprocess.run(["bash", "-euo", "pipefail", "-c", example], cwd=folder, stderr=subprocess.PIPE,
                                 stdout=subprocess.PIPE, env=dict(os.environ, SERVER=s.url.rstrip("/")))
            equal(ran.returncode, 0, "an example: %s\n%s" % (example, ran.stderr.decode()))
        for name in re.findall(r"-o (\S+)", "".join(examples)):
            path = os.path.join(folder, name)
            check(os.path.exists(path) and os.path.getsize(path) > 0, "an example made no %s" % name)
            if name.endswith(".json") and os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    json.load(file)
        types = {name: s.get(name).headers["Content-Type"] for name in ("/metrics", "/v1/info")}
        check("version=0.0.4" in types["/metrics"], "the type of /metrics: %r" % types)
        check_metrics(s.get("/metrics").body.decode())
        equal(s.get("/v1/openapi.json").body.decode(), text_of("doc", "openapi.json"), "the served openapi.json")


def check_metrics(text):
    """Every line is Prometheus' text format: a help and a type before each metric's values."""
    told = set()
    for line in text.splitlines():
        kind = re.match(r"# (HELP|TYPE) (diffcut_\w+) (.+)$", line)
        if kind:
            told.add((kind.group(1), kind.group(2)))
            continue
        value = re.match(r'(diffcut_\w+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+$', line)
        check(value is not None, "no line of metrics: %r" % line)
        if value:
            check({("HELP", value.group(1)), ("TYPE", value.group(1))} <= told, "not told before: %r" % line)


def main():
    check_documents()
    check_examples()
    finish()


if __name__ == "__main__":
    main()
