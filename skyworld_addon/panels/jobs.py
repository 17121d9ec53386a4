"""Jobs: the last of them, with what may be done about each."""

from pathlib import Path

import bpy

from ..jobs import ENDED, session
from ..operators.generate import WORLD_FILES
from ..translations import said
from .progress import ICONS, NAMES
from .tab import Sidebar

SHOWN_JOBS = 8


class JobsPanel(Sidebar, bpy.types.Panel):
    bl_idname = "SKYWORLD_PT_jobs"
    bl_label = "Jobs"
    bl_order = 80
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context):
        return bool(session.jobs)

    def draw(self, _context):
        column = self.layout.column()
        for job in list(reversed(session.jobs.values()))[:SHOWN_JOBS]:
            row = column.row(align=True)
            row.label(text=_title(job), icon=ICONS[job["state"]], translate=False)
            folder = (job.get("result") or {}).get("output")
            if job["state"] == "done" and job["kind"] in WORLD_FILES and folder:
                row.operator("skyworld.import_world", text="", icon="IMPORT").directory = folder
            elif job["state"] in ENDED and job["state"] != "done":
                row.operator("skyworld.retry_job", text="", icon="FILE_REFRESH").job = job["id"]
            elif job["state"] not in ENDED:
                row.operator("skyworld.cancel_job", text="", icon="CANCEL").job = job["id"]


def _title(job):
    name = job["parameters"].get("output") or job["parameters"].get("world") or ""
    kind = said(NAMES.get(job["kind"], job["kind"]))
    return f"{kind}: {Path(name).name}" if name else kind


CLASSES = (JobsPanel,)
