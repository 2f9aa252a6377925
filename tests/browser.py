"""browser.py: drives a headless Chromium through its pipe, with Python's standard library alone.

    with Browser(width=900) as page:
        page.open("file:///…/page.html")
        page.wait("window.ready")            # until the expression is true
        page.run("document.title")           # the value of an expression
        page.picture("page.png")
        page.complaints                      # console errors, exceptions, requests that left the page's own file
"""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find():
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    def __init__(self, width=1200, height=900, dark=False, mobile=False):
        self.size = (width, height, mobile)
        self.dark = dark
        self.complaints = []
        self.last = 0
        self.patience = 300

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        to_browser, self.to = os.pipe()
        self.back, from_browser = os.pipe()

        def wire():  # the browser reads 3 and writes 4
            os.setsid()
            a, b = os.dup(to_browser), os.dup(from_browser)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-background-networking", "--disable-background-timer-throttling",
             "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding", "--disable-extensions", "--remote-debugging-pipe",
             "--user-data-dir=" + self.folder, "about:blank"],
            preexec_fn=wire, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest = b""
        self.session = None
        page = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.call("Page.bringToFront")
        self.resize(*self.size)
        if self.dark:
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.to)
        os.close(self.back)
        shutil.rmtree(self.folder, ignore_errors=True)

    def resize(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def message(self):
        while b"\0" not in self.rest:
            if not select.select([self.back], [], [], self.patience)[0]:
                raise RuntimeError(f"the browser has said nothing for {self.patience} s")
            more = os.read(self.back, 1 << 20)
            if not more:
                raise RuntimeError("the browser has gone")
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.last += 1
        sent = {"id": self.last, "method": method, "params": params}
        if self.session:
            sent["sessionId"] = self.session
        data = json.dumps(sent).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            got = self.message()
            if got.get("id") == self.last:
                if "error" in got:
                    raise RuntimeError(method + ": " + got["error"]["message"])
                return got["result"]
            self.note(got)

    def note(self, event):
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        if event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + str([a.get("value", a.get("description")) for a in params["args"]]))
        if event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append("log: " + params["entry"]["text"])
        if event.get("method") == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("data:", "blob:", "about:")) and url.split("#")[0] != self.url:
                self.complaints.append("request: " + url)

    def open(self, url):
        self.url = url.split("#")[0]
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, expression):
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise RuntimeError(expression + ": " + json.dumps(got["exceptionDetails"])[:500])
        return got["result"].get("value")

    def wait(self, expression, seconds=120):
        """True once the expression is true (an element is not); False when that takes longer."""
        end = time.time() + seconds
        while time.time() < end:
            if self.run(f"!!({expression})"):
                return True
            time.sleep(0.05)
        return False

    def picture(self, path, whole=True):
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"captureBeyondViewport": True,
                    "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"]))

    # Texts that stick out of the page, are cut off by a box that hides what overflows, or lie on one another.
    OVERLAPS = r"""(() => {
        const found = [], boxes = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const wide = document.documentElement.clientWidth;
        for (let node; (node = walker.nextNode());) {
            const parent = node.parentElement, word = node.textContent.trim();
            if (!word || parent.closest("script, style, select, option, [hidden]") || !parent.checkVisibility({visibilityProperty: true})) continue;
            const range = document.createRange();
            range.selectNodeContents(node);
            for (const box of range.getClientRects()) {
                if (box.width < 1 || box.height < 1) continue;
                let scrolls = false;
                for (let up = parent; up && up !== document.body; up = up.parentElement) {
                    const style = getComputedStyle(up);
                    if (/auto|scroll/.test(style.overflowX)) scrolls = true;
                    if (style.position === "sticky" || style.position === "fixed") scrolls = true;
                    if (up.tagName !== "svg" && style.overflow !== "hidden" && style.overflowX !== "hidden") continue;
                    const clip = up.getBoundingClientRect();
                    if (box.left < clip.left - 1 || box.right > clip.right + 1 || box.top < clip.top - 2 || box.bottom > clip.bottom + 2)
                        found.push("cut: " + word.slice(0, 40));
                }
                if (scrolls) continue;
                if (box.left < -0.5 || box.right > wide + 0.5) found.push("outside: " + word.slice(0, 40));
                boxes.push([box, word, parent]);
            }
        }
        for (let i = 0; i < boxes.length; i++)
            for (let k = i + 1; k < boxes.length; k++) {
                const [a, one, p] = boxes[i], [b, two, q] = boxes[k];
                const x = Math.min(a.right, b.right) - Math.max(a.left, b.left), y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                const flows = p === q || p.contains(q) || q.contains(p) || p.parentElement === q.parentElement && !p.ownerSVGElement;
                if (x > 1 && y > (flows ? 8 : 3)) found.push("overlap: " + one.slice(0, 30) + " / " + two.slice(0, 30));
            }
        if (document.documentElement.scrollWidth > wide) found.push("the page is wider than its window: " + document.documentElement.scrollWidth);
        return found;
    })()"""

    # Texts whose colour stands out too little from what is behind them: WCAG 2's contrast, 4.5 and 3 for large ones.
    PALE = r"""(() => {
        const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const numbers = text => (text.match(/[\d.]+/g) || []).map(Number), found = new Set();
        for (const e of document.querySelectorAll("body *")) {
            if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.closest("script, style, option, [hidden]")) continue;
            if (!e.checkVisibility()) continue;
            const style = getComputedStyle(e), ink = numbers(e.ownerSVGElement ? style.fill : style.color);
            let back = [255, 255, 255];
            for (let up = e; up; up = up.parentElement) {
                const c = numbers(getComputedStyle(up).backgroundColor);
                if (c.length === 3 || c[3] > 0.5) { back = c.slice(0, 3); break; }
            }
            const a = light(ink.slice(0, 3)), b = light(back), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.6 && style.fontWeight >= 700;
            if (ratio < (large ? 3 : 4.5)) found.add(`${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 30)}`);
        }
        return [...found].slice(0, 6).join("; ");
    })()"""
