"""Starts the hub's real binary for the parts of this proof, speaks to it, and prints what held.
Imported by them; never run by itself."""

import atexit
import http.client
import os
import re
import signal
import subprocess
import sys
import time

SOCKEYE = os.environ["SOCKEYE"]
HANG_S = 30
RUNNING = set()
LEFT_OVER = re.compile(r"^\.sockeye-.*\.part$")


def held(promise, figure=""):
    print(f"held   {promise:<62} {figure}", flush=True)


def broken(promise, why):
    sys.exit(f"BROKEN {promise:<62} {why}")


def must(holds, promise, why):
    if not holds:
        broken(promise, why)


def equal(promise, got, wanted):
    must(got == wanted, promise, f"got {got!r}, wanted {wanted!r}")
    held(promise, got)


@atexit.register
def kill_all():
    """Whatever ends a part of the proof, no hub stays behind."""
    for process in RUNNING:
        process.kill()


def begin(command, **how):
    """A process that ends with this one."""
    process = subprocess.Popen(command, **how)
    RUNNING.add(process)
    return process


# As Ctrl-C does: by an exception, so that what is mounted and started is put away.
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


class Hub:
    """A hub on the loopback addresses. `before` is what its command line begins with: programs
    that end up as the hub itself (exec), so that a signal reaches it."""

    def __init__(self, *arguments, before=()):
        command = [*before, SOCKEYE, *arguments, "--quiet", "--ephemeral"]
        # Keys and settings of whoever runs this are not this hub's.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SOCKEYE")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = begin(command, text=True, env=environment, **pipes)
        self.pid = self.process.pid
        self.port = None
        while line := self.process.stdout.readline():
            if found := re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)/?\n", line):
                self.port = int(found[1])
                break
        if self.port is None:
            broken("the hub starts", self.process.stderr.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, fields=(), source="127.0.0.1"):
        """One request on a connection of its own: (status, fields, text)."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=HANG_S, source_address=(source, 0)
        )
        try:
            connection.request(method, path, body=body, headers=dict(fields))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self._closed()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + HANG_S
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(0.01)
        code = self.process.poll()
        self.kill()
        must(code == 0, "Ctrl-C ends the hub with exit code 0", code)

    def _closed(self):
        self.process.wait()
        RUNNING.discard(self.process)
        self.process.stdout.close()
        self.process.stderr.close()
