"""How the Python tests count what they check, wait for what must come, and end."""
import time

failures = []
_checks = 0


def check(condition, message):
    global _checks
    _checks += 1
    if not condition:
        failures.append(message)
        print("FAILED:", message, flush=True)


def until(condition, what, wait):
    """Waits for the condition, at most `wait` seconds; a failed check where it never comes."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    check(False, "never came: " + what)
    return False


def conclude():
    """Says the counts; the exit status."""
    print("%d checks, %d failed" % (_checks, len(failures)))
    return 1 if failures else 0
