"""HTTP to the backend: requests, events and frames. Called from threads, or blocking in a render."""

import contextlib
import hashlib
import http.client
import json
import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

import numpy as np

from ..errors import UserError

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 30.0
HEARTBEAT_SECONDS = 10.0  # the backend sends a sign of life every 2 s
FRAME_SECONDS = 1800.0  # one frame of a big world on a slow CPU
POLL_SECONDS = 0.1


class UnreachableError(UserError):
    """The backend does not answer at all."""


CHANNELS = {"combined": 4, "front": 4, "back": 4, "depth": 1}


@dataclass(frozen=True)
class Frame:
    """layers: name -> [H, W, 4] premultiplied and scene linear, or depth [H, W, 1] in metres, 0 = nothing.

    Row 0 is the bottom, as Blender has it. seconds: the backend's own time.  how: how it drew, in a few words ("in one
    pass").
    """

    layers: dict
    seconds: float
    how: str = ""


@dataclass(frozen=True)
class Client:
    url: str
    token: str

    @property
    def is_near(self):
        """Whether it seems to run on this computer; a tunnel to another one looks the same."""
        return self._address().hostname in ("127.0.0.1", "localhost", "::1")

    def call(self, method, path, body=None, *, timeout=REPLY_SECONDS):
        """(status, headers, bytes) of one request; a dict or list as body goes out as JSON."""
        connection = self._connection(timeout)
        headers = {"Authorization": f"Bearer {self.token}"}
        if isinstance(body, dict | list):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def ask(self, method, path, body=None, *, timeout=REPLY_SECONDS):
        """The JSON of a good reply; a refusal becomes a UserError with the backend's own sentence."""
        status, _, data = self.call(method, path, body, timeout=timeout)
        try:
            answer = json.loads(data) if data else {}
        except ValueError as error:
            problem = "{url} answers, but is no SkyWorld backend"
            raise UserError(problem, hint="Check the URL", fix="preferences", url=self.url) from error
        if status < 400:
            return answer
        if status in (401, 403):
            problem = "The backend at {url} refuses the token"
            raise UserError(problem, hint="Copy its token into the preferences", fix="preferences", url=self.url)
        raise _refusal(
            answer, "The backend refuses {request} (HTTP {status})", request=f"{method} {path}", status=status
        )

    def file(self, world, path):
        """Bytes of a file inside a world folder on the backend's machine."""
        status, _, data = self.call("GET", f"/worlds/file?{urlencode({'world': str(world), 'path': path})}")
        if status != 200:
            raise _refusal(_json(data), "{file}: the backend cannot give this file", file=f"{world}/{path}")
        return data

    def events(self, after, stop):
        """Yields (event, data) of what all jobs say behind the `after`th event, None at each heartbeat, until the Event
        `stop` is set."""
        connection = self._connection(HEARTBEAT_SECONDS)
        try:
            connection.request("GET", f"/events?after={after}", headers={"Authorization": f"Bearer {self.token}"})
            reply = connection.getresponse()
            if reply.status != 200:
                problem = "The backend at {url} does not stream events (HTTP {status})"
                raise UserError(problem, fix="restart", url=self.url, status=reply.status)
            fields = {}
            while not stop.is_set():
                line = reply.readline()
                if not line:
                    return
                line = line.decode().rstrip("\r\n")
                if line.startswith(":"):
                    yield None
                elif line:
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value
                elif "data" in fields:
                    yield fields.get("event", "message"), json.loads(fields["data"])
                    fields = {}
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def begin_frame(self, query, meshes=None):
        """A `PendingFrame`: the backend draws while the caller does something else.

        query: the body of POST /frames: splats (digests), views, layers, background. meshes: digest -> bytes, which go
        over without asking the caller again.
        """
        return PendingFrame(self, query, meshes or {})

    def supply(self, sources, cancelled=lambda: False):
        """Sends what of the sources, digest -> function that gives the bytes, the backend has not got; False if
        `cancelled`."""
        for digest, source in sources.items():
            path, sent = f"/splats/{quote(digest)}", True
            if callable(source) and self.call("HEAD", path)[0] == 404:
                sent = Request(self, "PUT", path, source()).wait(cancelled)
            if not sent:
                return False
        return True

    def _address(self):
        return urlsplit(self.url if "//" in self.url else f"http://{self.url}")

    def _connection(self, timeout):
        address = self._address()
        if address.scheme not in ("http", "https") or not address.hostname:
            hint = "Write it like http://127.0.0.1:8188"
            raise UserError("{url!r} is no address of a backend", hint=hint, fix="preferences", url=self.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.hostname, address.port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
        except OSError as error:
            raise self._unreachable(error) from error
        connection.sock.settimeout(timeout)
        return connection

    def _unreachable(self, error):
        problem = "The backend at {url} does not answer ({reason})"
        return UnreachableError(problem, hint="Press Restart", fix="restart", url=self.url, reason=error)


class Request:
    """A request that waits for its answer in a thread, so that a cancelled render need not."""

    def __init__(self, client, *request, meshes=None):
        self._outcome = []
        arguments = (client, request, meshes or {})
        self._thread = threading.Thread(target=self._work, args=arguments, name="SkyWorld frame", daemon=True)
        self._thread.start()

    def _work(self, client, request, meshes):
        try:
            answer = client.call(*request, timeout=FRAME_SECONDS)
            missing = set(_json(answer[2])["missing"]) if answer[0] == 409 else set()
            if missing and missing <= meshes.keys():
                for digest in missing:
                    client.call("PUT", f"/splats/{quote(digest)}", meshes[digest], timeout=FRAME_SECONDS)
                answer = client.call(*request, timeout=FRAME_SECONDS)
            self._outcome.append(answer)
        except UserError as error:
            self._outcome.append(error)

    def wait(self, cancelled=lambda: False):
        """(status, headers, bytes), or None when `cancelled` says so."""
        while self._thread.is_alive():
            if cancelled():
                return None
            self._thread.join(POLL_SECONDS)
        if isinstance(self._outcome[0], Exception):
            raise self._outcome[0]
        return self._outcome[0]


class PendingFrame:
    """A frame that is asked for.

    It comes in a file that is made here, where the backend runs on this computer and finds that file; else as the body
    of the answer.
    """

    def __init__(self, client, query, meshes):
        self.client, self.meshes = client, meshes
        self.query, self.file = query, None
        if client.is_near:
            handle, self.file = tempfile.mkstemp(prefix="skyworld_frame_")
            os.close(handle)
            weakref.finalize(self, _forget, self.file)
            self.query = {**query, "output": self.file}
        self._request = Request(client, "POST", "/frames", self.query, meshes=meshes)

    def result(self, sources, cancelled=lambda: False):
        """The `Frame`, or None when `cancelled` says so.

        sources: digest -> its bytes, or a function that gives them and is called, here, where the backend has not got
        them.
        """
        for _ in range(3):  # a small cache may push one upload out while the next arrives
            answer = self._request.wait(cancelled)
            if answer is None:
                return None
            status, headers, data = answer
            if status == 200:
                values = self._drawn() if headers.get("X-Delivered") == "file" else np.frombuffer(data, "<f4")
                return _frame(headers, values, self.query["layers"])
            document = _json(data)
            if status != 409:
                raise _refusal(document, "The backend could not render the frame (HTTP {status})", status=status)
            for digest in document["missing"]:
                source = sources.get(digest)
                if source is None:
                    hint = "Render the frame again"
                    raise UserError("The backend has lost the splats while Cycles drew the objects", hint=hint)
                body = source() if callable(source) else source
                sent = Request(self.client, "PUT", f"/splats/{quote(digest)}", body).wait(cancelled)
                if sent is None:
                    return None
                if sent[0] >= 400:
                    problem = "The backend refuses the splats (HTTP {status})"
                    raise _refusal(_json(sent[2]), problem, status=sent[0])
            self._request = Request(self.client, "POST", "/frames", self.query, meshes=self.meshes)
        raise UserError(
            "The backend's cache is too small for the splats of this scene", hint="Hide some from the render"
        )

    def _drawn(self):
        """The values in the file, which goes with the last that looks at them; Windows keeps no file that has gone."""
        values = np.fromfile(self.file, "<f4") if os.name == "nt" else np.memmap(self.file, "<f4", "r")
        _forget(self.file)
        return values


def _forget(file):
    with contextlib.suppress(OSError):  # it has gone already, or the backend still writes it
        os.unlink(file)


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def _frame(headers, values, names):
    """values: float32 of the layers `names`, one behind the other."""
    width, height = int(headers["X-Width"]), int(headers["X-Height"])
    layers = {}
    if values.size != width * height * sum(CHANNELS[name] for name in names):
        raise UserError(
            "The backend sent a frame of a wrong size", hint="Update the backend: its version differs from the add-on's"
        )
    for name in names:
        layer, values = np.split(values, [width * height * CHANNELS[name]])
        layers[name] = layer.reshape(height, width, CHANNELS[name])
    return Frame(layers, float(headers.get("X-Seconds") or 0), headers.get("X-How") or "")


def _json(data):
    try:
        return json.loads(data)
    except ValueError:
        return {}


def _refusal(answer, otherwise, **values):
    """The backend's own sentence as a UserError, with what mends it; where it says none, `otherwise`."""
    answer = answer if isinstance(answer, dict) else {}
    sentence = answer.get("error") or answer.get("detail")
    return UserError(sentence, fix=answer.get("fix") or "") if sentence else UserError(otherwise, **values)
