"""A chat of one room.

Its messages are rows of a SQLite file that all processes share, those of the previous and of the next release
too. So it does not matter which of them a visitor is connected to, and one who comes back misses nothing.
"""

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, PlainTextResponse

LONGEST = 2000
# Seconds between two polls for messages of others.
PAUSE = 0.1


def connect() -> sqlite3.Connection:
    """Open the file. Each statement is a transaction, and waits while another process writes."""
    file = os.environ.get("CHAT_FILE", "chat.db")
    found = sqlite3.connect(file, timeout=10, isolation_level=None, check_same_thread=False)
    # Safe with a write-ahead log, and nobody waits for the disk.
    found.execute("PRAGMA synchronous = NORMAL")
    return found


# Two, since reading never waits with a write-ahead log, and must not wait for what this process itself writes.
reading, writing = connect(), connect()
app = FastAPI()


@app.get("/")
def page() -> FileResponse:
    """The room, which connects to the websocket."""
    return FileResponse(Path(__file__).with_name("index.html"))


@app.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Answer the health check: the messages can be read."""
    reading.execute("SELECT id FROM messages LIMIT 1").fetchall()
    return "ok\n"


@app.websocket("/ws")
async def talk(socket: WebSocket, after: int = 0) -> None:
    """Store a visitor's messages, and send all messages after the last one that the visitor has."""
    await socket.accept()
    await socket.send_json({"release": os.environ.get("HOSTSMITH_RELEASE", "my desk")})
    sending = asyncio.create_task(send(socket, after))
    try:
        while True:
            message = await socket.receive_json()
            # The visitor's key of the message: one that is sent again after a lost connection counts once.
            row = (str(message["key"]), str(message["text"])[:LONGEST])
            await asyncio.to_thread(writing.execute, "INSERT OR IGNORE INTO messages (key, text) VALUES (?, ?)", row)
    except WebSocketDisconnect:
        pass
    except (ValueError, KeyError, TypeError):
        await socket.close(code=1003, reason="expected JSON with a key and a text")
    finally:
        sending.cancel()


async def send(socket: WebSocket, after: int) -> None:
    """Send each message after that one, in their order, for as long as the visitor stays."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            for number, key, text in reading.execute(
                "SELECT id, key, text FROM messages WHERE id > ? ORDER BY id", (after,)
            ).fetchall():
                await socket.send_json({"id": number, "key": key, "text": text})
                after = number
            await asyncio.sleep(PAUSE)


def prepare() -> None:
    """Make the file, if there is none: what the Procfile's release command does."""
    writing.execute("PRAGMA journal_mode = WAL")
    writing.execute("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, key TEXT UNIQUE, text TEXT NOT NULL)")


if __name__ == "__main__":
    prepare()
