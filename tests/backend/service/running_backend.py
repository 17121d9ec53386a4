"""A real service process over real HTTP."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

HERE = Path(__file__).parent
BACKEND = HERE.parents[2] / "backend"  # of this checkout, wherever the installed one is
TERMINAL = ("done", "failed", "cancelled")


class Backend:
    """One service process and a client of it."""

    def __init__(self, state, *arguments, pipelines="tiny_pipelines"):
        started = time.perf_counter()
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-m", "skyworld.service", "--state", state, "--pipelines", pipelines, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(BACKEND)])},
        )
        self.handshake = json.loads(self.process.stdout.readline())
        self.ready_seconds = time.perf_counter() - started
        headers = {"Authorization": f"Bearer {self.handshake['token']}"}
        self.http = httpx.Client(base_url=self.handshake["url"], headers=headers, timeout=60)

    def submit(self, kind, output, **parameters):
        answer = self.http.post("/jobs", json={"kind": kind, "parameters": {"output": str(output), **parameters}})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def job(self, job):
        return self.http.get(f"/jobs/{job}").json()

    def wait(self, job, until=TERMINAL, seconds=20):
        return wait_for(lambda: (now := self.job(job))["state"] in until and now, seconds)

    def worker(self):
        return self.http.get("/health").json()["worker"]

    def wait_for_worker(self):
        return wait_for(lambda: (worker := self.worker())["state"] == "ready" and worker)

    def events(self, job, after=0):
        """[(seq, event, data)] until the stream ends."""
        with self.http.stream("GET", f"/jobs/{job}/events?after={after}") as answer:
            return list(parse(answer.iter_lines()))

    def end(self):
        self.http.close()
        self.process.stdin.close()
        self.process.wait(5)


def parse(lines):
    fields = {}
    for line in lines:
        if line.startswith(":"):
            yield None
        elif line:
            name, value = line.split(": ", 1)
            fields[name] = value
        elif fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
