"""The command `skyworld`. Its options are made from the parameter models, its heavy imports wait until needed.

argparse, because `skyworld --help` is to answer at once: importing pydantic-settings alone takes longer
than that, and tyro cannot leave out the commands that were not asked for.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator

from skyworld import __version__
from skyworld.errors import UserError

JOBS = {
    "world": "Makes a world from a photograph, a sentence or a 360 panorama: panorama, distance, Gaussians.",
    "choices": "Shows several seeds of a photograph's surroundings on one sheet.",
    "fit": "Fits Gaussians to pictures whose cameras are known.",
    "path": "Writes a camera path through a world.",
    "render": "Renders frames, and a film, of a world along a camera path.",
    "proxy": "Makes a light mesh of splats for shadow, reflection and collision.",
    "export": "Writes the Gaussians of a world as a file that other programs open.",
    "train": "Trains a model of the Recipe on your own pictures.",
}
TOOLS = {
    "convert": "Turns files of Gaussians into another format; crops, places and merges them.",
    "measure": "Measures pictures: against references, against a text, or by themselves.",
}
# Commands of several words: group -> what it is for, and its jobs; `skyworld satellite prepare` is the job kind
# `satellite_prepare`.
GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "satellite": (
        "Makes a city of satellite images.",
        {
            "overview": "Shows from above where satellite images lie, before anything is made of them.",
            "prepare": "Makes a scene of satellite images: cameras, tie points, one frame in metres.",
            "height": "Measures the heights of a scene of satellite images.",
            "reconstruct": "Fits a city of Gaussians to a prepared satellite scene and its height map.",
            "refine": "Refines a city of satellite images: views from lower and lower, repainted and fitted to.",
            "city": "Makes a city of satellite images in one: scene, heights, reconstruction, refinement.",
            "export": "Writes a city as a height map, a view from above, or a textured mesh.",
        },
    ),
    "evaluate": (
        "Scores what was made against the truth.",
        {"satellite": "Scores a city: its views against photographs of it, its heights against a height map."},
    ),
}
# Jobs that are no commands of their own: `skyworld models download` asks first.
INNER = {"download": "Downloads a checkpoint, or all of a profile, into the hub's cache."}
OTHERS = {
    "models": "Lists, shows, downloads and verifies checkpoints.",
    "serve": "Runs the backend for Blender and prints its address and token.",
    "doctor": "Tells what this machine has and lacks.",
}


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 a check of `doctor` failed, 2 something the user can mend, 130 Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        name, rest = _command(arguments)
        if name in {**JOBS, **grouped()}:
            return _job(name, rest)
        if name in TOOLS:
            return _tool(name, rest)
        return {"models": _models, "serve": _serve, "doctor": _doctor}[name](rest)
    except UserError as error:
        red, plain = ("\x1b[31m", "\x1b[0m") if _colours() else ("", "")
        print(f"{red}{error}{plain}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
        return 130


class Parser(argparse.ArgumentParser):
    """Answers a wrong command line with one sentence."""

    def error(self, message: str):
        raise UserError(message, hint=f"See {self.prog} --help")


def grouped() -> dict[str, str]:
    """Job kind -> summary of the jobs whose command has two words."""
    return {f"{group}_{name}": summary for group, (_, jobs) in GROUPS.items() for name, summary in jobs.items()}


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command's name, a job kind or another command, and what follows it."""
    groups = {name: summary for name, (summary, jobs) in GROUPS.items() if jobs}
    parser = Parser(prog="skyworld", description="One photograph becomes a world of Gaussian splats.")
    parser.add_argument("--version", action="version", version=f"skyworld {__version__}")
    name, rest = _chosen(parser, {**JOBS, **groups, **TOOLS, **OTHERS}, arguments)
    if name not in groups:
        return name, rest
    summary, jobs = GROUPS[name]
    job, rest = _chosen(Parser(prog=f"skyworld {name}", description=summary), jobs, rest)
    return f"{name}_{job}", rest


def _chosen(parser: Parser, commands: dict[str, str], arguments: list[str]) -> tuple[str, list[str]]:
    """Which of the commands is meant; what follows it is for its own parser, made only where it is asked for."""
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in commands.items():
        choices.add_parser(name, help=summary, add_help=False)
    return parser.parse_args(arguments[:1]).command, arguments[1:]


def job_parser(name: str) -> argparse.ArgumentParser:
    """Parser of a job kind or a tool: the first field has no option, `output` is -o, the rest are options."""
    from skyworld import parameters

    command = name.replace("_", " ", 1) if name in grouped() else name
    summary = {**JOBS, **grouped(), **INNER, **TOOLS}[name]
    parser = Parser(prog=f"skyworld {command}", description=summary, argument_default=argparse.SUPPRESS)
    advanced = parser.add_argument_group("advanced options")
    fields = parameters.describe({**parameters.KINDS, **parameters.TOOLS}[name])
    for field in fields:
        group = advanced if field["advanced"] else parser
        if field is fields[0] or field.get("positional"):
            several = {"nargs": "+"} if field["type"] == "list" else {} if field["required"] else {"nargs": "?"}
            parser.add_argument(field["name"], help=_help(field), metavar=_placeholder(field), **several)
        else:
            flags = [f"--{field['name'].replace('_', '-')}"]
            group.add_argument(
                *(["-o"] if field["name"] == "output" else []),
                *flags,
                dest=field["name"],
                required=field["required"],
                help=_help(field),
                **_values(field),
            )
    return parser


def _values(field: dict) -> dict:
    """How argparse reads the option; limits and numbers are the model's to check."""
    if field["type"] == "bool":
        return {"action": argparse.BooleanOptionalAction if field["default"] else "store_true"}
    if field["type"] == "enum":
        return {"choices": field["items"], "type": type(field["items"][0])}
    if field["type"] == "list":
        return {
            "nargs": field["length"] or "+",
            "metavar": tuple(field["words"].split()) if field["length"] else field["words"],
        }
    return {"metavar": _placeholder(field)}


def _placeholder(field: dict) -> str:
    if "words" in field:
        return field["words"]
    if field["type"] == "path":
        names = {"photo": "PHOTO", "DIR_PATH": "DIR", "FILE_PATH": "FILE"}
        return names.get(field["name"]) or names[field["subtype"]]
    return {"int": "N", "float": "X", "string": "TEXT"}[field["type"]]


def _help(field: dict) -> str:
    facts = []
    if field["min"] is not None or field["max"] is not None:
        facts.append(f"{_number(field['min'])} to {_number(field['max'])}")
    if field["default"] not in (None, "") and field["type"] not in ("bool", "list"):
        facts.append(f"default {_number(field['default'])}")
    text = f"{field['title']}. {field['description']}" + (f" ({', '.join(facts)})" if facts else "")
    return text.replace("%", "%%")


def _number(value) -> str:
    return f"{value:.10g}" if isinstance(value, (int, float)) else str(value)


def _job(name: str, arguments: list[str]) -> int:
    from skyworld.parameters import KINDS, check
    from skyworld.service.pipelines import PIPELINES

    parameters = check(KINDS[name], vars(job_parser(name).parse_args(arguments)))
    _tell_warnings()
    module, function = PIPELINES[name].split(":")
    reports = getattr(importlib.import_module(module), function)(parameters)
    _follow(name, reports)
    print(parameters.output if hasattr(parameters, "output") else parameters.world)
    return 0


def _tool(name: str, arguments: list[str]) -> int:
    from skyworld.parameters import TOOLS, check

    parameters = check(TOOLS[name], vars(job_parser(name).parse_args(arguments)))
    _tell_warnings()
    if name == "convert":
        from skyworld.splats.convert import convert as run
    else:
        from skyworld.evaluate.files import measure_files as run
    print(run(parameters))
    return 0


def _follow(name: str, reports: Iterator) -> None:
    """Drives a pipeline and shows how far it is: one line that redraws in a terminal, else a line a stage.

    SKYWORLD_PROGRESS=json gives every report as a line of JSON instead.
    """
    from skyworld.service.clock import Clock

    clock = Clock()
    if os.environ.get("SKYWORLD_PROGRESS") == "json":
        show = _json_lines
    else:
        show = _redrawn() if sys.stderr.isatty() else _line_a_stage()
    try:
        for report in reports:
            show({**(state := clock.read(report)), "stage": state["stage"] or name})
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def _json_lines(state: dict) -> None:
    """For a program that shows the progress itself."""
    print(json.dumps(state), file=sys.stderr, flush=True)


def _redrawn() -> Callable[[dict], None]:
    import shutil

    def show(state: dict) -> None:
        done = round(20 * state["fraction"])
        left = "" if state["remaining"] is None else f", {_time(state['remaining'])} left"
        line = f"{state['stage']:<10} {'█' * done}{'░' * (20 - done)} {state['fraction']:4.0%}  "
        line += f"{_time(state['elapsed'])}{left}  {state['message']}"
        print(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

    return show


def _line_a_stage() -> Callable[[dict], None]:
    last = None

    def show(state: dict) -> None:
        nonlocal last
        if state["stage"] != last:
            last = state["stage"]
            print(f"{_time(state['elapsed']):>8}  {state['fraction']:4.0%}  {last}", file=sys.stderr, flush=True)

    return show


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def _tell_warnings() -> None:
    """Warnings and log lines of the pipeline as plain lines."""
    import logging
    import warnings

    warnings.formatwarning = lambda message, *_: str(message)
    logging.captureWarnings(True)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


def _colours() -> bool:
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def _models(arguments: list[str]) -> int:
    from skyworld.models.commands import add_parsers, run

    parser = Parser(prog="skyworld models", description=OTHERS["models"])
    add_parsers(parser)
    options = parser.parse_args(arguments)
    _tell_warnings()
    return run(options, _follow)


def _serve(arguments: list[str]) -> int:
    from skyworld.service.__main__ import options, serve

    parser = Parser(prog="skyworld serve", description=OTHERS["serve"])
    options(parser)
    serve(parser.parse_args(arguments))
    return 0


def _doctor(arguments: list[str]) -> int:
    Parser(prog="skyworld doctor", description=OTHERS["doctor"]).parse_args(arguments)
    from skyworld.doctor import examine

    good = True
    for check in examine():
        good &= check.good
        mark = " " if check.good else "!"
        print(f"{mark} {check.name:<16} {check.finding}", flush=True)
    print("All is well." if good else "Lines that begin with ! need attention.")
    return 0 if good else 1
