"""Passes connections on to a port of this machine; what comes back from there, at so many bytes a second in all.

Usage: throttle.py PORT TO BYTES_A_SECOND"""

import asyncio
import sys

PORT, TO, RATE = (int(argument) for argument in sys.argv[1:])
turn = asyncio.Lock()


async def pump(reader, writer, rate):
    try:
        while piece := await reader.read(64 * 1024):
            if rate:
                async with turn:
                    await asyncio.sleep(len(piece) / rate)
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    there, here = await asyncio.open_connection("127.0.0.1", TO)
    await asyncio.gather(pump(reader, here, 0), pump(there, writer, RATE))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
