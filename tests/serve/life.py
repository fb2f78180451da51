#!/usr/bin/env python3
"""Who may ask, how work is queued, cancelled and limited, and how the server ends."""
import os
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import *

PHOTO = png(64, 48)
SLOW = "?size=512"  # 12288 tokens: many seconds of features, more of the cut
LARGE = ("--max-tokens", "16384")


def start_slow(s):
    """A running job that takes long."""
    job = s.post("/v1/jobs" + SLOW, PHOTO).json()["id"]
    until(lambda: s.get("/v1/jobs/" + job).json()["state"] == "running", "the start of a job")
    return job


def check_hosts():
    with server("--allow-host", "photos.example", "--allow-host", "proxy.example:443") as s:
        for name, status in (("127.0.0.1:%d" % s.port, 200), ("localhost:%d" % s.port, 200),
                             ("LocalHost:%d" % s.port, 200), ("[::1]:%d" % s.port, 200),
                             ("127.8.9.1:%d" % s.port, 200), ("photos.example:%d" % s.port, 200),
                             ("proxy.example:443", 200), ("proxy.example", 200), ("photos.example", 421),
                             ("evil.example:%d" % s.port, 421), ("127.0.0.1.evil.example:%d" % s.port, 421),
                             ("127.0.0.1", 421), ("127.0.0.1:1", 421), ("localhost:2", 421), ("localhost:99999", 400), ("", 400),
                             ("a:b:c", 400), ("[::1", 400), (":80", 400)):
            answer = s.get("/v1/info", headers={"Host": name})
            equal((name, answer.status), (name, status), "a host")
        mine = "127.0.0.1:%d" % s.port
        for origin, status in (("http://" + mine, 202), ("https://" + mine, 202), ("http://evil.example", 403),
                               ("null", 403), ("", 403), ("http://127.0.0.1:1", 403), ("file://" + mine, 403)):
            answer = s.post("/v1/jobs", PHOTO, headers={"Origin": origin, "Host": mine})
            equal((origin, answer.status), (origin, status), "an origin")
        equal(s.get("/v1/info", headers={"Origin": "http://evil.example"}).headers["Access-Control-Allow-Origin"], None,
              "another site's page may read")
        for path in ("/", "/v1/info", "/nothing"):
            headers = s.get(path).headers
            check("frame-ancestors 'none'" in headers["Content-Security-Policy"], "no policy at " + path)
            check("unsafe" not in headers["Content-Security-Policy"], "an unsafe policy at " + path)
            equal((headers["X-Content-Type-Options"], headers["Referrer-Policy"]), ("nosniff", "no-referrer"), path)


def check_token():
    beyond = subprocess.run([DIFFCUT, "serve", "--host", "0.0.0.0", "--port", "0"], stderr=subprocess.PIPE,
                            env={k: v for k, v in os.environ.items() if k != "DIFFCUT_TOKEN"})
    equal(beyond.returncode, 2, "listening beyond this machine without a token")
    check(b"--token is needed" in beyond.stderr, "its message: %r" % beyond.stderr)
    with server("--host", "0.0.0.0", environment=dict(os.environ, DIFFCUT_TOKEN="s3cret")) as s:
        for headers, status in (({}, 401), ({"Authorization": "Bearer s3cret"}, 200),
                                ({"Authorization": "bearer s3cret"}, 200), ({"Authorization": "Bearer s3cre"}, 401),
                                ({"Authorization": "Bearer s3crets3cret"}, 401), ({"Authorization": "s3cret"}, 401),
                                ({"Authorization": "Bearer "}, 401), ({"Cookie": "diffcut=s3cret"}, 401),
                                ({"Cookie": "diffcut="}, 401)):
            for path in ("/v1/info", "/metrics"):
                equal((headers, s.get(path, headers=headers).status), (headers, status), "a token for " + path)
        equal(s.get("/healthz").status, 200, "health needs no token")
        equal(s.get("/?token=wrong").status, 401, "a wrong token for the page")
        page = s.get("/?token=s3cret")
        equal((page.status, page.headers["Location"]), (303, "/"), "the token for the page")
        cookie = page.headers["Set-Cookie"]
        check("HttpOnly" in cookie and "SameSite=Strict" in cookie and "s3cret" not in cookie, "the cookie: " + cookie)
        value = cookie.split(";")[0]
        for cookies, status in ((value, 200), ("a=b; " + value + "; c=d", 200), (value + "0", 401)):
            equal(s.get("/v1/info", headers={"Cookie": cookies}).status, status, "a cookie")


def check_cancel():
    """DELETE ends what runs and what waits."""
    with server(*LARGE) as s:
        running = start_slow(s)
        waiting = s.post("/v1/jobs", PHOTO).json()["id"]
        state = s.get("/v1/jobs/" + waiting).json()
        equal((state["state"], state["position"]), ("queued", 1), "the job that waits")
        equal(s.ask("DELETE", "/v1/jobs/" + waiting).json()["state"], "cancelled", "the job that waited")
        s.ask("DELETE", "/v1/jobs/" + running)
        ended = s.finished(running)
        equal((ended["state"], ended["error"]["code"], ended["tree"]), ("cancelled", "cancelled", None), "what ran")
        equal(s.metric('diffcut_jobs_total{state="cancelled"}'), 2, "cancelled jobs")
        equal(s.post("/v1/segment", PHOTO).status, 200, "a photo afterwards")


def check_light_lane():
    """A stored tree is cut, refined and shown while a photo is computed."""
    with server(*LARGE) as s:
        tree = s.analyse(PHOTO)
        running = start_slow(s)
        equal(s.get("/v1/trees/%s/labels?tau=0.5" % tree).status, 200, "labels beside a running job")
        equal(s.get("/v1/trees/%s/leaves?width=64" % tree).status, 200, "leaves beside a running job")
        equal(s.post("/v1/trees/%s/recut?alpha=7" % tree).status, 201, "recut beside a running job")
        equal(s.get("/v1/jobs/" + running).json()["state"], "running", "the job that ran all the time")
        s.ask("DELETE", "/v1/jobs/" + running)


def check_gone():
    """A client that goes in the middle of a computation takes its work with it."""
    with server(*LARGE) as s:
        for how in ("close", "reset", "half"):
            before = s.metric("diffcut_clients_gone_total")
            connection = s.connect()
            connection.sendall(b"POST /v1/segment%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n"
                               % (SLOW.encode(), s.port, len(PHOTO)) + PHOTO)
            until(lambda: s.metric("diffcut_jobs_running") == 1, "the start of the work")
            if how == "half":
                connection.shutdown(socket.SHUT_WR)
            else:
                if how == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            until(lambda: s.metric("diffcut_jobs_running") == 0, "the end of work that nobody waits for: " + how)
            equal(s.metric("diffcut_clients_gone_total"), before + 1, "clients gone: " + how)
            connection.close()
        equal(s.metric('diffcut_jobs_total{state="cancelled"}'), 3, "cancelled jobs")
        equal(s.metric('diffcut_jobs_total{state="done"}'), 0, "finished jobs")


def check_queue():
    with server("--queue", "2", *LARGE) as s:
        running = start_slow(s)
        waiting = [s.post("/v1/jobs", PHOTO).json()["id"] for _ in range(2)]
        full = s.post("/v1/jobs", PHOTO)
        equal((full.status, full.error()["code"]), (429, "queue_full"), "a full queue")
        check(int(full.headers["Retry-After"]) > 0, "no Retry-After")
        equal(s.post("/v1/segment", PHOTO).status, 429, "a full queue")
        equal(s.metric("diffcut_jobs_refused_total"), 2, "refused jobs")
        s.ask("DELETE", "/v1/jobs/" + running)
        for job in waiting:
            equal(s.finished(job)["state"], "done", "a job that waited")


def check_two():
    """Clients at once get each its own result."""
    photos = [png(60, 40, lambda x, y, k=k: (x * k % 256, y * 9 % 256, 40 * k)) for k in range(1, 5)]
    with server("--workers", "2", "--threads", "1") as s:
        alone = [s.post("/v1/segment?format=png", photo).body for photo in photos]
        found = {}

        def client(k):
            found[k] = [s.post("/v1/segment?format=png", photos[k]).body for _ in range(3)]

        threads = [threading.Thread(target=client, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for k in range(4):
            check(found.get(k) == [alone[k]] * 3, "client %d got another's result" % k)


def check_time():
    with server("--seconds", "1", *LARGE) as s:
        late = s.post("/v1/segment" + SLOW, PHOTO)
        equal((late.status, late.error()["code"]), (503, "time_limit"), "a job that takes too long")
        equal(s.metric("diffcut_jobs_timed_out_total"), 1, "jobs timed out")


def check_end():
    """The first signal finishes what runs; a second one cancels it. The exit status is 0 either way."""
    s = Server("--threads", "1")
    answers = []
    photo = png(512, 512, lambda x, y: (x % 256, y % 256, 0))
    asking = threading.Thread(target=lambda: answers.append(s.post("/v1/segment?iterations=200", photo)))
    asking.start()
    until(lambda: s.metric("diffcut_jobs_running") == 1, "the start of the work")
    kept = http.client.HTTPConnection("127.0.0.1", s.port, timeout=WAIT)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    s.process.send_signal(signal.SIGTERM)

    def refused():
        try:
            s.connect().close()
            return False
        except OSError:
            return True

    until(refused, "the end of new connections")
    asking.join()
    equal(answers[0].status, 200, "what ran when the signal came")
    kept.close()
    s.stop()
    s = Server(*LARGE)
    start_slow(s)
    s.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    equal(s.process.poll(), None, "the server waits for what runs")
    s.stop(signal.SIGINT)


def check_line():
    for options, word in ((["--port", "70000"], "--port"), (["photo.png"], "sent to the server"),
                          (["--token", "a b"], "token"), (["--allow-host", "http://a"], "--allow-host"),
                          (["--max-tokens", "1"], "--max-tokens")):
        ended = subprocess.run([DIFFCUT, "serve", *options], stderr=subprocess.PIPE)
        equal(ended.returncode, 2, "a mistake in the line: %r" % options)
        check(word.encode() in ended.stderr, "its message: %r" % ended.stderr)
    with server("-v") as s:
        s.get("/v1/info")
        s.get("/no\x1bthing".replace("\x1b", "%1b"))
        until(lambda: s.errors().count("\n") == 2, "the lines of two answers")
        told = s.errors()
        check(re.match(r"GET /v1/info 200 \d+ bytes [0-9.]+ s\nGET /no\\x1bthing 404 ", told), "the log: %r" % told)
        taken = subprocess.run([DIFFCUT, "serve", "--port", str(s.port)], stderr=subprocess.PIPE)
        equal((taken.returncode, b"in use" in taken.stderr), (1, True), "a port that is taken: %r" % taken.stderr)


PARTS = {"access": (check_hosts, check_token, check_line), "queue": (check_cancel, check_light_lane, check_queue),
         "clients": (check_gone, check_two, check_time), "end": (check_end,)}


def main():
    for part in sys.argv[1:] or PARTS:
        for promise in PARTS[part]:
            promise()
    finish()


if __name__ == "__main__":
    main()
