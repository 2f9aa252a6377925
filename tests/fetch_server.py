"""A web server with bad habits for test_fetch.sh: fetch_server.py FOLDER LOG serves FOLDER on 127.0.0.1.

It prints the port that the system gave it, and appends "PATH RANGE" to LOG for every request.

The first part of the path is the behaviour, the rest a file of FOLDER:
  /good/F      the file, with Range       /norange/F   the file, Range ignored        /redirect/F   302 to /good/F
  /cut/F       half of what was asked for, then the connection is closed; with Range  /cutplain/F   the same, no Range
  /corrupt/F   one byte changed, with Range                                           /slow/F       first half, then silence
  /missing/F   404                        /junk/F      a web page with status 200             /hang/F   silence
"""
import http.server
import os
import re
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, name = self.path.lstrip("/").partition("/")
        path = os.path.join(sys.argv[1], name)
        if kind == "hang":
            time.sleep(60)
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
        self.wfile.write(rest[: len(rest) // 2] if kind in ("cut", "cutplain", "slow") and len(rest) > 1 else rest)
        self.wfile.flush()
        if kind == "slow":
            time.sleep(60)

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
