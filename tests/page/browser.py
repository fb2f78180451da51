"""
browser.py - a headless Chromium, used as a person would: WebDriver (W3C) over HTTP to chromium-driver, nothing beyond
Python's own library. Called by the tests of the page.
"""
import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the standard's name of an element's reference
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Shift": "\ue008", "Control": "\ue009", "Escape": "\ue00c",
        "PageUp": "\ue00e", "PageDown": "\ue00f", "End": "\ue010", "Home": "\ue011", "Left": "\ue012", "Up": "\ue013",
        "Right": "\ue014", "Down": "\ue015", "Space": " "}
WAIT = 300  # seconds at most for something to come about; a busy machine is slow, and nothing else depends on it


class BrowserError(Exception):
    pass


def find_programs():
    """(chromium, driver), or None where they are missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver") or shutil.which("chromium.chromedriver")
    return (chromium, driver) if chromium and driver else None


class Browser:
    def __init__(self, width=1280, height=860, mobile=False):
        chromium, driver = find_programs()
        self.folder = tempfile.mkdtemp(prefix="diffcut-page-")
        self.downloads = os.path.join(self.folder, "downloads")
        os.mkdir(self.downloads)
        self.log = open(os.path.join(self.folder, "driver.log"), "w+b")
        self.process = subprocess.Popen([driver, "--port=0"], stdout=self.log, stderr=self.log)
        self.session = None
        try:
            self._connect(chromium, width, height, mobile)
        except Exception:
            self.close()
            raise

    def _connect(self, chromium, width, height, mobile):
        self.port = self._driver_port()
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
                     "--force-color-profile=srgb", "--lang=en-GB", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", f"--window-size={width},{height}",
                     f"--user-data-dir={self.folder}/profile"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # its sandbox refuses root
        options = {"binary": chromium, "args": arguments}
        if mobile:
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2}}
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = answer["sessionId"]
        self.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=self.downloads)

    def _driver_port(self):
        end = time.monotonic() + WAIT
        while time.monotonic() < end and self.process.poll() is None:
            with open(self.log.name, "rb") as log:
                found = re.search(rb"started successfully on port (\d+)", log.read())
            if found:
                return int(found.group(1))
            time.sleep(0.05)
        raise BrowserError("chromium-driver did not start")

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=180)
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(f"{path}: {value['error']}: {value['message'].splitlines()[0]}")
        return value

    def _do(self, method, path, body=None):
        return self._ask(method, f"/session/{self.session}{path}", body)

    def close(self):
        if self.session is not None:
            try:
                self._do("DELETE", "")
            except (OSError, BrowserError, http.client.HTTPException):
                pass
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---------------------------------------------------------------------------------------------- the page

    def open(self, url):
        self._do("POST", "/url", {"url": url})

    def devtools(self, command, **values):
        return self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": values})

    def run(self, script, *values):
        """The value of a script's return (or of the promise that it returns)."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(values)})

    def find(self, selector):
        return self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        """A click, and the wait until the element has seen it: the driver answers before that on a busy machine."""
        self.run("""window.clickSeen = false;
            document.querySelector(arguments[0]).addEventListener('click', () => (window.clickSeen = true),
                                                                  {capture: true, once: true});""", selector)
        self._do("POST", f"/element/{self.find(selector)}/click", {})
        for _ in range(500):
            if self.run("return window.clickSeen"):
                return
            time.sleep(0.03)
        raise BrowserError(f"{selector} was never clicked")

    def type(self, selector, text):
        self._do("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def text(self, selector):
        return self._do("GET", f"/element/{self.find(selector)}/text")

    def name_and_role(self, selector):
        """As a screen reader is told them."""
        element = self.find(selector)
        return (self._do("GET", f"/element/{element}/computedlabel"),
                self._do("GET", f"/element/{element}/computedrole"))

    def shown(self, selector):
        return self.run("const e = document.querySelector(arguments[0]);"
                        "return e !== null && e.getClientRects().length > 0;", selector)

    def enabled(self, selector):
        return self.run("return !document.querySelector(arguments[0]).disabled", selector)

    def resize(self, width, height):
        self._do("POST", "/window/rect", {"width": width, "height": height})

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._do("GET", "/screenshot")))

    def complaints(self):
        """What the browser's console has as errors since the last call."""
        return [entry["message"] for entry in self._do("POST", "/se/log", {"type": "browser"})
                if entry["level"] == "SEVERE"]

    # ---------------------------------------------------------------------------------------------- waiting

    def wait(self, what, condition):
        """Until condition() is true; `what` names it when it never is."""
        end = time.monotonic() + WAIT
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {WAIT} s for {what}")
            time.sleep(0.03)

    def wait_text(self, selector, pattern):
        return self.wait(f"'{pattern}' in {selector}", lambda: re.search(pattern, self.run(
            "return document.querySelector(arguments[0]).textContent", selector)))

    def downloaded(self, name):
        """The bytes of a file that was downloaded, once it is whole; the file is then gone."""
        path = os.path.join(self.downloads, name)
        self.wait(f"download of {name}", lambda: os.path.exists(path) and not any(
            other.endswith(".crdownload") for other in os.listdir(self.downloads)))
        with open(path, "rb") as file:
            data = file.read()
        os.remove(path)
        return data

    # ---------------------------------------------------------------------------------------------- hands

    def keys(self, *names):
        """Presses keys one after the other; "Control+z" holds Control."""
        actions = []
        for name in names:
            held = name.split("+") if len(name) > 1 else [name]
            values = [KEYS.get(key, key) for key in held]
            actions += [{"type": "keyDown", "value": value} for value in values]
            actions += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def _point(self, actions, kind="mouse"):
        self._do("POST", "/actions", {"actions": [
            {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions}]})

    @staticmethod
    def _to(place, duration=0):
        return {"type": "pointerMove", "duration": duration, "x": round(place[0]), "y": round(place[1])}

    def hover(self, place):
        self._point([self._to(place)])

    def press(self, place):
        self._point([self._to(place), {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}])

    def drag(self, start, *places):
        """Down at start, through the places, up at the last one."""
        self._point([self._to(start), {"type": "pointerDown", "button": 0}] +
                    [self._to(place, 60) for place in places] + [{"type": "pointerUp", "button": 0}])

    def pinch(self, center, before, after):
        """Two fingers on a level line, `before` pixels apart, go `after` pixels apart."""
        def finger(name, sign):
            return {"type": "pointer", "id": name, "parameters": {"pointerType": "touch"}, "actions": [
                self._to((center[0] + sign * before / 2, center[1])), {"type": "pointerDown", "button": 0},
                self._to((center[0] + sign * after / 2, center[1]), 120), {"type": "pointerUp", "button": 0}]}
        self._do("POST", "/actions", {"actions": [finger("left", -1), finger("right", 1)]})

    def wheel(self, place, pixels):
        self._do("POST", "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [
            {"type": "scroll", "x": round(place[0]), "y": round(place[1]), "deltaX": 0, "deltaY": pixels}]}]})

    def middle(self, selector, across=0.5, down=0.5):
        """A place inside an element's box, in the window."""
        box = self.run("const b = document.querySelector(arguments[0]).getBoundingClientRect();"
                       "return [b.left, b.top, b.width, b.height];", selector)
        return box[0] + box[2] * across, box[1] + box[3] * down
