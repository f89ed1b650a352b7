"""Holds many clients on each driver and tells what one costs: the growth of the server's VmRSS
between no clients and all of them, divided. Usage: capacity.py SOCKEYE"""

import resource
import select
import socket
import subprocess
import sys

SOCKEYE = sys.argv[1]
CLIENTS = {"tasks": 10_000, "threads": 2_000, "single": 10_000}
PER_SOURCE = 250
ANSWERS = {"echo": b"hello\n", "clock": b"Error in request format\n"}
DEAF = 100
DEAF_MAX_KIB = 2048
FLOOD_BYTES = 200 << 20


def must(holds, why):
    if not holds:
        sys.exit(f"BROKEN {why}")


class Server:
    def __init__(self, service, driver, clients):
        self.process = subprocess.Popen(
            [SOCKEYE, "serve", service, "--on", "tcp://127.0.0.1:0", "--driver", driver]
            + ["--quiet", "--idle-timeout", "none", "--max-clients", str(clients)],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline().strip()
        host, port = line.removeprefix("listening on tcp://").split(":")
        self.address, self.answer = (host, int(port)), ANSWERS[service]
        # The first client brings in what every conversation shares.
        with self.connect(0) as first:
            self.all_ask([first])

    def connect(self, i):
        source = f"127.0.0.{1 + i // PER_SOURCE}"
        return socket.create_connection(self.address, timeout=30, source_address=(source, 0))

    def all_ask(self, crowd):
        for client in crowd:
            client.sendall(b"hello\n")
        for client in crowd:
            got = b""
            while len(got) < len(self.answer):
                piece = client.recv(len(self.answer) - len(got))
                must(piece, "a client was cut")
                got += piece
            must(got == self.answer, f"a client was answered {got}")

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])

    def kill(self):
        self.process.kill()
        self.process.wait()


def hold_idle(service, driver):
    clients = CLIENTS[driver]
    server = Server(service, driver, clients)
    empty = server.rss_kib()
    crowd = [server.connect(i) for i in range(clients)]
    # Who is told so comes after everybody else was let in.
    with server.connect(clients) as over:
        told = over.recv(1000).decode().strip()
    wanted = f"busy: {clients} of {clients} clients are here, try again later"
    must(told == wanted, f"who is over was told `{told}`")
    silent = server.rss_kib()
    server.all_ask(crowd)
    server.all_ask(crowd)
    spoke = server.rss_kib()
    poll = select.poll()
    for client in crowd:
        poll.register(client, select.POLLIN)
    must(not poll.poll(0), "an idle client was cut")
    server.kill()
    for client in crowd:
        client.close()
    silent, spoke = ((now - empty) / clients for now in (silent, spoke))
    print(f"held   {service:<5} {driver:<7} {clients:>6} idle clients: {silent:5.1f} KiB each,"
          f" {spoke:5.1f} KiB after two answers; {empty / 1024:.1f} MiB without any", flush=True)


def fill(deaf, bytes, server, other):
    """Sends until nothing more is taken, however often another client is answered meanwhile."""
    deaf.setblocking(False)
    taken = refusals = 0
    while refusals < 20:
        try:
            taken, refusals = taken + deaf.send(bytes), 0
        except BlockingIOError:
            refusals += 1
            server.all_ask([other])
        must(taken < FLOOD_BYTES, "a client that never reads was read from without end")


def hold_deaf(service, driver):
    server = Server(service, driver, 1000)
    empty = server.rss_kib()
    other = server.connect(0)
    crowd = [server.connect(1 + i) for i in range(DEAF)]
    for deaf in crowd:
        fill(deaf, b"x" * 65536 if service == "echo" else b"\n" * 65536, server, other)
    each = (server.rss_kib() - empty) / DEAF
    server.kill()
    must(each < DEAF_MAX_KIB, f"{service} {driver}: {each:.0f} KiB for each that never reads")
    print(f"held   {service:<5} {driver:<7} {DEAF:>6} clients that send and never read:"
          f" {each:.0f} KiB each, and others are answered", flush=True)


_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
needed = max(CLIENTS.values()) + 100
allowed = most == resource.RLIM_INFINITY or most >= needed
must(allowed, f"{needed} descriptors are needed and `ulimit -Hn` allows {most}: raise it")
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
for service in ANSWERS:
    for driver in CLIENTS:
        hold_idle(service, driver)
for service in ANSWERS:
    for driver in CLIENTS:
        hold_deaf(service, driver)
