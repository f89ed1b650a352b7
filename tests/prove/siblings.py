"""Three servers as one, on real processes and real files; see siblings.sh."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BINARY = sys.argv[1]
MIB = 1 << 20
GIB = 1 << 30
CLIENTS = 200
HASHED = 4


def held(what):
    print(f"held {what}", flush=True)


def check(is_so, what):
    if not is_so:
        sys.exit(f"NOT HELD: {what}")
    held(what)


class Server:
    def __init__(self, folder, *flags, port=0):
        self.log_path = folder + ".log"
        self.log = open(self.log_path, "ab")
        on = f"http://127.0.0.1:{port}"
        command = [BINARY, "serve", "files", folder, "--on", on, "--ephemeral", "--max-per-address", "none", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        self.url = line.split()[-1].rstrip("/")

    def memory_mib(self, what="VmRSS"):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(rf"{what}:\s+(\d+)", status).group(1)) / 1024

    def said(self):
        self.log.flush()
        return open(self.log_path, errors="replace").read()

    def end(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(path, size, seed):
    """A file of pseudo-random bytes, the same for the same seed."""
    block = hashlib.shake_256(seed.encode()).digest(MIB)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(0, size, MIB):
            piece = (number.to_bytes(8, "big") + block)[: min(MIB, size - number)]
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def sha256_of(url, *flags):
    curl = subprocess.Popen(["curl", "-q", "-s", "-f", "--noproxy", "*", *flags, url], stdout=subprocess.PIPE)
    digest = hashlib.sha256()
    while piece := curl.stdout.read(MIB):
        digest.update(piece)
    return digest.hexdigest(), curl.wait()


def three(work):
    """Text, a photo and a film of 200 MB, each on one of three servers that know each other."""
    ports = [free_port() for _ in range(3)]
    files = [("notes.txt", 3000), ("photo.jpg", 4 * MIB + 17), ("film.mp4", 200 * MIB + 5)]
    servers, sums = [], {}
    for at, (name, size) in enumerate(files):
        folder = os.path.join(work, f"three-{at}")
        os.mkdir(folder)
        sums[name] = write(os.path.join(folder, name), size, name)
        peers = [f"--peer=http://127.0.0.1:{port}" for port in ports if port != ports[at]]
        servers.append(Server(folder, *peers, "-v", port=ports[at]))
    for server in servers:
        for name, size in files:
            url = f"{server.url}/{name}"
            assert sha256_of(url) == (sums[name], 0), url
            for first in (0, size // 3, size - 1):
                last = min(size, first + 1000) - 1
                part = urllib.request.Request(url, headers={"Range": f"bytes={first}-{last}"})
                with urllib.request.urlopen(part) as answer:
                    assert answer.status == 206 and len(answer.read()) == last - first + 1, url
    held("every file from every server: 9 sha256 equal, 27 ranges")
    began = time.monotonic()
    took = []
    for number in range(50):
        began = time.monotonic()
        status = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", f"{servers[0].url}/missing-{number}"],
            capture_output=True, text=True).stdout.split()
        assert status[0] == "404", status
        took.append(float(status[1]) * 1000)
    took.sort()
    check(took[25] < 10, f"a miss on two healthy siblings: 404 in {took[25]:.1f} ms at the median, {took[-1]:.1f} ms at most of 50")
    for server in servers:
        server.end()


def one_fetch(work):
    """200 clients at once ask A for 1 GiB that only C has."""
    a, c = os.path.join(work, "one-a"), os.path.join(work, "one-c")
    os.mkdir(a), os.mkdir(c)
    expected = write(os.path.join(c, "large.bin"), GIB, "large")
    source = Server(c)
    asker = Server(a, "--peer", source.url, "-v")
    subprocess.run(["curl", "-s", "-I", "-o", "/dev/null", f"{asker.url}/large.bin"], check=True)
    before = asker.memory_mib()
    fetch = ["curl", "-q", "-s", "-f", "--noproxy", "*", f"{asker.url}/large.bin"]
    counted = [*fetch, "-o", "/dev/null", "-w", "%{size_download}"]
    # A few are looked at byte by byte, the others by their length: 200 GiB take long to hash.
    clients = [subprocess.Popen(fetch if n < HASHED else counted, stdout=subprocess.PIPE) for n in range(CLIENTS)]
    answers, most = [None] * CLIENTS, [before]

    def read(number):
        if number >= HASHED:
            answers[number] = (int(clients[number].stdout.read()), clients[number].wait())
            return
        digest = hashlib.sha256()
        while piece := clients[number].stdout.read(MIB):
            digest.update(piece)
        answers[number] = (digest.hexdigest(), clients[number].wait())

    def watch():
        while any(client.poll() is None for client in clients):
            most.append(asker.memory_mib())
            time.sleep(0.2)

    began = time.monotonic()
    threads = [threading.Thread(target=read, args=(number,)) for number in range(CLIENTS)]
    threads.append(threading.Thread(target=watch))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    right = all(answer == ((expected if n < HASHED else GIB), 0) for n, answer in enumerate(answers))
    check(right, f"{CLIENTS} clients at once, 1 GiB each, whole, {HASHED} of them by sha256: {took:.0f} s")
    gets = len(re.findall(r"GET /large\.bin", source.said()))
    check(gets == 1, f"the source's log shows {gets} GET")
    grown = max(most) - before
    check(grown < 64, f"the asker's memory grew by {grown:.1f} MiB, from {before:.1f}")
    asker.end(), source.end()


def sources_die(work):
    """kill -9 of the source half-way through 1 GiB, with and without another that has the same."""
    a, b, c = (os.path.join(work, f"die-{name}") for name in "abc")
    for folder in (a, b, c):
        os.mkdir(folder)
    expected = write(os.path.join(c, "large.bin"), GIB, "large")
    for has_second in (True, False):
        source, second = Server(c), Server(b)
        asker = Server(a, "--peer", source.url, "--peer", second.url)
        # It is asked first, since it had it lately.
        subprocess.run(["curl", "-s", "-I", "-o", "/dev/null", f"{asker.url}/large.bin"], check=True)
        if has_second:
            os.link(os.path.join(c, "large.bin"), os.path.join(b, "large.bin"))
        command = ["curl", "-q", "-s", "-f", "--noproxy", "*", f"{asker.url}/large.bin"]
        curl = subprocess.Popen(command, stdout=subprocess.PIPE)
        digest, passed = hashlib.sha256(), 0
        while piece := curl.stdout.read(MIB):
            digest.update(piece)
            passed += len(piece)
            if passed >= GIB // 2 and source.process.poll() is None:
                source.end(signal.SIGKILL)
        status = curl.wait()
        if has_second:
            check((digest.hexdigest(), status) == (expected, 0), "kill -9 of the source at 512 MiB, another has the same: curl ends with the right sha256")
            assert "goes on at byte" in asker.said(), asker.said()
            os.unlink(os.path.join(b, "large.bin"))
        else:
            check(status == 18 and passed < GIB, f"without another: curl reports the break (exit {status}) after {passed // MIB} MiB")
        for server in (asker, source, second):
            server.end()


def slow_disk(work):
    """One of three serves from a pipe that gives 1 MiB/s; nobody else's request is slowed."""
    a, b, c = (os.path.join(work, f"slow-{name}") for name in "abc")
    for folder in (a, b, c):
        os.mkdir(folder)
    write(os.path.join(b, "slow.bin"), 64 * MIB, "slow")
    write(os.path.join(c, "fast.bin"), MIB, "fast")
    slow, fast = Server(b), Server(c)
    port = free_port()
    throttle = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "throttle.py"), str(port), slow.url.rsplit(":", 1)[1], str(MIB)], stdout=subprocess.PIPE)
    throttle.stdout.readline()
    asker = Server(a, "--peer", f"http://127.0.0.1:{port}", "--peer", fast.url)

    def times(count):
        took = []
        for number in range(count):
            timed = ["curl", "-s", "-f", "-o", "/dev/null", "-w", "%{time_total}", f"{asker.url}/fast.bin"]
            took.append(float(subprocess.run(timed, capture_output=True, text=True, check=True).stdout) * 1000)
        return sorted(took)

    times(5)
    alone = times(60)
    clients = [subprocess.Popen(["curl", "-s", "-o", "/dev/null", f"{asker.url}/slow.bin"]) for _ in range(20)]
    time.sleep(1)
    beside = times(60)
    check(all(client.poll() is None for client in clients), "20 clients read from the sibling at 1 MiB/s meanwhile")
    for client in clients:
        client.kill(), client.wait()
    held(f"1 MiB from another sibling: {alone[30]:.1f} ms alone, {beside[30]:.1f} ms beside them, at the median of 60; {beside[57]:.1f} ms at the 95th of 100")
    check(beside[57] < alone[57] + 100, "none of them waits for the slow one")
    throttle.kill(), throttle.wait()
    for server in (asker, slow, fast):
        server.end()


work = tempfile.mkdtemp(prefix="sockeye-siblings-", dir=os.environ.get("TMPDIR", "/var/tmp"))
try:
    for part in (three, one_fetch, sources_die, slow_disk):
        print(f"-- {part.__doc__}", flush=True)
        part(work)
finally:
    shutil.rmtree(work, ignore_errors=True)
