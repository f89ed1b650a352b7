"""What the hub asks of the system for one upload, and in which order, as strace sees it: nobody is
told that a file was saved before it would outlive a power cut. Usage: order.py WORK"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from hub import HANG_S, Hub, held, must

WORK = os.path.realpath(sys.argv[1])
TRACED = "fdatasync,fsync,linkat,unlinkat,mkdirat,rename,renameat,renameat2,write,writev,sendto,sendmsg"
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
UNFINISHED = " <unfinished ...>"


@dataclass
class Call:
    """One system call: the lines of the trace on which it began and had returned."""

    name: str
    text: str
    begun: int
    ended: int = -1

    def succeeded(self):
        return self.ended >= 0 and not re.search(r"= -1 E", self.text)


def calls_of(trace):
    calls, pending = [], {}
    for number, line in enumerate(trace.splitlines()):
        if begun := CALL.match(line):
            pid, name, text = begun.groups()
            call = Call(name, text.removesuffix(UNFINISHED), number)
            calls.append(call)
            if text.endswith(UNFINISHED):
                pending[pid] = call
            else:
                call.ended = number
        elif resumed := RESUMED.match(line):
            call = pending.pop(resumed[1])
            call.text += resumed[3]
            call.ended = number
    return calls


def traced(promise, arguments, before_upload, upload, steps):
    """One upload to a hub under strace. `steps`: (name in the report, system call, pattern)."""
    share, trace = f"{WORK}/share", f"{WORK}/trace"
    subprocess.run(["rm", "-rf", share, trace], check=True)
    os.makedirs(f"{share}/album")
    before_upload(share)
    # -D: the hub keeps its own process id, and the tracer is a child of nobody's concern.
    strace = ["strace", "-D", "-f", "-yy", "-s", "48", "-o", trace, "-e", f"trace={TRACED}"]
    hub = Hub("up", share, "--port", "0", "--uploads", *arguments, before=strace)
    status = upload(hub)
    hub.stop()
    check(promise, status, calls_of(whole(trace, hub.pid)), steps)


def whole(trace, pid):
    """The trace, when the last of it was written."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        with open(trace) as file:
            text = file.read()
        if re.search(rf"^{pid} +\+\+\+ exited with", text, re.M):
            return text
        time.sleep(0.02)
    return text


def check(promise, status, calls, steps):
    told, after = [], -1
    for name, call_name, pattern in steps:
        found = [
            call
            for call in calls
            if re.fullmatch(call_name, call.name) and re.search(pattern, call.text)
        ]
        must(found, promise, f"there is no {name}")
        # The last write of the file, and the one answer.
        call = found[-1] if name == "write" else found[0]
        must(call.succeeded(), promise, f"{name} failed: {call.text}")
        must(
            call.begun > after,
            promise,
            f"{name} began on line {call.begun} of the trace, before line {after}, where the step"
            f" before it had ended: {call.text}",
        )
        after = call.ended
        told.append((call, name))
    held(promise, f"{status}: " + " < ".join(name for _, name in told))
    for call, name in told:
        shown = re.sub(r"\S*/share/", "share/", call.text)
        print(f"           {name:<18} {call.name}({shown[:110]}")


def put(path, content, method="POST"):
    return lambda hub: hub.ask(method, path, content)[0]


def write(path, content):
    def make(share):
        with open(f"{share}/{path}", "wb") as file:
            file.write(content)

    return make


NAMELESS = r"^\d+<[^>]*/share/album/(#\d+|\.sockeye-)[^>]*>"
FOLDER = r"^\d+<[^>]*/share/album>"
ANSWER = ("answer", "write|writev|sendto|sendmsg", r"<TCP.*HTTP/1\.1 20[01]")
SYNCED = [("write", "write", NAMELESS), ("sync file", "fdatasync", NAMELESS)]
HIDDEN = ("link hidden name", "linkat", r'/proc/self/fd/.*"\.sockeye-\w+\.part"')
CONTENT = b"photograph " * 30_000

traced(
    "a new file: synced, named, its folder synced, then answered",
    [],
    lambda share: None,
    put("/album/photo.jpg", CONTENT),
    [
        *SYNCED,
        HIDDEN,
        ("rename", "renameat2", r'"\.sockeye-\w+\.part".*"photo\.jpg", RENAME_NOREPLACE'),
        ("sync folder", "fsync", FOLDER),
        ANSWER,
    ],
)
traced(
    "a file in the place of another: the same",
    ["--overwrite"],
    write("album/photo.jpg", b"another"),
    put("/album/photo.jpg", CONTENT, "PUT"),
    [
        *SYNCED,
        HIDDEN,
        ("rename", "renameat2?", r'"\.sockeye-\w+\.part".*"photo\.jpg"'),
        ("sync folder", "fsync", FOLDER),
        ("answer", "write|writev|sendto|sendmsg", r"<TCP.*HTTP/1\.1 204"),
    ],
)
traced(
    "a file in a new folder: the folder is safe first",
    [],
    lambda share: None,
    put("/album/new/photo.jpg", CONTENT),
    [
        ("make folder", "mkdirat", r'^\d+<[^>]*/share/album>, "new"'),
        ("sync its parent", "fsync", FOLDER),
        ("sync file", "fdatasync", r"^\d+<[^>]*/share/album/new/"),
        HIDDEN,
        ("rename", "renameat2", r'"photo\.jpg", RENAME_NOREPLACE'),
        ("sync folder", "fsync", r"^\d+<[^>]*/share/album/new>"),
        ANSWER,
    ],
)
traced(
    "the same file again: what is there is made safe, then answered",
    [],
    write("album/photo.jpg", CONTENT),
    put("/album/photo.jpg", CONTENT),
    [
        ("sync file", "fdatasync", r"^\d+<[^>]*/share/album/photo\.jpg>"),
        ("sync folder", "fsync", FOLDER),
        ANSWER,
    ],
)
