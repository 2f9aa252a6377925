"""A web server with bad habits for test_fetch.sh: fetch_server.py FOLDER LOG serves FOLDER on 127.0.0.1.

It prints the port that the system gave it, and appends "PATH RANGE" to LOG for every request.

The first part of the path is the behaviour, the rest a file of FOLDER:
  /good/F      the file, with Range
  /norange/F   the file, Range ignored
  /redirect/F  302 to /good/F
  /cut/F       half of what was asked for (above 4000 bytes), then the connection is closed; with Range
  /cutplain/F  half of the file, then the connection is closed; Range ignored
  /slow/F      half of what was asked for, then silence
  /hang/F      silence
  /corrupt/F   one byte changed, with Range
  /junk/F      a web page with status 200
  /missing/F   404
"""
import http.server
import os
import re
import sys
import time

SILENCE = 600  # seconds: far longer than any client should wait, even on a busy machine


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, name = self.path.lstrip("/").partition("/")
        path = os.path.join(sys.argv[1], name)
        if kind == "hang":
            time.sleep(SILENCE)
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "/good/" + name)
            self.end_headers()
            return
        if kind == "missing" or not os.path.isfile(path):
            self.send_error(404)
            return
        with open(path, "rb") as file:
            body = bytearray(file.read())
        if kind == "junk":
            body = b"<html>Please log in to this network.</html>"
        if kind == "corrupt":
            body[len(body) // 2] ^= 1
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        start = int(asked.group(1)) if asked and kind not in ("norange", "cutplain", "junk") else 0
        if start and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(body) - 1, len(body)))
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = bytes(body[start:])
        shortened = kind in ("cutplain", "slow") or (kind == "cut" and len(rest) > 4000)
        self.wfile.write(rest[: len(rest) // 2] if shortened else rest)
        self.wfile.flush()
        if kind == "slow":
            time.sleep(SILENCE)

    def log_request(self, code="-", size="-"):
        with open(sys.argv[2], "a") as log:
            log.write("%s %s\n" % (self.path, self.headers.get("Range", "whole")))

    def log_message(self, form, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
