"""The backend's jobs as Blender sees them, and the pump that carries news from threads to the main thread.

Threads only talk HTTP and put (generation, function, arguments) into a queue; `Session.pump`, called by
one timer (or by a test), runs them on the main thread within a time budget. A reply of an older
connection has another generation and is dropped. The session belongs to the Blender process, not to a
file: it is there unchanged after another file is opened.
"""

import contextlib
import itertools
import queue
import tempfile
import threading
import time
from pathlib import Path

import bpy

from . import errors, preferences
from .connection.client import CONNECT_SECONDS, Client, UnreachableError
from .connection.process import START_SECONDS, LocalBackend
from .errors import UserError
from .scene.world import ENGINE

BUDGET = 0.02  # seconds of the main thread a tick
BUSY_TICK, IDLE_TICK = 0.1, 0.5
RETRY_SECONDS = 1.0
POLL_SECONDS = 0.1
DEATH_SECONDS = 2.0  # from a closed connection until its process has ended
GIVE_UP_SECONDS = 12.0  # a backend that is silent for so long is lost
PREVIEW_SECONDS = 1.5
ENDED = ("done", "failed", "cancelled")
GENERATIONS = itertools.count()


class Session:
    """state: "off", "starting", "on" or "lost"; error: one sentence for the panel or "", and what mends it (fix).

    place: what led to the error, the id of an operator or the kind of a job: the panel with its button shows it.

    jobs: {id: Job of the HTTP interface}, newest last; cancelling: ids whose end has been asked for;
    own: ids submitted from here; preview: {id: path of a picture}.
    """

    def __init__(self):
        self.state, self.error, self.fix, self.place, self.health = "off", "", "", "", {}
        self.jobs, self.cancelling, self.own, self.previews = {}, set(), set(), {}
        self.client = self.process = self.installer = None
        self.on_done = []  # called with the Job of each own job that is done
        self.on_change = []  # called after a pump that changed something
        self._queue, self._generation = queue.SimpleQueue(), next(GENERATIONS)
        self._stop, self._waiting = threading.Event(), []
        self._fetching, self._fetched_at, self._changed = set(), {}, False

    # ------------------------------------------------------------------ connection, main thread

    def connect(self, place=None):
        """Starts or attaches to the backend as the preferences say; comes back at once. place: None keeps the last."""
        self.disconnect(place)
        try:
            if preferences.get().backend == "REMOTE":
                client = _remote_client()
                self._listen(lambda: client)
            else:
                self.process = process = LocalBackend(
                    preferences.backend_python(), preferences.log("backend"), preferences.models_folder()
                )
                self._listen(lambda: _client_of(process))
        except UserError as error:
            self.state = "lost"
            self.tell(error, place)
            raise

    def disconnect(self, place=None):
        """Lets go of the backend; a local one ends. Its jobs that have not ended stop where they are."""
        self._generation = next(GENERATIONS)
        self._stop.set()
        process, self.process, self.client = self.process, None, None
        if process:
            threading.Thread(target=process.stop, name="SkyWorld backend stop").start()
        self.state, self.health, self._waiting = "off", {}, []
        self.tell(None, place)
        self.cancelling.clear()

    def ready_client(self, cancelled=lambda: False):
        """The client, waited for if a local backend is starting; for renders, which may block. None if `cancelled`."""
        if self.state in ("off", "lost") or (self.process and self.process.has_died()):
            self.connect(ENGINE)
        process = self.process
        if self.client or process is None:
            return self.client or _remote_client()
        while not process.started.wait(POLL_SECONDS):
            if cancelled():
                return None
        return _client_of(process)

    def client_after(self, error, cancelled=lambda: False):
        """A client of a new backend, where the one that was started from here has died and left `error` (an
        UnreachableError) behind; for renders. Raises the error where the backend lives or belongs to somebody else."""
        if self.process is None or not self.process.has_died(DEATH_SECONDS):
            raise error
        return self.ready_client(cancelled)

    # ------------------------------------------------------------------ jobs, main thread

    def submit(self, kind, parameters):
        """Queues a job; where the backend is not running it is started first."""
        self.tell(None, kind)
        if self.state in ("off", "lost"):
            self.connect()
        if self.state != "on":
            self._waiting.append((kind, parameters))
            return
        self._ask(kind, self._submitted, "POST", "/jobs", {"kind": kind, "parameters": parameters})

    def cancel(self, job_id):
        self.cancelling.add(job_id)
        self._ask(self._kind(job_id), _heard_by_event, "POST", f"/jobs/{job_id}/cancel")

    def retry(self, job_id):
        kind = self._kind(job_id)
        self.tell(None, kind)
        self.own.add(job_id)
        self._ask(kind, _heard_by_event, "POST", f"/jobs/{job_id}/retry")

    def active(self):
        """The job that is shown large: the one running, else the newest in the queue; or None, as without a backend."""
        if self.state in ("off", "lost"):
            return None
        alive = [job for job in self.jobs.values() if job["state"] not in ENDED]
        running = [job for job in alive if job["state"] == "running"]
        return (running or alive or [None])[-1]

    def tell(self, error, place=None):
        """Keeps a UserError for the panel of that place, None: of the last one. No error: all is well again."""
        self.error, self.fix = (str(error), error.fix) if error else ("", "")
        self.place = self.place if place is None else place
        self._changed = True

    def _kind(self, job_id):
        return self.jobs.get(job_id, {}).get("kind")

    def last_failure(self):
        """The last job, if it came to a bad end and nothing runs; or None."""
        last = next(reversed(self.jobs.values()), None)
        return last if last and last["state"] in ("failed", "cancelled") and not self.active() else None

    def waiting(self):
        """Whether a job waits for the backend to come up."""
        return bool(self._waiting)

    def busy(self):
        installing = self.installer is not None and self.installer.state == "running"
        return self.state == "starting" or self.active() is not None or installing

    def background(self, work, then, place=None):
        """Runs work() in a thread and then(result) on the main thread; a UserError becomes red in the place's panel."""
        arguments = (self._generation, work, then, place)
        threading.Thread(target=self._work, args=arguments, name="SkyWorld", daemon=True).start()

    # ------------------------------------------------------------------ pump

    def pump(self, budget=BUDGET):
        """Runs what threads have queued until `budget` seconds are spent; True if anything changed."""
        end = time.monotonic() + budget
        while time.monotonic() < end:
            try:
                generation, function, arguments = self._queue.get_nowait()
            except queue.Empty:
                break
            if generation == self._generation:
                with _windowed():
                    function(*arguments)
                self._changed = True
        self._check_process()
        self._fetch_preview()
        changed, self._changed = self._changed, False
        if changed or self.busy():
            for listener in self.on_change:
                listener()
        return changed

    def _check_process(self):
        if (
            self.process
            and self.process.started.is_set()
            and not self.process.alive
            and self.state in ("starting", "on")
        ):
            failure, words = self.process.failure, self.process.last_words()
            lost = UserError("The backend has ended: {words}", words=words, fix="restart")
            self._lost(UserError(failure, fix="install") if failure else lost)

    def _lost(self, error):
        active = self.active()
        self._stop.set()
        self._generation = next(GENERATIONS)
        self.state, self.client, self.health, self._changed = "lost", None, {}, True
        self.tell(error, active and active["kind"])
        self.cancelling.clear()
        self._waiting = []

    # ------------------------------------------------------------------ threads

    def _put(self, generation, function, *arguments):
        self._queue.put((generation, function, arguments))

    def _work(self, generation, work, then, place):
        try:
            self._put(generation, then, work())
        except UserError as error:
            self._put(generation, self._failed, error, place)

    def _ask(self, place, then, *request):
        if self.client is None:
            raise UserError("The backend is not running", hint="Press Start in the SkyWorld panel", fix="start")
        client = self.client
        self.background(lambda: client.ask(*request), then, place)

    def _listen(self, make_client):
        self.state = "starting"
        self._stop = threading.Event()
        arguments = (self._generation, make_client, self._stop)
        threading.Thread(target=self._follow, args=arguments, name="SkyWorld events", daemon=True).start()

    def _follow(self, generation, make_client, stop):
        """Connects, then hands every event over; after a broken stream the jobs are asked for anew."""
        heard = time.monotonic()
        try:
            client = make_client()
            while not stop.is_set():
                try:
                    health = client.ask("GET", "/health", timeout=CONNECT_SECONDS)
                    jobs = client.ask("GET", "/jobs")
                    self._put(generation, self._connected, client, health, jobs)
                    for event in client.events(health["events"], stop):
                        heard = time.monotonic()
                        if event is not None:
                            self._put(generation, self._event, *event)
                        else:  # nothing happens: time to see how the worker is
                            self._put(generation, self._healthy, client.ask("GET", "/health", timeout=CONNECT_SECONDS))
                except UnreachableError:
                    if time.monotonic() - heard > GIVE_UP_SECONDS:
                        raise
                stop.wait(RETRY_SECONDS)
        except UserError as error:
            if not stop.is_set():
                self._put(generation, self._lost, error)

    # ------------------------------------------------------------------ news, main thread

    def _connected(self, client, health, jobs):
        self.client, self.health, self.state = client, health, "on"
        self.jobs = {job["id"]: job for job in reversed(jobs)}
        for job in reversed(jobs):
            self._job(job)
        waiting, self._waiting = self._waiting, []
        for kind, parameters in waiting:
            self.submit(kind, parameters)

    def _healthy(self, health):
        self.health = health

    def _submitted(self, job):
        """The answer may come after events that tell of later states: those stand."""
        self.own.add(job["id"])
        self._job(self.jobs.get(job["id"], job))

    def _failed(self, error, place):
        self.tell(error, place)
        self.cancelling.clear()

    def _event(self, event, data):
        job_id = data.get("job") or data.get("id")
        if event == "state":
            news = {**data, "id": job_id}
        elif event == "progress" and self.jobs.get(job_id, {}).get("state") == "running":
            news = {"id": job_id, "progress": data}
        else:
            return
        self._job(news)
        if (news["progress"] or {}).get("preview"):
            self._fetching.add(job_id)

    def _job(self, news):
        """news: a Job, or an id and what is new of it."""
        job = self.jobs[news["id"]] = {**self.jobs.get(news["id"], {}), **news}
        if job["state"] in ENDED:
            self.cancelling.discard(job["id"])
            if job["state"] == "done" and job["id"] in self.own:
                self.own.discard(job["id"])
                for listener in self.on_done:
                    listener(job)

    def _fetch_preview(self):
        for job_id in list(self._fetching):
            if self.client and time.monotonic() - self._fetched_at.get(job_id, 0) > PREVIEW_SECONDS:
                self._fetching.discard(job_id)
                self._fetched_at[job_id] = time.monotonic()
                client = self.client
                self.background(lambda client=client, job_id=job_id: _preview(client, job_id), self._previewed)

    def _previewed(self, result):
        if result:
            self.previews[result[0]] = result[1]


def _windowed():
    """The context of a window, which operators ask for and a timer may lack. As it is where it has one: while the
    context is overridden, an operator in Blender's Python 3.11 crashes where another thread just lets go of Python."""
    windows = bpy.context.window_manager.windows[:1]
    if bpy.context.window or not windows:
        return contextlib.nullcontext()
    return bpy.context.temp_override(window=windows[0])


def _heard_by_event(answer):
    """What a request answers with is older than what events may have told by now: those alone move a job."""


def _remote_client():
    settings = preferences.get()
    return Client(settings.url.strip().rstrip("/"), settings.token.strip())


def _client_of(process):
    """The client of a local backend, once it has said where it listens."""
    if not process.started.wait(START_SECONDS):
        problem = "The backend has not started within {seconds:.0f} seconds"
        raise UserError(problem, hint="Its log: {log}", fix="restart", seconds=START_SECONDS, log=process.log)
    if process.handshake is None:
        hint = "Install the backend again, or set its Python in the preferences"
        raise UserError(process.failure, hint=hint, fix="install")
    return Client(process.handshake["url"], process.handshake["token"])


def _preview(client, job_id):
    """(job, file with its preview) or None; each picture in a file of its own, for Blender caches by name."""
    status, headers, data = client.call("GET", f"/jobs/{job_id}/preview")
    if status != 200:
        return None
    suffix = ".jpg" if "jpeg" in (headers.get("Content-Type") or "") else ".png"
    path = Path(tempfile.gettempdir()) / f"skyworld_preview_{job_id}{suffix}"
    path.write_bytes(data)
    return job_id, path


session = Session()


def tick():
    session.pump()
    return BUSY_TICK if session.busy() else IDLE_TICK


def tell_mendable(error, place):
    """What ends an operator is reported there; the panel keeps it only where a button can mend it."""
    if error.fix:
        session.tell(error, place)


def register():
    errors.listeners.append(tell_mendable)
    bpy.app.timers.register(tick, first_interval=IDLE_TICK, persistent=True)


def unregister():
    errors.listeners.remove(tell_mendable)
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    session.disconnect()
    if session.installer:
        session.installer.cancel()
    session.__init__()
