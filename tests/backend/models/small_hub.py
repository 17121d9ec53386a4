"""A hub on this computer: the listing of a repository and its files, with ranges, breaks and refusals."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class SmallHub:
    """repositories: {hub id: folder}. gated: ids that want a token. broken: {file: bytes after which it breaks once}.

    swapped: {file: bytes sent in its place}. answer_ranges: else every answer begins at the beginning.
    asked: (path, Range or "", Authorization or "") of every request.
    """

    def __init__(self):
        self.answer_ranges = True
        self.repositories, self.gated, self.broken, self.swapped, self.asked = {}, set(), {}, {}, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler):
        authorization = request.headers.get("Authorization", "")
        self.asked.append((request.path, request.headers.get("Range", ""), authorization))
        parts = request.path.split("?")[0].strip("/").split("/")
        listing = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if listing else parts[:2])
        if name not in self.repositories:
            return self.refuse(request, 401, "RepoNotFound")
        if not listing and name in self.gated and not authorization:
            return self.refuse(request, 401, "GatedRepo")
        if listing:
            return self.send(request, 200, json.dumps(self.listing(name)).encode())
        file = "/".join(parts[4:])
        data = self.swapped.get(file) or (self.repositories[name] / file).read_bytes()
        wanted = request.headers.get("Range") if self.answer_ranges else None
        start = int((wanted or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        stop = self.broken.pop(file, None)
        return self.send(request, 206 if start else 200, data[start:], stop)

    def listing(self, name: str) -> dict:
        folder = self.repositories[name]
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        return {
            "sha": COMMIT,
            "gated": "manual" if name in self.gated else False,
            "cardData": {"license": "apache-2.0"},
            "siblings": [entry(file, file.relative_to(folder).as_posix()) for file in files],
        }

    def send(self, request, status, data, stop=None):
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:stop])

    def refuse(self, request, status, code):
        request.send_response(status)
        request.send_header("X-Error-Code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()


def entry(file: Path, name: str) -> dict:
    """As the hub lists a file: large ones by SHA-256, the others by git's name for them."""
    data = file.read_bytes()
    found = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
    if file.suffix in (".safetensors", ".bin", ".pt"):
        found["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return found
