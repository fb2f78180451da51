"""What the server's tests share: a server started for a test, requests by hand and by http.client, checks."""
import contextlib
import functools
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import checks  # noqa: E402
from checks import check, failures  # noqa: E402,F401

DIFFCUT = os.environ["DIFFCUT"]
SOURCE = os.environ["SOURCE_DIR"]
WAIT = 240  # seconds until something that should come is given up; sanitizers are slow
until = functools.partial(checks.until, wait=WAIT)


def equal(found, expected, what):
    check(found == expected, "%s: %.300r, expected %.300r" % (what, found, expected))


def finish():
    sys.exit(checks.conclude())


def sample(name):
    with open(os.path.join(SOURCE, "samples", name), "rb") as file:
        return file.read()


def png(width, height, color=lambda x, y: (x * 5 % 256, y * 7 % 256, (x + y) * 3 % 256)):
    """A small photo, made here."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in color(x, y)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bomb(side=30000):
    """A PNG whose header promises more pixels than anybody has room for, in a few hundred bytes."""
    small = png(1, 1)
    head = struct.pack(">4sIIBBBBB", b"IHDR", side, side, 8, 2, 0, 0, 0)
    return small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def error(self):
        """The error of an answer, whose shape is always the same."""
        error = self.json()["error"]
        equal(sorted(error), ["code", "field", "message"], "the fields of an error")
        return error


class Server:
    """A `diffcut serve` of its own, with the options given."""

    def __init__(self, *options, environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="diffcut-serve.")
        self.port_file = os.path.join(self.folder.name, "port")
        self.log = os.path.join(self.folder.name, "log")
        environment = dict(os.environ if environment is None else environment)
        if environment is None or "DIFFCUT_TOKEN" not in (environment or {}):
            environment.pop("DIFFCUT_TOKEN", None)

        def reset():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [DIFFCUT, "serve", "--port", "0", "--port-file", self.port_file, *options], stdout=subprocess.PIPE,
                stderr=log, env=environment, preexec_fn=reset)
        until(lambda: os.path.exists(self.port_file) or self.process.poll() is not None, "the server's port")
        self.port = int(open(self.port_file).read()) if os.path.exists(self.port_file) else 0
        self.url = self.process.stdout.readline().decode().strip() if self.port else ""

    def errors(self):
        return open(self.log, "rb").read().decode("utf-8", "replace")

    def connect(self, host="127.0.0.1"):
        return socket.create_connection((host, self.port), timeout=WAIT)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """One request; a photo's type is said unless headers say otherwise."""
        headers = dict(headers or {})
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/octet-stream"
        mine = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            mine.request(method, path, body=body, headers=headers)
            answer = mine.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            if connection is None:
                mine.close()

    def get(self, path, **how):
        return self.ask("GET", path, **how)

    def post(self, path, body=None, **how):
        return self.ask("POST", path, body=body, **how)

    def metric(self, name):
        found = re.search("^%s (\\S+)$" % re.escape(name), self.get("/metrics").body.decode(), re.M)
        return float(found.group(1)) if found else 0.0

    def analyse(self, photo, query=""):
        """A photo's tree, by a job."""
        answer = self.post("/v1/jobs" + query, photo)
        equal(answer.status, 202, "a job's status: %r" % answer.body[:200])
        return self.finished(answer.json()["id"])["tree"]

    def finished(self, job):
        state = {}

        def ended():
            state.update(self.get("/v1/jobs/" + job).json())
            return state["state"] in ("done", "failed", "cancelled")

        until(ended, "the end of a job")
        return state

    def stop(self, number=signal.SIGTERM, expected=0):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(timeout=WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "never"
        self.process.stdout.close()
        equal(status, expected, "the server's exit status; errors: %s" % self.errors()[-600:])
        if "runtime error" in self.errors() or "Sanitizer" in self.errors():
            check(False, "a sanitizer spoke: " + self.errors()[-3000:])
        self.folder.cleanup()


@contextlib.contextmanager
def server(*options, **how):
    running = Server(*options, **how)
    try:
        yield running
    finally:
        running.stop()


def read_all(connection):
    """What comes until the other side closes; b"" for a reset."""
    data = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
    except ConnectionError:
        return data


def status_of(data):
    """The status of a raw answer, 0 for none."""
    found = re.match(rb"HTTP/1\.1 (\d+) ", data)
    return int(found.group(1)) if found else 0


def raw(running, data, half_close=False):
    """Sends bytes as they are; the whole raw answer."""
    with running.connect() as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        return read_all(connection)


def decode_png_labels(data):
    """An indexed or 16-bit grey PNG of ours, without interlace: rows of labels."""
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    packed, at = b"", 8
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        if name == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    lines, bits = zlib.decompress(packed), depth
    stride = (width * bits + 7) // 8
    back = max(1, bits // 8)
    rows, before = [], bytes(stride)
    for y in range(height):
        filter_kind = lines[y * (stride + 1)]
        line = bytearray(lines[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left = line[i - back] if i >= back else 0
            up, corner = before[i], before[i - back] if i >= back else 0
            if filter_kind == 4:
                p = left + up - corner
                near = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            else:
                near = (0, left, up, (left + up) // 2)[filter_kind]
            line[i] = (line[i] + near) & 255
        before = bytes(line)
        if bits == 16:
            rows.append(list(struct.unpack(">%dH" % width, before)))
        else:
            per = 8 // bits
            rows.append([before[x // per] >> (8 - bits * (x % per + 1)) & ((1 << bits) - 1) for x in range(width)])
    return rows
