"""Opens `follow.html` in Chromium and prints what the page tells: browser.py TASK.

The page comes from a port of its own, so to the gateway it is a foreign
origin. The program ends when the page has seen the end of the task and read
its result, or has given up.
"""

import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

PAGE = pathlib.Path(__file__).parents[1] / "browser" / "follow.html"
CHROMIUM = [
    os.environ["TASKGATE_TEST_BROWSER"],
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # Chromium talks to nobody but the page's server and the gateway.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
]
ended = threading.Event()


class Site(http.server.BaseHTTPRequestHandler):
    """Serves the page, and takes what it tells."""

    def do_GET(self):
        if not self.path.startswith("/?"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.read_bytes())

    def do_POST(self):
        line = self.rfile.read(int(self.headers["Content-Length"])).decode()
        # Printed before it is answered, for with the answer comes the next.
        print(line)
        self.send_response(204)
        self.end_headers()
        if line == "closed" or line.startswith("read "):
            ended.set()

    def log_message(self, *_):
        pass


def main():
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    wish = {
        "gateway": os.environ["TASKGATE_URL"],
        "key": os.environ["TASKGATE_API_KEY"],
        "task": sys.argv[1],
    }
    url = f"http://localhost:{site.server_port}/?{urllib.parse.urlencode(wish)}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [*CHROMIUM, f"--user-data-dir={profile}", url]
        browser = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        ended.wait()
        browser.terminate()
        browser.wait()


main()
