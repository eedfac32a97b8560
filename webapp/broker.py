"""The local queue: a folder a queue, a file a message. For one machine without a message server.

kombu's own filesystem transport writes a message into the file that readers already see, and
takes one by copying it to the system's temporary folder where that lies on another disk. Here a
message appears whole or not at all (written aside, then renamed), and is taken by exactly one
reader (renamed away). A message taken by a process that is then killed is gone:
`catalog.services.sweeping` enqueues again what nobody holds.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads

__all__ = ["Channel", "Transport"]


class Channel(virtual.Channel):
    """Direct exchanges only; transport option `folder` says where the queues are."""

    supports_fanout = False

    def _folder(self, queue: str) -> Path:
        folder = Path(self.connection.client.transport_options["folder"]) / queue
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _put(self, queue: str, payload: Any, **_: Any) -> None:
        folder = self._folder(queue)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        aside = folder / f".{name}"
        aside.write_bytes(str_to_bytes(dumps(payload)))
        aside.rename(folder / f"{name}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in sorted(self._folder(queue).glob("*.msg")):
            mine = path.with_name(f".{path.stem}.taken")
            try:
                path.rename(mine)
            except FileNotFoundError:  # another worker took it
                continue
            payload = mine.read_bytes()
            mine.unlink()
            return loads(bytes_to_str(payload))
        raise Empty

    def _purge(self, queue: str) -> int:
        messages = list(self._folder(queue).glob("*.msg"))
        for path in messages:
            path.unlink(missing_ok=True)
        return len(messages)

    def _size(self, queue: str) -> int:
        return sum(1 for _ in self._folder(queue).glob("*.msg"))


class Transport(virtual.Transport):
    Channel = Channel

    implements = virtual.Transport.implements.extend(
        asynchronous=False, exchange_type=frozenset(["direct"]), heartbeats=False
    )
    global_state = virtual.BrokerState()
    default_port = 0
    driver_type = "files"
    driver_name = "files"

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self.state = self.global_state

    def driver_version(self) -> str:
        return "1"
