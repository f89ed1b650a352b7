"""100 uploads at once to a hub that is killed (SIGKILL) at a moment of its own in each round: what
is under its name is whole, what was acknowledged is there, and what is left over goes with the next
upload. Usage: killed.py WORK ROUNDS SEED"""

import hashlib
import http.client
import os
import random
import socket
import sys
import threading
import time
import urllib.parse

from hub import HANG_S, LEFT_OVER, Hub, broken, held, must

WORK, ROUNDS, SEED = os.path.realpath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
SHARE = f"{WORK}/share"
UPLOADERS = 100
FOLDERS = ["", "films", "films/1968", "写真 Ünïcode"]
# In these rounds, each tenth upload is to a name that others write to as well.
CONTESTED = [f"contested-{n}.bin" for n in range(5)]
SIZES = [0, 1, 5_000, 70_000, 300_000, 1_500_000]
LATEST_KILL_S = 0.8
# Without /proc a file has its hidden name from the start, as on disks that have no files without
# names; exec, so that the signal reaches the hub.
WITHOUT_PROC = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$0" "$@"']
SEPARATOR = "boundary-of-a-form"

dice = random.Random(SEED)
POOL = dice.randbytes(8 << 20)


class Upload:
    """One file that is sent, and whether the hub said that it has it."""

    def __init__(self, chance, name, way=None):
        self.folder = chance.choice(FOLDERS)
        self.name = name
        self.way = way or chance.choice([by_length, by_chunks, by_form])
        begin = chance.randrange(len(POOL) // 2)
        self.content = POOL[begin : begin + chance.choice(SIZES)]
        self.is_acknowledged = False

    @property
    def path(self):
        return os.path.join(self.folder, self.name)

    def send(self, port):
        """Nothing, or how it was refused."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            status, text = self.way(connection, self)
            self.is_acknowledged = status in (200, 201, 204)
            return None if self.is_acknowledged else f"{status} {text!r}"
        finally:
            connection.close()


def encoded(path):
    return "/" + urllib.parse.quote(path)


def asked(connection, method, path, body, fields=(), **how):
    connection.request(method, path, body=body, headers=dict(fields), **how)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def by_length(connection, upload):
    return asked(connection, "POST", encoded(upload.path), upload.content)[:2]


def by_chunks(connection, upload):
    content = upload.content
    chunks = (content[at : at + 20_000] for at in range(0, len(content), 20_000))
    fields = {"Transfer-Encoding": "chunked"}
    return asked(connection, "PUT", encoded(upload.path), chunks, fields, encode_chunked=True)[:2]


def by_form(connection, upload):
    head = f'--{SEPARATOR}\r\nContent-Disposition: form-data; name="f"; filename="{upload.name}"\r\n\r\n'
    body = head.encode() + upload.content + f"\r\n--{SEPARATOR}--\r\n".encode()
    fields = {"Content-Type": f"multipart/form-data; boundary={SEPARATOR}"}
    folder = encoded(upload.folder).rstrip("/") + "/"
    return asked(connection, "POST", folder, body, fields)[:2]


def by_pieces(connection, upload):
    half = len(upload.content) // 2
    fields = {"Upload-Complete": "?0", "Upload-Length": str(len(upload.content))}
    first = asked(connection, "POST", encoded(upload.path), upload.content[:half], fields)
    status, text, answered = first
    if status != 201 or "Location" not in answered:
        return status if status >= 400 else 500, text
    fields = {
        "Content-Type": "application/partial-upload",
        "Upload-Offset": str(half),
        "Upload-Complete": "?1",
    }
    return asked(connection, "PATCH", answered["Location"], upload.content[half:], fields)[:2]


class Round:
    """One life of a hub."""

    def __init__(self, number):
        self.number = number
        self.chance = random.Random(dice.random())
        self.hides_proc = number % 2 == 1
        self.overwrites = number % 4 >= 2
        self.uploads = []
        self.refusals = []
        self.lock = threading.Lock()
        self.ends = threading.Event()

    def run(self):
        rule = ["--overwrite"] if self.overwrites else []
        arguments = ["up", SHARE, "--port", "0", "--uploads", "--keep-free", "1M", *rule]
        hub = Hub(*arguments, before=WITHOUT_PROC if self.hides_proc else ())
        swept = sweep(hub, self.number)
        start = threading.Barrier(UPLOADERS + 1)
        chances = [random.Random(self.chance.random()) for _ in range(UPLOADERS)]
        crowd = [
            threading.Thread(target=self.send_until_cut, args=(hub, n, chances[n], start))
            for n in range(UPLOADERS)
        ]
        for uploader in crowd:
            uploader.start()
        start.wait()
        time.sleep(self.chance.uniform(0.005, LATEST_KILL_S))
        must(hub.is_running(), "the hub runs until it is killed", "it ended by itself")
        self.ends.set()
        hub.kill()
        for uploader in crowd:
            uploader.join()
        must(not self.refusals, "every upload is taken", f"round {self.number}: {self.refusals[:3]}")
        return swept

    def send_until_cut(self, hub, number, chance, start):
        start.wait()
        count = 0
        while not self.ends.is_set():
            is_contested = self.overwrites and number % 10 == 0
            name = chance.choice(CONTESTED) if is_contested else f"r{self.number}-{number}-{count}.bin"
            # One sender may have 16 files on their way in pieces.
            upload = Upload(chance, name, by_pieces if number % 10 == 1 else None)
            count += 1
            with self.lock:
                self.uploads.append(upload)
            try:
                refusal = upload.send(hub.port)
            except (OSError, http.client.HTTPException) as error:
                refusal = repr(error)
                if self.ends.is_set():
                    # It was cut by the kill, which is what this is about.
                    return
            if refusal:
                self.refusals.append(refusal)
                return

    def check(self):
        """What there is, beside what was sent; returns how many were left over."""
        sent = {}
        for upload in self.uploads:
            sent.setdefault(upload.path, []).append(upload)
        left_over = 0
        for path in files():
            if LEFT_OVER.match(os.path.basename(path)):
                left_over += 1
                continue
            if path not in sent:
                broken("nothing but what was sent is there", path)
            got = digest(open(f"{SHARE}/{path}", "rb").read())
            if got not in {digest(upload.content) for upload in sent[path]}:
                size = os.path.getsize(f"{SHARE}/{path}")
                broken("what is under its name is whole", f"round {self.number}: {path}, {size} bytes")
        for path, uploads in sent.items():
            is_acknowledged = any(upload.is_acknowledged for upload in uploads)
            if is_acknowledged and not os.path.exists(f"{SHARE}/{path}"):
                broken("what was acknowledged is there", f"round {self.number}: {path}")
        for path in files():
            if not LEFT_OVER.match(os.path.basename(path)):
                os.unlink(f"{SHARE}/{path}")
        return left_over


def sweep(hub, number):
    """One upload into each folder takes away what the last hub left there."""
    before = sum(1 for path in files() if LEFT_OVER.match(os.path.basename(path)))
    for folder in FOLDERS:
        path = os.path.join(folder, "sweeper.txt")
        status, _, text = hub.ask("POST", encoded(path), b"x")
        must(status == 200, "a hub that starts again receives", f"{status} {text!r}")
        os.unlink(f"{SHARE}/{path}")
    left = list(files())
    must(not left, "what was left over goes with the next upload", f"round {number}: {left}")
    return before


def files():
    for folder, _, names in os.walk(SHARE):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), SHARE)


def digest(content):
    return hashlib.sha256(content).digest()


for folder in FOLDERS:
    os.makedirs(f"{SHARE}/{folder}", exist_ok=True)
print(f"       seed {SEED}: {UPLOADERS} uploads at once, {ROUNDS} kills", flush=True)
begun = acknowledged = left_over = swept = 0
started = time.monotonic()
for number in range(ROUNDS):
    life = Round(number)
    swept += life.run()
    left_over += life.check()
    begun += len(life.uploads)
    acknowledged += sum(upload.is_acknowledged for upload in life.uploads)
last = Hub("up", SHARE, "--port", "0", "--uploads", "--keep-free", "1M")
swept += sweep(last, ROUNDS)
last.stop()
must(acknowledged > 0 and begun > acknowledged, "kills hit uploads", f"{acknowledged} of {begun}")
must(swept == left_over, "all that was left over was swept", f"{swept} of {left_over}")
took = time.monotonic() - started
held("what is under its name is whole, in every way of sending", f"{ROUNDS} kills in {took:.0f} s")
held("what was acknowledged is there, by its sha256", f"{acknowledged} files, {begun - acknowledged} cut")
held("what was left over is gone after the next upload", f"{left_over} of .sockeye-*.part")
