"""Measures when idle connections are closed: with 20 of them after about 5 s, with one after
about 19 s. Usage: idle.py URL"""

import select
import socket
import sys
import time
import urllib.parse

HOST = urllib.parse.urlsplit(sys.argv[1])


def connect():
    connection = socket.create_connection((HOST.hostname, HOST.port))
    connection.sendall(b"GET /empty HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while not connection.recv(65536).endswith(b"\r\n\r\n"):
        pass
    return connection


def seconds_until_closed(connection):
    begun = time.monotonic()
    connection.settimeout(60)
    assert connection.recv(1) == b""
    return time.monotonic() - begun


def hold(promise, seconds, low, high):
    ok = low <= seconds <= high
    print(f"{'held  ' if ok else 'BROKEN'} {promise:<62} {seconds:.1f} s")
    return ok


crowd = [connect() for _ in range(20)]
begun = time.monotonic()
# Who leaves gives the others more time, so that only the first is timed.
select.select(crowd, [], [], 60)
ok = hold("with 20 idle connections one is closed after about 5 s", time.monotonic() - begun, 4, 7)
for connection in crowd:
    connection.close()
alone = connect()
ok &= hold("a single idle connection is closed after about 19 s", seconds_until_closed(alone), 17, 21)
sys.exit(0 if ok else 1)
