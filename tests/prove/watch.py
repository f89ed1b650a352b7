"""`sockeye clock watch` against a clock that takes the time of each request: 1 to 2 s apart, both
kinds by chance, and Ctrl-C ends it well. Usage: watch.py SOCKEYE tcp|udp SECONDS"""

import signal
import socket
import subprocess
import sys
import threading
import time

SOCKEYE, WIRE, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
# What a busy machine may add.
SLACK_S = 0.25
ANSWERS = {b"SEND_DATE": b"2026-11-20", b"SEND_TIME": b"14:03:09"}
asked = []


def broken(why):
    sys.exit(f"BROKEN clock watch over {WIRE}: {why}")


def serve_tcp(listener):
    while True:
        stream, _ = listener.accept()
        while message := stream.recv(1024):
            asked.append((time.monotonic(), message))
            stream.sendall(ANSWERS.get(message, b"Error in request format"))


def serve_udp(server):
    while True:
        message, caller = server.recvfrom(1024)
        asked.append((time.monotonic(), message))
        server.sendto(ANSWERS.get(message, b"Error in request format"), caller)


kind = socket.SOCK_STREAM if WIRE == "tcp" else socket.SOCK_DGRAM
server = socket.socket(socket.AF_INET, kind)
server.bind(("127.0.0.1", 0))
if WIRE == "tcp":
    server.listen()
serve = serve_tcp if WIRE == "tcp" else serve_udp
threading.Thread(target=serve, args=[server], daemon=True).start()
url = f"{WIRE}://127.0.0.1:{server.getsockname()[1]}"
watch = subprocess.Popen([SOCKEYE, "clock", "watch", url], stdout=subprocess.PIPE, text=True)
time.sleep(SECONDS)
watch.send_signal(signal.SIGINT)
printed = watch.communicate(timeout=10)[0].split()

gaps = [after - before for (before, _), (after, _) in zip(asked, asked[1:])]
kinds = {message for _, message in asked}
if watch.returncode != 0:
    broken(f"Ctrl-C ended it with {watch.returncode}")
if kinds != set(ANSWERS):
    broken(f"it asked for {kinds}")
if len(asked) < SECONDS / 2 - 2:
    broken(f"it asked {len(asked)} times")
if min(gaps) < 0.98 or max(gaps) > 2 + SLACK_S:
    broken(f"requests are {min(gaps):.3f} to {max(gaps):.3f} s apart")
if printed != [ANSWERS[message].decode() for _, message in asked]:
    broken(f"it printed {printed}")
what = f"clock watch over {WIRE} for {SECONDS:.0f} s, then Ctrl-C"
print(f"held   {what:<62} {len(asked)} requests, {min(gaps):.3f} to {max(gaps):.3f} s apart, exit 0")
