"""Jobs and their events in SQLite: what is told once is there after a crash, and can be told again."""

import asyncio
import json
import sqlite3
import time
import uuid
from pathlib import Path

TERMINAL = ("done", "failed", "cancelled")
_KEPT_JOBS = 500

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT NULL,
    created REAL NOT NULL, queued REAL NOT NULL, started REAL, ended REAL, error TEXT, progress TEXT, preview TEXT,
    output TEXT, restarts INTEGER NOT NULL DEFAULT 0, fix TEXT);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_job ON events (job, seq);
"""


class Store:
    """All methods belong to the event loop's thread; each is one short transaction."""

    def __init__(self, file: Path):
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)
        if "fix" not in {row["name"] for row in self._db.execute("PRAGMA table_info(jobs)")}:  # an older list
            self._db.execute("ALTER TABLE jobs ADD COLUMN fix TEXT")
        self.changed = asyncio.Event()  # set, and replaced by a fresh one, at every new event
        self._forget_old()

    def add(self, kind: str, parameters: dict) -> dict:
        """Queues a job and returns it."""
        job, now = uuid.uuid4().hex[:12], time.time()
        self._db.execute(
            "INSERT INTO jobs (id, kind, parameters, state, created, queued, output) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job, kind, json.dumps(parameters), "queued", now, now, parameters.get("output")),
        )
        return self._tell_state(job)

    def job(self, job: str) -> dict | None:
        row = self._db.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        return row and _job(row)

    def jobs(self) -> list[dict]:
        """Newest first."""
        return [_job(row) for row in self._db.execute("SELECT * FROM jobs ORDER BY created DESC, rowid DESC")]

    def next_queued(self) -> dict | None:
        row = self._db.execute("SELECT * FROM jobs WHERE state = 'queued' ORDER BY queued, rowid LIMIT 1").fetchone()
        return row and _job(row)

    def preview(self, job: str) -> Path | None:
        row = self._db.execute("SELECT preview FROM jobs WHERE id = ?", (job,)).fetchone()
        return Path(row["preview"]) if row and row["preview"] else None

    def start(self, job: str) -> dict:
        return self._set(job, state="running", started=time.time(), ended=None, error=None, fix=None, progress=None)

    def finish(self, job: str, state: str, error: str | None = None, fix: str | None = None) -> dict:
        return self._set(job, state=state, ended=time.time(), error=error, fix=fix)

    def queue_again(self, job: str) -> dict:
        fresh = dict(ended=None, error=None, fix=None, progress=None, restarts=0)
        return self._set(job, state="queued", queued=time.time(), **fresh)

    def progress(self, job: str, progress: dict, preview: str | None) -> None:
        if preview:
            self._db.execute("UPDATE jobs SET preview = ? WHERE id = ?", (preview, job))
        self._db.execute("UPDATE jobs SET progress = ? WHERE id = ?", (json.dumps(progress), job))
        self._tell(job, "progress", progress)

    def log(self, job: str, level: str, text: str) -> None:
        self._tell(job, "log", {"level": level, "text": text})

    def recover(self) -> None:
        """What was running when the service died is queued once more; if it died a second time, the job failed."""
        for row in self._db.execute("SELECT id, restarts FROM jobs WHERE state = 'running'").fetchall():
            if row["restarts"]:
                sentence = "The backend ended twice during this job. Retry goes on from its last stage."
                self.finish(row["id"], "failed", sentence)
            else:
                self._set(row["id"], state="queued", restarts=1, progress=None)

    def fail_running(self, sentence: str) -> None:
        for row in self._db.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall():
            self.finish(row["id"], "failed", sentence)

    def events(self, after: int, job: str | None = None, limit: int = 500) -> list[tuple[int, str, str, dict]]:
        """(seq, job, type, data) of the events behind `after`, in order."""
        query = "SELECT * FROM events WHERE seq > ?" + (" AND job = ?" if job else "") + " ORDER BY seq LIMIT ?"
        rows = self._db.execute(query, (after, *([job] if job else []), limit))
        return [(row["seq"], row["job"], row["type"], json.loads(row["data"])) for row in rows]

    def last_event(self) -> int:
        """seq of the newest event; 0 where none has been."""
        return self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()[0]

    def close(self) -> None:
        self._db.close()

    def _set(self, job: str, **columns) -> dict:
        self._db.execute(
            f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?", (*columns.values(), job)
        )
        return self._tell_state(job)

    def _tell_state(self, job: str) -> dict:
        state = self.job(job)
        self._tell(job, "state", state)
        return state

    def _tell(self, job: str, kind: str, data: dict) -> None:
        self._db.execute("INSERT INTO events (job, type, data) VALUES (?, ?, ?)", (job, kind, json.dumps(data)))
        woken, self.changed = self.changed, asyncio.Event()
        woken.set()

    def _forget_old(self) -> None:
        ended = f"SELECT id FROM jobs WHERE state IN {TERMINAL} ORDER BY created DESC LIMIT -1 OFFSET {_KEPT_JOBS}"
        self._db.execute(f"DELETE FROM events WHERE job IN ({ended})")
        self._db.execute(f"DELETE FROM jobs WHERE id IN ({ended})")


def _job(row: sqlite3.Row) -> dict:
    """The job as HTTP tells it."""
    return {
        **{key: row[key] for key in ("id", "kind", "state", "created", "started", "ended", "error", "fix")},
        "parameters": json.loads(row["parameters"]),
        "progress": json.loads(row["progress"]) if row["progress"] else None,
        "result": {"output": row["output"]} if row["state"] == "done" else None,
    }
