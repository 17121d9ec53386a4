"""HTTP to the backend: requests, events and frames. Called from threads, or blocking in a render."""

import hashlib
import http.client
import json
import threading
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


@dataclass(frozen=True)
class Frame:
    """colour [H, W, 3] premultiplied, sRGB-encoded; alpha [H, W]; depth [H, W] camera z in metres, 0 = nothing.

    Row 0 is the top. seconds: the backend's own time.  how: how it drew, in a few words ("in one pass").
    """

    colour: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    seconds: float
    how: str = ""


@dataclass(frozen=True)
class Client:
    url: str
    token: str

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
        """Yields (sequence, event, data) of all jobs until the Event `stop` is set; None at each heartbeat."""
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
                    yield int(fields.get("id") or 0), fields.get("event", "message"), json.loads(fields["data"])
                    fields = {}
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def frame(self, splats, camera, *, cancelled=lambda: False):
        """Renders one `Frame`, or None when `cancelled` says so.

        splats: list of (digest, matrix [4, 4] object to world, make_bytes); make_bytes() gives the PLY of
        the digest and is only called when the backend does not have it. camera: Camera as JSON.
        """
        query = {
            "splats": [{"digest": digest, "matrix": np.ravel(matrix).tolist()} for digest, matrix, _ in splats],
            "camera": camera,
            "background": None,
        }
        source = {digest: make_bytes for digest, _, make_bytes in splats}
        for _ in range(3):  # a small cache may push one upload out while the next arrives
            answer = self._patiently(cancelled, "POST", "/frames", query)
            if answer is None:
                return None
            status, headers, data = answer
            if status == 200:
                return _frame(headers, data)
            document = _json(data)
            if status != 409:
                raise _refusal(document, "The backend could not render the frame (HTTP {status})", status=status)
            for digest in document["missing"]:
                sent = self._patiently(cancelled, "PUT", f"/splats/{quote(digest)}", source[digest]())
                if sent is None:
                    return None
                if sent[0] >= 400:
                    problem = "The backend refuses the splats (HTTP {status})"
                    raise _refusal(_json(sent[2]), problem, status=sent[0])
        raise UserError(
            "The backend's cache is too small for the splats of this scene", hint="Hide some from the render"
        )

    def _patiently(self, cancelled, *request):
        """`call` in a thread, so that a cancelled render need not wait for its answer."""
        outcome = []

        def work():
            try:
                outcome.append(self.call(*request, timeout=FRAME_SECONDS))
            except UserError as error:
                outcome.append(error)

        thread = threading.Thread(target=work, name="SkyWorld frame", daemon=True)
        thread.start()
        while thread.is_alive():
            if cancelled():
                return None
            thread.join(POLL_SECONDS)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _connection(self, timeout):
        address = urlsplit(self.url if "//" in self.url else f"http://{self.url}")
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


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def _frame(headers, data):
    width, height = int(headers["X-Width"]), int(headers["X-Height"])
    values = np.frombuffer(data, "<f4")
    if values.size != width * height * 5:
        raise UserError(
            "The backend sent a frame of a wrong size", hint="Update the backend: its version differs from the add-on's"
        )
    values = values.reshape(height, width, 5)
    seconds, how = float(headers.get("X-Seconds") or 0), headers.get("X-How") or ""
    return Frame(values[..., :3], values[..., 3], values[..., 4], seconds, how)


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
