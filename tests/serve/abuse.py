#!/usr/bin/env python3
"""What a server meets: slow, broken, greedy and hostile clients. Each gets its answer, and the server goes on."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import *

PHOTO = png(48, 32)


def host(s):
    return b"Host: 127.0.0.1:%d\r\n" % s.port


def check_still_there(s, after):
    answer = s.get("/healthz")
    equal((answer.status, answer.json()), (200, {"status": "ok"}), "health after " + after)


def check_values(s):
    """Every bad value of a query is refused by the name of its field."""
    for query, field in (("tau=2", "tau"), ("tau=-1", "tau"), ("tau=x", "tau"), ("tau=", "tau"), ("tau", "tau"),
                         ("tau=nan", "tau"), ("tau=0x1", "tau"), ("tau=0.1,0.2", "tau"), ("tau=0.1&tau=0.2", "tau"),
                         ("alpha=0", "alpha"), ("alpha=-3", "alpha"), ("size=0", "size"), ("size=99999", "size"),
                         ("size=big", "size"), ("square=maybe", "square"), ("refine=2", "refine"),
                         ("iterations=1001", "iterations"), ("dilations=0", "dilations"), ("median=4", "median"),
                         ("refine_size=-1", "refine_size"), ("format=bmp", "format"), ("format=raw8", "format"),
                         ("opacity=1.1", "opacity"), ("boundaries=x", "boundaries"), ("width=0", "width"),
                         ("min_tokens=-1", "min_tokens"), ("timestep=1000", "timestep"), ("seed=-1", "seed"),
                         ("resample=best", "resample"), ("max_tau=0.1&tau=0.5", "max_tau"), ("what=1", "what"),
                         ("Tau=0.5", "Tau"), ("hook=mid", "hook"), ("prompt=%FF%FE", "prompt"),
                         ("tau=0.5%00", "tau"), ("prompt=" + "a" * 2000, "prompt")):
        answer = s.post("/v1/segment?" + query, PHOTO)
        equal((query[:40], answer.status, answer.error()["field"]), (query[:40], 400, field), "a bad value")
    text = s.post("/v1/segment?%ff%fe=1", PHOTO)
    equal(text.status, 400, "a field whose name is no UTF-8")
    text.body.decode()
    answer = s.post("/v1/segment?prompt=a+cat", PHOTO)
    equal(answer.status, 422, "a prompt for a model that takes none: %r" % answer.body)
    check("/" not in answer.error()["message"], "a path in %r" % answer.error()["message"])
    answer = s.post("/v1/segment?size=1024", PHOTO)
    equal((answer.status, answer.error()["field"]), (422, "size"), "more tokens than allowed")


def check_methods_and_paths(s):
    for method, path, status, allow in (("PUT", "/v1/info", 405, "GET"), ("GET", "/v1/segment", 405, "POST"),
                                        ("PATCH", "/v1/trees/a", 405, "GET, DELETE"), ("POST", "/", 405, "GET"),
                                        ("OPTIONS", "/v1/jobs", 405, "POST"), ("BREW", "/healthz", 405, "GET")):
        answer = s.ask(method, path)
        equal((method, path, answer.status, answer.headers["Allow"]), (method, path, status, allow), "a wrong method")
        equal(answer.error()["code"], "bad_method", "its code")
    for path in ("/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/samples/../serve.c",
                 "/v1/samples/..%2f..%2fREADME.md", "/v1/samples/%2fetc%2fpasswd", "//etc/passwd", "/v1/trees/",
                 "/v1", "/v1/jobs//events", "/v1/trees/%00", "/v1/trees/" + "a" * 4000, "/%ff%fe", "/v1/info/"):
        answer = s.get(path)
        equal((path[:40], answer.status), (path[:40], 404), "a path that is not there")
        answer.error()
        check(b"root:" not in answer.body, "a file of the machine came out: %r" % path)


def check_bodies(s):
    length = s.post("/v1/segment", headers={"Content-Type": "image/png", "Content-Length": ""})
    check(length.status in (400, 411), "an empty Content-Length: %d" % length.status)
    bare = raw(s, b"POST /v1/segment HTTP/1.1\r\n" + host(s) + b"Content-Type: image/png\r\nConnection: close\r\n\r\n")
    equal(status_of(bare), 411, "no length")
    equal(s.post("/v1/segment", b"").error()["code"], "no_photo", "an empty photo")
    form = s.post("/v1/segment", PHOTO, headers={"Content-Type": "application/x-www-form-urlencoded"})
    equal((form.status, form.error()["field"]), (415, "Content-Type"), "a type that is no photo's")
    for body in (b"text", PHOTO[:60], PHOTO[:-20], b"\xff\xd8\xff\xe0garbage", b"RIFF\0\0\0\0WEBPVP8 "):
        answer = s.post("/v1/segment", body)
        equal((answer.status, answer.error()["field"]), (422, "photo"), "what is no photo: %r" % body[:10])
        check("/" not in answer.error()["message"], "a path in %r" % answer.error()["message"])
    answer = s.post("/v1/segment", bomb(30000))
    equal((answer.status, answer.error()["code"]), (413, "too_large"), "a decompression bomb")
    equal(s.ask("GET", "/healthz", body=b"x" * 1000).status, 200, "a body where none is expected")


def check_size(s):
    """The largest body is refused before it is read, by its word or where it goes beyond."""
    limit = s.get("/v1/info").json()["limits"]["max_body_bytes"]
    said = b"POST /v1/segment HTTP/1.1\r\n" + host(s) + b"Content-Length: %d\r\n\r\n" % (limit + 1)
    answer = raw(s, said)
    equal(status_of(answer), 413, "a body said to be too large: %r" % answer[:100])
    for size in (b"99999999999999999999999", b"-1", b"1x"):
        answer = raw(s, b"POST /v1/segment HTTP/1.1\r\n" + host(s) + b"Content-Length: " + size + b"\r\n\r\n")
        check(status_of(answer) in (0, 400, 413), "a length of %r: %r" % (size, answer[:100]))
    with s.connect() as connection:
        connection.sendall(b"POST /v1/segment HTTP/1.1\r\n" + host(s) + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 256 * limit:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        except ConnectionError:
            pass
        check(sent < 256 * limit, "an endless body was read on")
        answer = read_all(connection)
        check(status_of(answer) in (0, 413), "an endless body: %r" % answer[:100])
    check_still_there(s, "bodies that are too large")


def check_forms(s):
    good = b"--b\r\nContent-Disposition: form-data; name=\"photo\"\r\n\r\n" + PHOTO + b"\r\n--b--\r\n"
    kind = "multipart/form-data; boundary=b"
    for body, type_, code in ((good.replace(b"\"photo\"", b"\"file\""), kind, "unknown_field"),
                              (good, "multipart/form-data", "bad_form"),
                              (good, "multipart/form-data; boundary=", "bad_form"),
                              (good, "multipart/form-data; boundary=\"b", "bad_form"),
                              (good, "multipart/form-data; boundary=" + "c" * 71, "bad_form"),
                              (good, "multipart/form-data; boundary=other", "bad_form"),
                              (good[:-len(b"\r\n--b--\r\n")], kind, "bad_form"), (good[:-4], kind, "bad_form"),
                              (good[:30], kind, "bad_form"), (b"--b\r\n\r\n" + PHOTO + b"\r\n--b--", kind, "bad_form"),
                              (b"--b--\r\n", kind, "bad_form"), (b"", kind, "bad_form"), (b"--b", kind, "bad_form"),
                              (b"x--b\r\n", kind, "bad_form"),
                              (good[:-4] + b"\r\n" + good, kind, "bad_form")):
        answer = s.post("/v1/segment", body, headers={"Content-Type": type_})
        equal((answer.status, answer.error()["code"]), (400, code), "a form %r as %s" % (body[-30:], type_))


def check_requests(s):
    """What is no HTTP, or hardly."""
    for data in (b"\r\n\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" + b"\0" * 200,
                 b"GET / HTTP/9.9\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.0\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n", b"\0" * 5000,
                 b"POST /v1/segment HTTP/1.1\r\n" + host(s) + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        answer = raw(s, data, half_close=True)
        check(status_of(answer) in (0, 400, 405, 411, 505), "%r was answered with %r" % (data[:40], answer[:100]))
    for headers in (b"X-Long: " + b"a" * 100000 + b"\r\n", b"X: y\r\n" * 20000):
        answer = raw(s, b"GET /healthz HTTP/1.1\r\n" + host(s) + headers + b"\r\n")
        check(status_of(answer) in (0, 400, 413, 431), "headers without end: %r" % answer[:100])
    answer = raw(s, b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n" + host(s) + b"\r\n")
    check(status_of(answer) in (0, 400, 414), "an address without end: %r" % answer[:100])
    two = raw(s, (b"GET /healthz HTTP/1.1\r\n" + host(s) + b"\r\n") * 2 + b"GET /healthz HTTP/1.1\r\n" + host(s) +
              b"Connection: close\r\n\r\n")
    equal(two.count(b"HTTP/1.1 200 "), 3, "three requests at once on one connection")
    half = raw(s, b"GET /healthz HTTP/1.1\r\n" + host(s) + b"\r\n", half_close=True)
    equal(status_of(half), 200, "a client that has nothing more to say")
    check_still_there(s, "what is no HTTP")


def check_many(s):
    """A thousand connections in quick succession, and more at once than are taken."""
    for i in range(1000):
        connection = s.connect()
        if i % 3 == 0:
            connection.sendall(b"GET /healthz HT")
        elif i % 3 == 1:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        connection.close()
    check_still_there(s, "a thousand connections")
    crowd = [s.connect() for _ in range(60)]  # --max-connections is 40: the others wait until these are gone
    for connection in crowd:
        connection.close()
    check_still_there(s, "a crowd")
    until(lambda: s.metric("diffcut_connections") <= 1, "the end of all connections")


def check_slow():
    """Clients that send or read a little now and then are let go after the limit, whatever they do; with a word where
    there is something to say."""
    with server("--timeout", "1", "--max-connections", "40") as s:
        connections = {}
        for name in ("silent", "headers", "body", "trickle", "idle", "form"):
            connections[name] = s.connect()
        head = b"POST /v1/segment HTTP/1.1\r\n" + host(s)
        connections["headers"].sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        connections["body"].sendall(head + b"Content-Length: 1000\r\n\r\nabc")
        connections["trickle"].sendall(head + b"Content-Length: 100000\r\n\r\n")
        connections["form"].sendall(head + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 500\r\n\r\n--b")
        connections["idle"].sendall(b"GET /healthz HTTP/1.1\r\n" + host(s) + b"\r\n")
        ended = {}

        def drip():
            for name in ("headers", "trickle"):
                try:
                    connections[name].sendall(b"a")
                except OSError:
                    pass
            for name, connection in connections.items():
                connection.settimeout(0.02)
                try:
                    while name not in ended:
                        piece = connection.recv(65536)
                        received[name] = received.get(name, b"") + piece
                        if not piece:
                            ended[name] = True
                except socket.timeout:
                    pass
                except OSError:
                    ended[name] = True
            return len(ended) == len(connections)

        received = {}
        until(drip, "the end of slow clients: only %s" % sorted(ended))
        for name in ("silent", "headers", "body", "trickle", "form"):
            equal(status_of(received.get(name, b"")), 408, "the answer to a slow client: " + name)
        equal(received["idle"].count(b"HTTP/1.1"), 1, "a connection that was kept")
        check(b'"code": "timeout"' in received["body"], "a 408 without its JSON: %r" % received["body"])
        for connection in connections.values():
            connection.close()
        check(s.metric("diffcut_connections_timed_out_total") >= len(connections), "slow clients were not counted")
        check_still_there(s, "slow clients")


def check_slow_readers():
    """An answer that nobody reads does not keep its connection for ever."""
    with server("--timeout", "1", "--max-pixels", "9000000") as s:
        tree = s.analyse(PHOTO)
        with s.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /v1/trees/%s/labels?format=npy&width=3300&refine=0 HTTP/1.1\r\n" % tree.encode() +
                               host(s) + b"\r\n")
            before = s.metric("diffcut_connections_timed_out_total")
            # 29 MB, of which the sockets between take some; at 16 KiB/s it would be allowed half an hour
            connection.recv(1000)
            time.sleep(1.5)
            equal(s.metric("diffcut_connections_timed_out_total"), before, "a large answer has its time")
        until(lambda: s.metric("diffcut_connections") <= 1, "the end of a connection whose client went")
        check_still_there(s, "slow readers")


def main():
    with server("--max-connections", "40", "--max-body", "300000") as s:
        check_values(s)
        check_methods_and_paths(s)
        check_bodies(s)
        check_size(s)
        check_forms(s)
        check_requests(s)
        check_many(s)
        equal(s.post("/v1/segment", PHOTO).status, 200, "a good photo after all that")
    check_slow()
    check_slow_readers()
    finish()


if __name__ == "__main__":
    main()
