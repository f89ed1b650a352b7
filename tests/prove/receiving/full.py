"""Full disks of every kind: a tmpfs of 50 MB, one that others fill meanwhile, a quota, no inode
left, a limit of the process. Each time the sender is told so, nothing is left over, and the hub
goes on. Runs in a mount namespace of its own (unshare -m). Usage: full.py WORK"""

import contextlib
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import time

from hub import HANG_S, Hub, broken, equal, held, must

WORK = os.path.realpath(sys.argv[1])
MEGABYTE = 1024 * 1024
TOO_LITTLE = b"the disk has too little space left"


@contextlib.contextmanager
def disk(options, source="sockeye-prove", kind="tmpfs"):
    """A disk of its own."""
    place = f"{WORK}/disk"
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, source, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def hub_on(place, *arguments, before=()):
    hub = Hub("up", place, "--port", "0", "--uploads", *arguments, before=before)
    try:
        yield hub
        hub.stop()
    finally:
        if hub.is_running():
            hub.kill()


def free_bytes(place):
    facts = os.statvfs(place)
    return facts.f_bavail * facts.f_frsize


def names(place):
    return sorted(os.listdir(place))


def must_be_whole(promise, hub, path, content):
    status, _, got = hub.ask("GET", path)
    same = hashlib.sha256(got).digest() == hashlib.sha256(content).digest()
    must(status == 200 and same, promise, f"{path}: {status}, {len(got)} bytes")


def eventually(promise, holds):
    deadline = time.monotonic() + HANG_S
    while not holds():
        must(time.monotonic() < deadline, promise, "not so in time")
        time.sleep(0.02)


def fill(place, leave_bytes):
    """Somebody else takes the space."""
    with open(f"{place}/.ballast", "wb") as ballast:
        try:
            while free_bytes(place) > leave_bytes:
                ballast.write(bytes(min(MEGABYTE // 4, free_bytes(place) - leave_bytes)))
                ballast.flush()
        except OSError:
            pass


class Chunked:
    """An upload without a length, chunk by chunk."""

    def __init__(self, hub, path):
        self.socket = socket.create_connection(("127.0.0.1", hub.port), timeout=HANG_S)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.socket.sendall(head.encode())

    def send(self, content):
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(content), content))

    def send_until_answered(self, most_bytes):
        """The answer, which may come before all was sent."""
        sent = 0
        try:
            while sent < most_bytes:
                self.send(b"c" * 65_536)
                sent += 65_536
            self.socket.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self.answer()

    def answer(self):
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        with self.socket:
            return answer.status, answer.read()


def a_disk_of_50_megabytes():
    with disk("size=50m") as place, hub_on(place) as hub:
        content, count = os.urandom(4 * MEGABYTE), 0
        while True:
            status, _, text = hub.ask("POST", f"/{count}.bin", content)
            if status != 200:
                break
            count += 1
            must(count < 13, "uploads until the disk is full", "it took more than it has")
        equal(f"the disk of 50 MB is full after {count} files of 4 MiB", status, 507)
        held("and says so", text.decode().strip())
        must(TOO_LITTLE in text, "and says so", text)
        equal("nothing of the one too many is there", len(names(place)), count)
        kept = free_bytes(place)
        must(kept >= MEGABYTE, "a fiftieth of the disk stays free", kept)
        for n in range(count):
            must_be_whole("every other file is whole", hub, f"/{n}.bin", content)
        held("every other file is whole, and still served", f"{kept / MEGABYTE:.1f} MiB stayed free")

        sent = curl(hub, "/more.bin", "8M", "-H", "Expect: 100-continue", "--expect100-timeout", "20")
        equal("who asks first (Expect: 100-continue) sends nothing", sent, ("507", "0"))
        _, _, text = hub.ask("POST", "/x", bytes(8 * MEGABYTE), {"Accept": "application/json"}.items())
        held("a program is told in JSON", text.decode().strip())
        must(b'"status":507' in text, "a program is told in JSON", text)

        status, text = Chunked(hub, "/endless.bin").send_until_answered(200 * MEGABYTE)
        must(status == 507 and TOO_LITTLE in text, "a body without a length ends in 507", (status, text))
        held("a body without a length ends in 507", text.decode().strip())
        equal("of which nothing is left", (len(names(place)), free_bytes(place)), (count, kept))

        small = os.urandom(1000)
        os.unlink(f"{place}/0.bin")
        status, _, _ = hub.ask("POST", "/small.bin", small)
        equal("as soon as there is space again, files are received", status, 200)
        must_be_whole("and served", hub, "/small.bin", small)


def curl(hub, path, size, *arguments):
    """curl's upload of so many zeros: (status, how many were sent)."""
    source = f"{WORK}/zeros"
    subprocess.run(["truncate", "-s", size, source], check=True)
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}", *arguments]
    told = subprocess.run([*command, "-T", source, hub.url + path], capture_output=True, text=True)
    os.unlink(source)
    return tuple(told.stdout.split())


def what_is_to_stay_free():
    with disk("size=50m") as place, hub_on(place, "--keep-free", "20M") as hub:
        equal("--keep-free 20M: 31 MB are too many", curl(hub, "/a.bin", "31M")[0], "507")
        equal("and 29 MB are not", curl(hub, "/a.bin", "29M")[0], "201")
        status = Chunked(hub, "/b.bin").send_until_answered(60 * MEGABYTE)[0]
        equal("a body without a length stops there as well", status, 507)
        must(free_bytes(place) >= 20 * MEGABYTE, "20 MB stay free", free_bytes(place))
        equal("nothing is left of it", names(place), ["a.bin"])


def two_that_do_not_fit_together():
    with disk("size=50m") as place, hub_on(place) as hub:
        both = [Chunked(hub, f"/{name}.bin") for name in "ab"]
        for _ in range(30 * 16):
            for upload in both:
                with contextlib.suppress(OSError):
                    upload.send(b"c" * 65_536)
        answers = []
        for upload in both:
            with contextlib.suppress(OSError):
                upload.socket.sendall(b"0\r\n\r\n")
            answers.append(upload.answer()[0])
        must(507 in answers, "two of 30 MB at once do not both fit", answers)
        whole = [os.path.getsize(f"{place}/{name}") for name in names(place)]
        saved = [30 * MEGABYTE] * answers.count(200)
        equal("two of 30 MB at once do not both fit, and no part is left", whole, saved)


def others_fill_the_disk():
    """Past every look at the space that is left: the system itself says no."""
    with disk("size=50m") as place, hub_on(place, "--keep-free", "0", "--hidden") as hub:
        upload = Chunked(hub, "/late.bin")
        upload.send(b"c" * 100_000)
        fill(place, 0)
        status = upload.send_until_answered(600_000)[0]
        equal("a disk that others fill in the middle of a file: ENOSPC", status, 507)
        status, _, text = hub.ask("POST", "/next.bin", b"x")
        must(status == 507 and TOO_LITTLE in text, "and the next is told so", (status, text))
        status, _, _ = hub.ask("GET", "/-/api/hub")
        equal("the hub still answers", status, 200)
        equal("nothing is left over", names(place), [".ballast"])
        os.unlink(f"{place}/.ballast")
        equal("then there is space, and it receives", hub.ask("POST", "/next.bin", b"x")[0], 200)


def a_file_in_pieces():
    with disk("size=50m") as place, hub_on(place) as hub:
        fields = {"Upload-Complete": "?0", "Upload-Length": str(60 * MEGABYTE)}
        equal("60 MB in pieces are refused at the first", hub.ask("POST", "/p", b"", fields.items())[0], 507)
        del fields["Upload-Length"]
        status, answered, _ = hub.ask("POST", "/p", bytes(MEGABYTE), fields.items())
        must(status == 201, "a file in pieces begins", status)
        offset = MEGABYTE
        while status in (201, 204):
            fields = {
                "Content-Type": "application/partial-upload",
                "Upload-Offset": str(offset),
                "Upload-Complete": "?0",
            }
            status, _, text = hub.ask("PATCH", answered["Location"], bytes(8 * MEGABYTE), fields.items())
            offset += 8 * MEGABYTE
        must(status == 507 and TOO_LITTLE in text, "one that grows beyond the disk is told so", (status, text))
        held("one that grows beyond the disk is told so", f"507 before {offset // MEGABYTE} MiB")
        eventually("what came of it is gone", lambda: free_bytes(place) == 50 * MEGABYTE)
        equal("what came of it is gone", names(place), [])


def a_quota():
    """btrfs gives a folder a limit of its own, of which statvfs(2) says nothing."""
    image = f"{WORK}/btrfs.img"
    with open(image, "wb") as file:
        file.truncate(200 * MEGABYTE)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    try:
        quota_disk = contextlib.ExitStack()
        place = quota_disk.enter_context(disk("loop", image, "btrfs"))
    except subprocess.CalledProcessError:
        print("       no loop device or no btrfs here: the quota is left out", flush=True)
        return
    with quota_disk:
        subprocess.run(["btrfs", "quota", "enable", place], check=True)
        subprocess.run(["btrfs", "qgroup", "limit", "10M", place], check=True)
        with hub_on(place) as hub:
            equal("a quota of 10 MB (EDQUOT): 6 MB fit", curl(hub, "/a.bin", "6M")[0], "201")
            equal("6 more do not", curl(hub, "/b.bin", "6M")[0], "507")
            equal("and leave nothing", names(place), ["a.bin"])
            equal("what still fits does", hub.ask("POST", "/small.bin", b"x" * 1000)[0], 200)


def no_inode_left():
    with disk("size=50m,nr_inodes=20") as place, hub_on(place) as hub:
        answers = [hub.ask("POST", f"/{n}", b"x") for n in range(25)]
        status, _, text = answers[-1]
        must(status == 507 and TOO_LITTLE in text, "a disk without a free inode", (status, text))
        saved = sum(status == 200 for status, _, _ in answers)
        equal("a disk without a free inode: 507, and no part is left", len(names(place)), saved)


def a_limit_of_the_process():
    limited = ["prlimit", f"--fsize={MEGABYTE}:{MEGABYTE}"]
    with disk("size=50m") as place, hub_on(place, before=limited) as hub:
        status = Chunked(hub, "/large.bin").send_until_answered(4 * MEGABYTE)
        must(status[0] == 413, "a file over the process's own limit (ulimit -f)", status)
        held("a file over the process's own limit (ulimit -f)", f"413 {status[1].decode().strip()}")
        equal("which leaves nothing", names(place), [])
        equal("and the hub goes on", hub.ask("POST", "/small.bin", b"x")[0], 200)


for part in (
    a_disk_of_50_megabytes,
    what_is_to_stay_free,
    two_that_do_not_fit_together,
    others_fill_the_disk,
    a_file_in_pieces,
    a_quota,
    no_inode_left,
    a_limit_of_the_process,
):
    try:
        part()
    except (OSError, http.client.HTTPException) as error:
        broken(part.__name__.replace("_", " "), repr(error))
