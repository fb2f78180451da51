#!/usr/bin/env python3
"""soak.py [REQUESTS]: memory stays flat over many requests of every kind, good and bad, by clients that come and go.

The test runs it with 200 requests; bench/serve_soak.sh with 2000. Photos are large beside the allowed growth: one
picture, feature grid or answer lost each time would show."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import *

MOST_GROWTH = 24 << 20  # bytes, from the second quarter's largest to the last quarter's; 100 lost photos are 80 MB
PHOTO = png(512, 512, lambda x, y: (x // 2, y // 2, (x + y) // 4))


def whole(s, k):
    name = ("json", "png", "overlay", "coco", "npy", "raw16")[k % 6]
    equal(s.post("/v1/segment?iterations=1&format=" + name, PHOTO).status, 200, "segment as " + name)


def steps(s, k):
    tree = s.analyse(PHOTO)
    for path in ("", "/leaves?width=512", "/labels?tau=0.%d&iterations=1&format=overlay" % (1 + k % 7),
                 "/similarity?x=%d&y=9" % (k % 512)):
        equal(s.get("/v1/trees/" + tree + path).status, 200, "a tree's " + path)
    other = s.post("/v1/trees/%s/recut?alpha=%d" % (tree, 2 + k % 9)).json()["tree"]
    equal(s.get("/v1/trees/%s/labels?iterations=1&format=png" % other).status, 200, "a recut tree's labels")
    if k % 2 == 0:
        equal(s.ask("DELETE", "/v1/trees/" + tree).status, 204, "deleting a tree")


def bad(s, k):
    equal(s.post("/v1/segment", PHOTO[:-1000 - k]).status, 422, "a broken photo")
    equal(s.post("/v1/segment?tau=9", PHOTO).status, 400, "a bad value")
    equal(s.post("/v1/segment", bomb()).status, 413, "a bomb")
    equal(s.get("/v1/trees/%d" % k).status, 404, "no tree")
    raw(s, b"POST /v1/segment HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9999\r\n\r\nabc" % s.port, half_close=True)


def gone(s, k):
    connection = s.connect()
    connection.sendall(b"POST /v1/segment?iterations=900 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n"
                       % (s.port, len(PHOTO)) + PHOTO)
    time.sleep(0.05 * (k % 4))
    connection.close()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    kinds = (whole, steps, whole, bad, steps, gone)
    # What a sanitizer keeps of freed memory would look like growth.
    environment = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", ""))
    with server("--memory", "16000000", environment=environment) as s:
        resident, asked, k = [], 0, 0
        while asked < count:
            kinds[k % len(kinds)](s, k)
            if k % len(kinds) == len(kinds) - 1:
                until(lambda: s.metric("diffcut_jobs_running") == 0, "the end of what nobody waits for")
            resident.append((asked, s.metric("diffcut_resident_memory_bytes")))
            asked += 1 if kinds[k % len(kinds)] in (whole, gone) else 5
            k += 1
        quarter = count / 4
        early = max(bytes_ for at, bytes_ in resident if quarter <= at < 2 * quarter)
        late = max(bytes_ for at, bytes_ in resident if at >= 3 * quarter)
        print("%d requests; resident MiB after each quarter: %s" % (asked, " ".join(
            "%.1f" % (max(b for at, b in resident if q * quarter <= at < (q + 1) * quarter or q == 3 and at >= 3 * quarter)
                      / 2**20) for q in range(4))))
        check(late - early <= MOST_GROWTH, "memory grew by %.1f MiB" % ((late - early) / 2**20))
        check(s.metric("diffcut_trees_bytes") <= 16000000, "the store outgrew its limit")
        check(s.metric("diffcut_trees_evicted_total") > 0, "nothing had to make room: the run is too short")
    finish()


if __name__ == "__main__":
    main()
