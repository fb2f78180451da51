"""A small hub on 127.0.0.1 for the tests: repositories in memory, large files behind a redirect to a second origin as
the real one has them, and faults to order. Standard library only."""
import hashlib
import json
import re
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 4096  # bytes from which a file is kept outside git


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def blob_name(data):
    return hashlib.sha256(data).hexdigest() if len(data) >= LARGE else git_hash(data)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, code, body=b"", **headers):
        self.send_response(code)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def drop(self):
        """The connection breaks."""
        self.close_connection = True
        self.connection.close()

    def content(self, data, fault=None):
        """A file's bytes, from where Range says."""
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and not self.server.hub.ignores_range:
            start = int(asked.group(1))
            if start >= len(data):
                return self.reply(416)
            headers = {"Content_Range": "bytes %d-%d/%d" % (start, len(data) - 1, len(data))}
            code = 206
        else:
            headers, code = {}, 200
        rest = data[start:]
        if fault is None:
            return self.reply(code, rest, **headers)
        return fault(self, code, rest, headers)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server.hub
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        with hub.lock:
            hub.requests.append((self.server is hub.cdn, self.command, self.path, dict(self.headers)))
            action = None
            for pattern, actions in hub.faults:
                if re.search(pattern, path) and actions:
                    action = actions.pop(0) if len(actions) > 1 or not hub.forever else actions[0]
                    break
        if action is not None and action(self, path):
            return None
        listing = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path)
        if listing:
            return self.listing(hub, *listing.groups())
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if file and self.server is not hub.cdn:
            return self.file(hub, *file.groups())
        blob = re.fullmatch(r"/blob/([0-9a-f]+)", path)
        if blob and self.server is hub.cdn:
            return self.content(hub.blobs[blob.group(1)], hub.body_fault(path))
        return self.reply(404)

    def listing(self, hub, name, revision):
        if name not in hub.repositories:
            return self.reply(404, X_Error_Code="RepoNotFound")
        if revision not in ("main", "refs/pr/1", COMMIT):
            return self.reply(404, X_Error_Code="RevisionNotFound")
        siblings = []
        for path, data in hub.repositories[name].items():
            item = {"rfilename": path}
            if not hub.bare_listing:
                item.update(size=len(data), blobId=git_hash(data))
                if len(data) >= LARGE:
                    item["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 135}
            siblings.append(item)
        answer = {"id": name, "sha": COMMIT, "cardData": {"license": "openrail++"}, "siblings": siblings}
        answer.update(hub.listing_changes)
        return self.reply(200, json.dumps(answer).encode(), Content_Type="application/json")

    def file(self, hub, name, commit, path):
        data = hub.repositories.get(name, {}).get(path)
        if data is None or commit not in ("main", COMMIT):
            return self.reply(404, X_Error_Code="EntryNotFound")
        etag = '"%s"' % (hub.etag or blob_name(data))
        if len(data) >= LARGE:
            hub.blobs[blob_name(data)] = data
            return self.reply(302, Location="%s/blob/%s" % (hub.cdn_url, blob_name(data)), X_Linked_Etag=etag,
                              X_Linked_Size=str(len(data)), X_Repo_Commit=COMMIT)
        if self.command == "HEAD":
            return self.reply(200, Content_Length=str(len(data)), ETag=etag, X_Repo_Commit=COMMIT)
        return self.content(data, hub.body_fault(self.path))


class Hub:
    """main has the API and the small files, cdn the large ones. faults: [(pattern of a path, [action, ...])]; an
    action takes the handler and the path and returns whether it answered. Each is used once, the last for ever with
    forever set. bodies is the same for the bodies of files."""

    def __init__(self):
        self.lock = threading.Lock()
        self.main = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.cdn = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        for server in (self.main, self.cdn):
            self.serve(server)
        self.url = "http://127.0.0.1:%d" % self.main.server_address[1]
        self.cdn_url = "http://127.0.0.1:%d" % self.cdn.server_address[1]
        self.repositories = {}
        self.reset()

    def serve(self, server):
        server.hub = self
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # the command breaks connections off on purpose
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def encrypted(self, key, certificate):
        """One more origin of the hub, with https; its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.serve(server)
        return "https://127.0.0.1:%d" % server.server_address[1]

    def reset(self):
        self.requests, self.faults, self.bodies, self.blobs = [], [], [], {}
        self.forever = self.ignores_range = self.bare_listing = False
        self.etag = None
        self.listing_changes = {}

    def body_fault(self, path):
        with self.lock:
            for pattern, actions in self.bodies:
                if re.search(pattern, path) and actions:
                    return actions[0] if self.forever else actions.pop(0)
        return None

    def asked(self, pattern):
        with self.lock:
            return [request for request in self.requests if re.search(pattern, request[2])]
