#!/usr/bin/env python3
"""Ctrl-C ends a run with status 130 and nothing half-written, wherever it strikes; the bar shows on a terminal only."""
import functools
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import checks  # noqa: E402
from checks import check  # noqa: E402

DIFFCUT = os.environ["DIFFCUT"]
SOURCE = os.environ["SOURCE_DIR"]
HERE = os.path.join(SOURCE, "tests", "cli")
WAIT = 120  # seconds until a step that should come is given up
until = functools.partial(checks.until, wait=WAIT)


def start(*arguments, **how):
    """The command, with signals as in a terminal's foreground whatever this test inherited."""

    def reset():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)

    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    how.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([DIFFCUT, *arguments], preexec_fn=reset, **how)


def files(folder):
    return sorted(name for _, _, names in os.walk(folder) for name in names)


def check_in_computation(number, status):
    """The signal comes in the refinement, which would take minutes."""
    out, dump = "out%d" % number, "dump%d" % number
    slow = ["--iterations", "1000", "--refine-size", "0", "--dilations", "1,2,4,8,12,24,32,64"]
    process = start("other.png", "slow.png", *slow, "-o", out, "--dump", dump)
    until(lambda: os.path.exists(os.path.join(dump, "slow", "assigned.npy")), "the second photo's labels")
    process.send_signal(number)
    _, errors = process.communicate(timeout=WAIT)
    check(process.returncode == status, "status %d after signal %d: %r" % (process.returncode, number, errors))
    check(errors == b"diffcut: interrupted after 1 photos; run again to go on\n", "errors: %r" % errors)
    check(files(out) == ["other.json", "other.overlay.png", "other.png"], "files: %s" % files(out))
    json.load(open(os.path.join(out, "other.json")))


def check_in_batch():
    """The signal comes in the third of the photos that went through the network together."""
    slow = ["--iterations", "1000", "--refine-size", "0", "--dilations", "1,2,4,8,12,24,32,64"]
    names = ["other.png", "small.png", "slow.png", "text.jpg", "slower.png"]
    # The photos before the slow one are small: at their own size too they take no time.
    process = start(*names, *slow, "--batch", "4", "-v", "-o", "batch", env=dict(os.environ, TERM="dumb"))
    until(lambda: os.path.exists("batch/small.json"), "the second photo's summary")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=WAIT)
    check(process.returncode == 130, "status %d in a batch: %r" % (process.returncode, errors))
    check(errors.endswith(b"diffcut: interrupted after 2 photos; run again to go on\n"), "errors: %r" % errors)
    done = [name + ending for name in ("other", "small") for ending in (".json", ".overlay.png", ".png")]
    check(files("batch") == sorted(done), "files: %s" % files("batch"))


def check_in_list():
    """The signal comes while the next name is awaited from a pipe; what came before is written."""
    process = start("--files-from", "-", "--iterations", "1", "-o", "listed", stdin=subprocess.PIPE)
    process.stdin.write(b"other.png\n")
    process.stdin.flush()
    until(lambda: os.path.exists("listed/other.json"), "the first name's summary")
    process.send_signal(signal.SIGTERM)
    errors = process.stderr.read()
    check(process.wait(timeout=WAIT) == 143, "status %d while awaiting a name: %r" % (process.returncode, errors))
    check(errors == b"diffcut: interrupted after 1 photos; run again to go on\n", "errors: %r" % errors)
    process.stdin.close()


def check_in_reading():
    """The signal comes while the photo is awaited from a pipe."""
    process = start("-", "-o", "piped", stdin=subprocess.PIPE)
    until(lambda: os.path.isdir("piped"), "the output folder")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=WAIT)
    check(process.returncode == 130, "status %d while reading: %r" % (process.returncode, errors))
    check(files("piped") == [], "files: %s" % files("piped"))


def check_single_commands():
    process = start("features", "-", "-o", "f.npy", stdin=subprocess.PIPE)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT)
    # before the handler is installed the signal itself ends the process
    check(process.returncode in (130, -signal.SIGINT), "features: status %d" % process.returncode)
    check(not os.path.exists("f.npy"), "f.npy is there")


def check_deaf_in_background():
    """Where SIGINT was ignored, as for a script's background job, it stays so."""
    process = subprocess.Popen(
        [DIFFCUT, "-", "-o", "deaf", "--iterations", "1"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    until(lambda: os.path.isdir("deaf"), "the output folder")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(open("other.png", "rb").read(), timeout=WAIT)
    check(process.returncode == 0, "a background job heard Ctrl-C: %d %r" % (process.returncode, errors))


def on_terminal(*arguments, term="xterm"):
    """What the command writes to a terminal of 100 columns, and its status."""
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = start(*arguments, stderr=slave, env=dict(os.environ, TERM=term))
    os.close(slave)
    shown = b""
    while True:
        ready, _, _ = select.select([master], [], [], WAIT)
        try:
            piece = os.read(master, 65536) if ready else b""
        except OSError:  # the other end is closed
            piece = b""
        if not piece:
            break
        shown += piece
    output, _ = process.communicate(timeout=WAIT)
    os.close(master)
    return shown.decode(), output, process.returncode


def check_bar():
    shown, output, status = on_terminal("slow.png", "other.png", "text.jpg", "--iterations", "60", "-o", "bar")
    check(status == 1 and output == b"", "on a terminal: %d %r" % (status, output))
    check(re.search(r"\[[# ]{24}\] 0/3  slow\.png: \w+", shown), "no bar for the first photo: %r" % shown[-2000:])
    check(re.search(r"\] 1/3 .*other\.png: ", shown), "no bar for the second photo: %r" % shown[-2000:])
    check("\r\x1b[Kdiffcut: text.jpg: not a JPEG, PNG or WebP image\r\n" in shown, "error not on a line of its own")
    lines = [line for line in re.split(r"[\r\n]+", shown.replace("\x1b[K", "")) if line]
    check(all(len(line) < 100 for line in lines if line.startswith("[")), "a bar wider than the terminal")
    check(re.search(r"3 photos in [0-9.]+ s: 2 segmented, 1 failed -> bar\r\n", shown), "no last line: %r" % shown)
    shown, _, status = on_terminal("slow.png", "-o", "quiet", "-q", "--iterations", "1")
    check(status == 0 and shown == "", "-q on a terminal: %r" % shown)
    shown, _, status = on_terminal("slow.png", "-o", "dumb", "--iterations", "1", term="dumb")
    check(status == 0 and shown == "", "a dumb terminal: %r" % shown)


def main():
    with tempfile.TemporaryDirectory(prefix="diffcut-cli.") as folder:
        os.chdir(folder)
        subprocess.run([sys.executable, os.path.join(HERE, "photos.py"), folder, SOURCE], check=True)
        sys.path.insert(0, HERE)
        sys.dont_write_bytecode = True
        import photos

        photos.png("slow.png", 512, 384, lambda x, y: (x % 256, (x * y) % 256, (y * 3) % 256))
        photos.png("slower.png", 512, 384, lambda x, y: ((x * y) % 256, x % 256, (y * 3) % 256))
        check_in_computation(signal.SIGINT, 130)
        check_in_computation(signal.SIGTERM, 143)
        check_in_batch()
        check_in_list()
        check_in_reading()
        check_single_commands()
        check_deaf_in_background()
        check_bar()
        os.chdir("/")
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())
