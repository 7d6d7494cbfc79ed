"""Headless Chromium through WebDriver, for scripts/check-browser and scripts/check-dashboard.

Only what they need of the protocol (https://www.w3.org/TR/webdriver2/), over Python's own HTTP client.
"""
import base64, json, os, shutil, socket, subprocess, time, urllib.error, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE_S = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the W3C WebDriver element identifier


def ensure_browser():
    """Installs Chromium and its driver from the distribution's packages if they are missing."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        helper = '. php-src-pin/lib.sh && ensure_packages chromium chromium-driver'
        subprocess.run(["bash", "-c", helper], cwd=ROOT, check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port} after {DEADLINE_S} s")


def until(seconds, what, probe):
    """Polls until the probe gives something that is true, and gives that."""
    end, last = time.monotonic() + seconds, None
    while True:
        try:
            last = probe()
            if last:
                return last
        except AssertionError as error:
            last = error
        assert time.monotonic() < end, f"{what}: not within {seconds} s; last: {last!r}"
        time.sleep(0.05)


def stop(processes):
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


class Browser:
    """One browser window."""

    def __init__(self, port, profile, size="1000,900"):
        self.base = f"http://127.0.0.1:{port}"
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     # A name that somebody else owns and has pointed to this machine.
                     "--host-resolver-rules=MAP rebound.example 127.0.0.1",
                     f"--user-data-dir={profile}", f"--window-size={size}"]
        options = {"args": arguments, "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"].splitlines()[0]) from None

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def find(self, css):
        return self.call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def text(self, css="body"):
        return self.call("GET", f"/element/{self.find(css)}/text")

    def type(self, css, text):
        self.call("POST", f"/element/{self.find(css)}/value", {"text": text})

    def click(self, css):
        self.call("POST", f"/element/{self.find(css)}/click", {})

    def run(self, script, *arguments):
        """The value of a script's return statement."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def command(self, name, **parameters):
        """A command of Chromium's own protocol (size of the screen, preferred colours)."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def complaints(self):
        """What the console has said at level error since it was asked last, refusals of the content policy among it."""
        entries = self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def quit(self):
        self.call("DELETE", "")
