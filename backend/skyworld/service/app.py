"""The HTTP interface. Plain HTTP and server-sent events, so that Blender's own Python can speak it.

Starlette, the part of FastAPI that does the work, is used without the rest: importing FastAPI alone takes
half of the second in which the service is to be ready, and its forms are made at import, whereas ours are
the pydantic models of the job kinds.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from skyworld import __version__
from skyworld.errors import UserError
from skyworld.parameters import first_problem
from skyworld.service.jobs import HUNG_SECONDS, Runner
from skyworld.service.process import LostError
from skyworld.service.splat_cache import FrameError, FrameWorker, SplatCache
from skyworld.service.store import TERMINAL, Store
from skyworld.world import World

JSON_BYTES = 1 << 20
PING_SECONDS = 2.0


class RefusedError(Exception):
    """A request that cannot be answered: status and JSON body."""

    def __init__(self, status: int, problem: str, **more):
        self.status, self.body = status, {"error": problem, **more}


class Service:
    """What the handlers share. Made inside the event loop."""

    def __init__(self, state: Path, pipelines, stop):
        log = state / "backend.log"
        self.kinds = pipelines.KINDS
        self.stop = stop
        self.closing = asyncio.Event()
        self.store = Store(state / "jobs.sqlite")
        self.store.recover()
        self.runner = Runner(self.store, pipelines.__name__, log)
        self.cache = SplatCache(state / "splats")
        self.frames = FrameWorker(log, HUNG_SECONDS)

    async def close(self) -> None:
        await asyncio.gather(self.runner.close(), self.frames.close())
        self.store.close()


def application(state: Path, pipelines, stop) -> Starlette:
    """state: folder of jobs, log and cache.  pipelines: module with KINDS.  stop: called to end the service."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.service = service = Service(state, pipelines, stop)
        yield
        await service.close()

    get, post = ["GET"], ["POST"]
    routes = [
        Route("/health", health, methods=get),
        Route("/parameters", parameters, methods=get),
        Route("/models", list_models, methods=get),
        Route("/jobs", list_jobs, methods=get),
        Route("/jobs", add_job, methods=post),
        Route("/jobs/{id}", show_job, methods=get),
        Route("/jobs/{id}/cancel", cancel_job, methods=post),
        Route("/jobs/{id}/retry", retry_job, methods=post),
        Route("/jobs/{id}/events", job_events, methods=get),
        Route("/jobs/{id}/preview", preview, methods=get),
        Route("/events", all_events, methods=get),
        Route("/worlds/file", world_file, methods=get),
        Route("/splats/{digest}", has_splats, methods=["HEAD"]),
        Route("/splats/{digest}", put_splats, methods=["PUT"]),
        Route("/frames", frame, methods=post),
        Route("/shutdown", shutdown, methods=post),
    ]
    handlers = {
        RefusedError: lambda _, error: JSONResponse(error.body, error.status),
        UserError: lambda _, error: JSONResponse({"error": str(error), "fix": error.fix}, 422),
        LostError: lambda _, error: JSONResponse({"error": str(error)}, 503),
        FrameError: lambda _, error: JSONResponse({"error": str(error)}, 500),
        sqlite3.OperationalError: lambda _, error: JSONResponse(
            {"error": f"The job list cannot be written: {error}."}, 507
        ),
        Exception: lambda _, error: JSONResponse({"error": "SkyWorld failed; the backend's log has the trace."}, 500),
        404: lambda request, _: JSONResponse({"error": f"There is nothing at {request.url.path}."}, 404),
        405: lambda request, _: JSONResponse({"error": f"{request.method} is not known here."}, 405),
    }
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)


async def health(request: Request) -> Response:
    runner, events = _service(request).runner, _service(request).store.last_event()
    worker = {
        "state": runner.state,
        "pid": runner.worker.pid if runner.worker else None,
        "device": runner.worker.device if runner.worker else None,
    }
    return JSONResponse(
        {"name": "skyworld", "version": __version__, "pid": os.getpid(), "worker": worker, "events": events}
    )


async def parameters(request: Request) -> Response:
    return JSONResponse({kind: model.model_json_schema() for kind, model in _service(request).kinds.items()})


async def list_models(request: Request) -> Response:
    from skyworld.models.store import inventory  # numpy comes with it, and the service does without until then

    return JSONResponse(await run_in_threadpool(inventory))


async def list_jobs(request: Request) -> Response:
    return JSONResponse(_service(request).store.jobs())


async def add_job(request: Request) -> Response:
    service, body = _service(request), await _json(request)
    model = service.kinds.get(body.get("kind"))
    if model is None:
        raise RefusedError(422, f"kind must be one of {', '.join(service.kinds)}.", field="kind")
    wish = body.get("parameters", {})
    if not isinstance(wish, dict):
        raise RefusedError(422, "parameters must be an object.", field="parameters")
    try:
        checked = model(**wish)
    except ValidationError as error:
        problem, field = first_problem(model, error)
        raise RefusedError(422, problem, field=field) from error
    job = service.store.add(body["kind"], checked.model_dump(mode="json", by_alias=True))
    service.runner.wake()
    return JSONResponse(job, 201)


async def show_job(request: Request) -> Response:
    return JSONResponse(_job(request))


async def cancel_job(request: Request) -> Response:
    job = _job(request)["id"]
    _service(request).runner.cancel(job)
    return JSONResponse(_service(request).store.job(job))


async def retry_job(request: Request) -> Response:
    service, job = _service(request), _job(request)
    if job["state"] not in ("failed", "cancelled"):
        raise RefusedError(409, f"The job is {job['state']}; only a failed or cancelled one can be retried.")
    again = service.store.queue_again(job["id"])
    service.runner.wake()
    return JSONResponse(again)


async def job_events(request: Request) -> Response:
    return _stream(_events(_service(request), _after(request), _job(request)["id"]))


async def all_events(request: Request) -> Response:
    return _stream(_events(_service(request), _after(request), None))


async def preview(request: Request) -> Response:
    file = _service(request).store.preview(_job(request)["id"])
    if file is None or not file.is_file():
        raise RefusedError(404, "There is no preview yet.")
    data = file.read_bytes()
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return Response(data, media_type=kind, headers={"Cache-Control": "no-store"})


async def world_file(request: Request) -> Response:
    relative = request.query_params.get("path", "")
    try:
        file = World.open(request.query_params.get("world", "")).path(relative)
    except UserError as error:
        raise RefusedError(403, str(error)) from error
    if not file.is_file():
        raise RefusedError(404, f"The world has no file {relative}.")
    return FileResponse(file)


async def has_splats(request: Request) -> Response:
    return Response(status_code=204 if _service(request).cache.find(request.path_params["digest"]) else 404)


async def put_splats(request: Request) -> Response:
    await _service(request).cache.put(request.path_params["digest"], request.stream())
    return Response(status_code=204)


async def frame(request: Request) -> Response:
    service, body = _service(request), await _json(request)
    try:
        meshes = [view["occluders"] for view in body["views"] if view.get("occluders")]
        found = {digest: service.cache.find(digest) for digest in [*body["splats"], *meshes]}
        views = [{**view, "occluders": str(found.get(view.get("occluders")) or "")} for view in body["views"]]
        order = {"splats": [str(found[digest]) for digest in body["splats"]], "views": views}
        order |= {"layers": body["layers"], "background": body.get("background")}
    except (KeyError, TypeError, AttributeError) as error:
        raise RefusedError(422, "A frame needs splats (their digests), views and layers.") from error
    missing = [digest for digest, file in found.items() if file is None]
    if missing:
        return JSONResponse({"missing": missing}, 409)
    wish = _empty_file(body.get("output"))
    file = wish or service.cache.frame_file()
    try:
        drawn = await service.frames.render({**order, "output": str(file)})
    except BaseException:
        if not wish:
            file.unlink()
        raise
    headers = {"X-Width": str(drawn["width"]), "X-Height": str(drawn["height"]), "X-Seconds": f"{drawn['seconds']:.4f}"}
    headers["X-How"] = drawn["how"]
    if wish:
        return Response(headers={**headers, "X-Delivered": "file"})
    return FileResponse(
        file, media_type="application/octet-stream", headers=headers, background=BackgroundTask(file.unlink)
    )


def _empty_file(path) -> Path | None:
    """The file that a client made for a frame; None where it is not on this computer, or has something in it."""
    file = Path(path) if isinstance(path, str) and path else None
    is_meant = file and file.is_absolute() and not file.is_symlink() and file.is_file() and file.stat().st_size == 0
    return file if is_meant else None


async def shutdown(request: Request) -> Response:
    service = _service(request)
    service.closing.set()
    return JSONResponse({}, background=BackgroundTask(service.stop))


def _service(request: Request) -> Service:
    return request.app.state.service


def _job(request: Request) -> dict:
    job = _service(request).store.job(request.path_params["id"])
    if job is None:
        raise RefusedError(404, "There is no such job.")
    return job


async def _json(request: Request) -> dict:
    """The body as an object, at most JSON_BYTES long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > JSON_BYTES:
            raise RefusedError(413, "The request is too large.")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise RefusedError(422, "The body is not JSON.") from error
    if not isinstance(document, dict):
        raise RefusedError(422, "The body must be a JSON object.")
    return document


def _after(request: Request) -> int:
    """The number behind which the stream goes on: ?after=, or what an EventSource repeats after a break."""
    number = request.query_params.get("after") or request.headers.get("Last-Event-ID") or "0"
    if not number.isdecimal():
        raise RefusedError(422, "after must be a number.")
    return int(number)


def _stream(lines: AsyncIterator[str]) -> Response:
    return StreamingResponse(lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(service: Service, after: int, job: str | None) -> AsyncIterator[str]:
    """Server-sent events behind `after`: first what was, then what comes. One job's stream ends with the job."""
    while not service.closing.is_set():
        changed = service.store.changed  # taken before the look, so that nothing falls between the two
        events = service.store.events(after, job)
        for after, owner, kind, data in events:
            data = data if job else {**data, "job": owner}
            yield f"id: {after}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
        if events:
            continue
        if job and service.store.job(job)["state"] in TERMINAL:
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (changed, service.closing)]
        done, pending = await asyncio.wait(waits, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if not done:
            yield ": ping\n\n"
