"""Starts the service: `python -m skyworld.service` or `skyworld serve`."""

import argparse
import asyncio
import contextlib
import importlib
import json
import logging
import os
import secrets
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from skyworld import __version__
from skyworld.errors import UserError
from skyworld.service.app import application
from skyworld.service.auth import Guard
from skyworld.world.files import mendable
from skyworld.world.lock import take_lock

_LOG_BYTES = 5 << 20


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stay", action="store_true", help="go on when standard input ends")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--state", type=Path, help=f"folder of the job list and the log (default {default_state()})")
    parser.add_argument("--pipelines", default="skyworld.service.pipelines", help=argparse.SUPPRESS)


def default_state() -> Path:
    """Where programs of this user keep what they remember."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "SkyWorld"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/SkyWorld"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "skyworld"


def serve(arguments: argparse.Namespace) -> None:
    """Runs until standard input ends (unless `stay`), /shutdown or Ctrl-C. Raises UserError where it cannot start."""
    state, _lock = _claim_state(arguments.state)
    listening = _listen(arguments.port)
    port, token = listening.getsockname()[1], secrets.token_urlsafe(32)
    pipelines = importlib.import_module(arguments.pipelines)
    app = Guard(application(state, pipelines, lambda: server.end()), token, port)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1, http="h11", ws="none"
    )
    url = f"http://127.0.0.1:{port}"
    server = Server(config, {"url": url, "token": token, "version": __version__, "pid": os.getpid()})
    if not arguments.stay:
        threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends in order, then raises the signal again
        asyncio.run(server.serve(sockets=[listening]))


class Server(uvicorn.Server):
    """Says where it is, on standard output, as soon as it answers."""

    def __init__(self, config: uvicorn.Config, handshake: dict):
        super().__init__(config)
        self.handshake = handshake

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        print(json.dumps(self.handshake), flush=True)

    def end(self) -> None:
        self.should_exit = True


def _end_with_input(server: Server) -> None:
    """Standard input ends when the parent does, however it dies."""
    while sys.stdin.buffer.read(4096):
        pass
    server.end()


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    if sys.platform != "win32":  # there it would let two services share a port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise UserError(f"port {port} cannot be used ({error})", hint="Choose another one with --port") from error
    listening.listen(128)
    return listening


def _claim_state(wish: Path | None):
    """The state folder and its lock. Of two services at once the second gets a folder of its own (state-2, ...)."""
    if wish:
        candidates = [wish.absolute()]
    else:
        candidates = [default_state() / name for name in ("state", *(f"state-{n}" for n in range(2, 10)))]
    for state in candidates:
        with mendable(state):
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = take_lock(state)
        if lock:
            log = state / "backend.log"
            if log.exists() and log.stat().st_size > _LOG_BYTES:
                log.replace(state / "backend.log.1")
            logging.basicConfig(filename=log, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
            return state, lock
    raise UserError(
        "another SkyWorld service uses this folder", file=candidates[-1], hint="Choose another with --state"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m skyworld.service", description=__doc__)
    options(parser)
    try:
        serve(parser.parse_args())
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
