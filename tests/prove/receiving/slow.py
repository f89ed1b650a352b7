"""slowhttptest holds 500 connections in each of its four ways, while somebody else asks every 200 ms
and sends a file every second: all of it is answered. Usage: slow.py WORK SECONDS"""

import os
import subprocess
import sys
import time

from hub import Hub, begin, held, must

WORK, SECONDS = os.path.realpath(sys.argv[1]), float(sys.argv[2])
CONNECTIONS = 500
ASKS_EVERY_S = 0.2
# What somebody else waits at most. Most is taken by -R: the hub gives what asks for so many ranges
# the whole file, so that 500 of 64 MiB are fetched at once, as fast as this machine can.
SLOWEST_S = 3
OTHER = "127.0.0.9"
LENGTH = 64 << 20
WAYS = {
    "slow heads (-H)": ["-H", "-i", "4", "-x", "24"],
    "slow bodies (-B)": ["-B", "-i", "4", "-x", "24", "-s", "8192", "-t", "POST", "-f", "application/x"],
    "ranges (-R)": ["-R", "-t", "GET", "-a", "10", "-b", "3000"],
    "slow reading (-X)": ["-X", "-w", "512", "-y", "1024", "-n", "3", "-z", "32", "-k", "3"],
}


class Attack:
    """slowhttptest, begun again when it is done early, until it is to end."""

    def __init__(self, hub, way):
        path = "/slow.bin" if way[0] == "-B" else "/large.bin"
        self.command = ["slowhttptest", *way, "-c", str(CONNECTIONS), "-r", str(CONNECTIONS)]
        self.command += ["-l", str(int(SECONDS)), "-p", "3", "-u", hub.url + path]
        self.runs = 0
        self.process = None
        self.goes_on()

    def goes_on(self):
        if self.process is None or self.process.poll() is not None:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.process = begin(self.command, **quiet)
            self.runs += 1

    def end(self):
        self.process.kill()
        self.process.wait()


def connections_to(port):
    """How many are established, as the system counts them (proc_net_tcp(5))."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def peak_mebibytes(hub):
    with open(f"/proc/{hub.pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) / 1024


def hold(name, way):
    share = f"{WORK}/slow"
    os.makedirs(share, exist_ok=True)
    with open(f"{share}/large.bin", "wb") as file:
        file.truncate(LENGTH)
    with open(f"{share}/small.txt", "wb") as file:
        file.write(b"small\n")
    # Who attacks has an address of its own; that it may take so many places is the harder case.
    hub = Hub("up", share, "--port", "0", "--uploads", "--overwrite", "--max-per-address", "1000")
    attack = Attack(hub, way)
    asked, slowest, most = 0, 0, 0
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        begun = time.monotonic()
        if asked % 5 == 4:
            status, _, text = hub.ask("POST", "/sent.txt", b"number %d\n" % asked, source=OTHER)
            must(status == 200, name, f"sending, somebody else was told {status} {text!r}")
        else:
            status, _, text = hub.ask("GET", "/small.txt", source=OTHER)
            must((status, text) == (200, b"small\n"), name, f"somebody else was told {status} {text!r}")
        took = time.monotonic() - begun
        asked, slowest, most = asked + 1, max(slowest, took), max(most, connections_to(hub.port))
        attack.goes_on()
        time.sleep(max(0, ASKS_EVERY_S - took))
    attack.end()
    must(slowest < SLOWEST_S, name, f"somebody else waited for {slowest:.2f} s")
    must(most > CONNECTIONS / 10, name, f"it only had {most} connections")
    peak = peak_mebibytes(hub)
    hub.stop()
    names = sorted(os.listdir(share))
    must(names == ["large.bin", "sent.txt", "small.txt"], name, f"there is {names}")
    held(
        f"{name}: all who ask meanwhile are answered",
        f"{asked} of {asked}, the slowest {slowest * 1000:.0f} ms; up to {most} connections,"
        f" {peak:.0f} MiB",
    )


for name, way in WAYS.items():
    hold(name, way)
