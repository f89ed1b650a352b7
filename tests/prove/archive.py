"""What the proof of archives needs besides a shell: archive.py first|stall URL, zip FILE FOLDER,
count FILE N, make FOLDER N [one]."""

import os
import sys
import time
import urllib.request
import zipfile
import zlib


def first(url):
    """How long it takes until the first byte of the body is here."""
    begun = time.monotonic()
    with urllib.request.urlopen(url) as answer:
        answer.read(1)
        print(f"{(time.monotonic() - begun) * 1000:.1f} ms")


def stall(url):
    """Reads a little and no more; says after how long the server has gone. What stands in the
    buffers by then is no whole archive."""
    answer = urllib.request.urlopen(url)
    answer.read(1000)
    begun = time.monotonic()
    inode = os.fstat(answer.fp.raw._sock.fileno()).st_ino
    port = answer.fp.raw._sock.getpeername()[1]
    own = answer.fp.raw._sock.getsockname()[1]
    while time.monotonic() - begun < 120:
        time.sleep(0.5)
        with open("/proc/net/tcp") as table:
            ends = [line.split() for line in table]
        # The server's end of the connection: established is 01.
        if not any(e[1].endswith(f":{port:04X}") and e[2].endswith(f":{own:04X}") and e[3] == "01" for e in ends):
            took = time.monotonic() - begun
            break
    else:
        sys.exit("it is not given up")
    try:
        while answer.read(1 << 20):
            pass
    except Exception:
        print(f"{took:.0f} s, and what came does not look whole")
        return
    sys.exit(f"what came looks whole (inode {inode})")


def same_zip(path, folder):
    """Each entry is as the file that it was made of, and none is missing."""
    archive = zipfile.ZipFile(path)
    if archive.testzip() is not None:
        sys.exit(f"testzip: {archive.testzip()}")
    names = set(archive.namelist())
    if len(names) != len(archive.namelist()):
        sys.exit("a name stands twice")
    top = os.path.dirname(os.path.abspath(folder))
    expected = set()
    for place, folders, files in os.walk(folder):
        expected.update(os.path.relpath(os.path.join(place, f), top) + "/" for f in folders)
        for file in files:
            full = os.path.join(place, file)
            name = os.path.relpath(full, top)
            expected.add(name)
            entry, crc = archive.getinfo(name), 0
            with open(full, "rb") as contents:
                while piece := contents.read(1 << 20):
                    crc = zlib.crc32(piece, crc)
            if (entry.CRC, entry.file_size) != (crc, os.path.getsize(full)):
                sys.exit(f"{name} differs")
            if abs(time.mktime(entry.date_time + (0, 0, -1)) - os.path.getmtime(full)) > 2:
                sys.exit(f"{name}: {entry.date_time}")
    expected.add(os.path.basename(folder) + "/")
    if names != expected:
        sys.exit(f"names differ: {list(names ^ expected)[:5]}")
    print(f"{len(names)} entries, {sum(e.file_size for e in archive.infolist())} bytes")


def count(path, files):
    archive = zipfile.ZipFile(path)
    found = sum(not entry.is_dir() for entry in archive.infolist())
    if found != files or len(set(archive.namelist())) != len(archive.namelist()):
        sys.exit(f"{found} of {files}")
    step = max(1, found // 1000)
    for entry in archive.infolist()[::step]:
        archive.read(entry)
    print(f"{found} files, every {step}th of which was read")


def make(folder, files, in_one):
    """So many tiny files, a thousand in a folder."""
    os.makedirs(folder)
    for i in range(files):
        place = folder if in_one else f"{folder}/{i // 1000:04}"
        if not in_one and i % 1000 == 0:
            os.mkdir(place)
        with open(f"{place}/file-{i:07}.txt", "w") as out:
            out.write(str(i))


match sys.argv[1:]:
    case ["first", url]:
        first(url)
    case ["stall", url]:
        stall(url)
    case ["zip", path, folder]:
        same_zip(path, folder)
    case ["count", path, files]:
        count(path, int(files))
    case ["make", folder, files, *one]:
        make(folder, int(files), bool(one))
    case other:
        sys.exit(f"archive.py does not know {other}")
