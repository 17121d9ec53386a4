"""A small backend that speaks the HTTP interface: jobs are moved by the test, frames are one flat colour.

As a script it is a local backend: handshake on stdout, ends with its stdin.
"""

import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "secret"


class FakeBackend:
    """colour: premultiplied, scene linear, or a function that gives it of a frame's query; alpha, depth: of every pixel
    of a frame; files: {path in a world: bytes}. frames: their queries as they come in; of two that are asked for at
    once either may be the first.

    may_answer: a submission (with the job as it was queued) and a cancellation are answered once this is set.
    breaks: count it up, and the streams of events break off.
    """

    def __init__(self):
        self.jobs, self.log, self.splats, self.frames, self.pictures, self.files = [], [], {}, [], {}, {}
        self.colour, self.alpha, self.depth = (0.5, 0.25, 0.125), 1.0, 3.0
        self.models = {"cache": "/models", "free_bytes": 80e9, "profiles": [], "checkpoints": []}
        self.frame_seconds, self.refuse, self.closed, self.breaks = 0.0, None, False, 0
        self.news, self.may_answer = threading.Condition(), threading.Event()
        self.may_answer.set()
        backend = self

        class Handler(_Handler):
            pass

        Handler.backend = backend
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.closed = True
        self.server.shutdown()
        self.server.server_close()

    def submit(self, kind, parameters):
        job = {"id": str(len(self.jobs) + 1), "kind": kind, "parameters": parameters, "state": "queued", "error": None}
        job |= {"created": time.time(), "started": None, "ended": None, "progress": None, "result": None}
        self.jobs.append(job)
        self.emit("state", job, job)
        return job

    def move(self, job, state, **more):
        job["state"] = state
        job.update(more)
        job["started" if state == "running" else "ended"] = time.time() if state != "queued" else None
        self.emit("state", job, job)

    def progress(self, job, **progress):
        defaults = {"stage": "panorama", "fraction": 0.0, "stage_fraction": 0.0, "message": "", "preview": False}
        job["progress"] = {**defaults, "elapsed": 1.0, "remaining": 2.0, **progress}
        self.emit("progress", job, job["progress"])

    def emit(self, event, job, data):
        with self.news:
            self.log.append((event, {**data, "job": job["id"]}))
            self.news.notify_all()


class _Handler(BaseHTTPRequestHandler):
    backend: FakeBackend
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.answer(401, {"error": "no token"})
        return False

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def job(self):
        return next(job for job in self.backend.jobs if job["id"] == self.path.split("/")[2])

    def do_GET(self):
        if not self.allowed():
            return
        backend = self.backend
        if self.path == "/health":
            worker = {"state": "ready", "pid": os.getpid(), "device": "cpu"}
            health = {"name": "skyworld", "version": "0.1.0", "pid": os.getpid(), "worker": worker}
            self.answer(200, {**health, "events": len(backend.log)})
        elif self.path == "/jobs":
            self.answer(200, backend.jobs[::-1])
        elif self.path == "/models":
            self.answer(200, backend.models)
        elif self.path.startswith("/events"):
            self.stream(int(self.path.partition("after=")[2]))
        elif self.path.startswith("/worlds/file?"):
            file = backend.files.get(parse_qs(urlsplit(self.path).query)["path"][0])
            self.answer(200 if file else 404, file or {"error": "no such file"}, "application/octet-stream")
        elif self.path.endswith("/preview"):
            picture = backend.pictures.get(self.path.split("/")[2])
            self.answer(200 if picture else 404, picture or b"{}", "image/png")
        else:
            self.answer(404, {"error": "nothing here"})

    def stream(self, after):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        breaks = self.backend.breaks
        while not self.backend.closed:
            with self.backend.news:
                if len(self.backend.log) <= after:
                    self.backend.news.wait(0.1)
                if self.backend.breaks > breaks:
                    self.close_connection = True
                    return
                new = list(enumerate(self.backend.log, 1))[after:]
            try:
                self.wfile.write(b": ping\n\n")
                for number, (event, data) in new:
                    self.wfile.write(f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode())
            except OSError:
                return
            after += len(new)

    def do_POST(self):
        body = self.body()
        if not self.allowed():
            return
        backend = self.backend
        if self.path == "/jobs":
            wish = json.loads(body)
            if backend.refuse:
                self.answer(422, {"error": backend.refuse, "field": "fov"})
            else:
                job = dict(backend.submit(wish["kind"], wish["parameters"]))
                backend.may_answer.wait(10)
                self.answer(201, job)
        elif self.path.endswith("/cancel"):
            backend.may_answer.wait(10)
            self.answer(200, self.job())
        elif self.path.endswith("/retry"):
            backend.move(self.job(), "queued", error=None)
            self.answer(200, self.job())
        elif self.path == "/frames":
            self.frame(json.loads(body))

    def frame(self, query):
        import numpy as np

        backend = self.backend
        meshes = [view["occluders"] for view in query["views"] if view["occluders"]]
        missing = [digest for digest in [*query["splats"], *meshes] if digest not in backend.splats]
        if missing:
            self.answer(409, {"missing": missing})
            return
        time.sleep(backend.frame_seconds)
        backend.frames.append(query)
        camera = query["views"][0]["camera"]
        shape = camera["height"], camera["width"]
        own = backend.colour(query) if callable(backend.colour) else backend.colour
        colour, alpha = np.array(own), backend.alpha
        if query["background"] is not None:
            colour, alpha = colour + (1 - alpha) * np.array(query["background"]), 1.0
        pixels = {"combined": [*colour, alpha], "front": [0, 0, 0, 0], "back": [*own, backend.alpha]}
        pixels["depth"] = [backend.depth]
        pictures = [np.tile(np.array(pixels[name], "<f4"), (*shape, 1)) for name in query["layers"]]
        for picture in pictures:  # the top row is black: a picture upside down would show
            picture[-1, :, :3] = backend.depth if picture.shape[-1] == 1 else 0
        data = b"".join(picture.tobytes() for picture in pictures)
        self.answer(200, data, "application/octet-stream", X_Width=shape[1], X_Height=shape[0])

    def do_HEAD(self):
        self.answer(204 if self.path.rpartition("/")[2] in self.backend.splats else 404)

    def do_PUT(self):
        body = self.body()
        digest = self.path.rpartition("/")[2]
        if self.allowed():
            assert hashlib.sha256(body).hexdigest() == digest
            self.backend.splats[digest] = body
            self.answer(200, {})


if __name__ == "__main__":
    backend = FakeBackend()
    print(json.dumps({"url": backend.url, "token": TOKEN, "version": "0.1.0", "pid": os.getpid()}), flush=True)
    sys.stdin.read()
