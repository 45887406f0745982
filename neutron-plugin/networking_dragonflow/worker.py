"""The process that listens to servers and compares: one for each host of Neutron.

Several do no harm: what they hear and repair is the same.
"""

import threading
from typing import Any

from neutron_lib import worker
from oslo_log import log

from networking_dragonflow import audit, backend, hearing, settings

LOG = log.getLogger(__name__)


class DragonflowWorker(worker.BaseWorker):
    """Has a thread that listens and one that audits, from start to stop."""

    def __init__(self) -> None:
        """Ask Neutron for a process of its own."""
        super().__init__(worker_process_count=1, desc="dragonflow")
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, **kwargs: Any) -> None:
        """Start the threads."""
        super().start(desc="dragonflow", **kwargs)
        conf = settings.register()
        self._stop.clear()
        runs = [
            ("listener", hearing.Listener(backend.connect(), conf.heartbeat).run),
            ("auditor", audit.Auditor(backend.connect(), conf.audit_recent, conf.audit_full).run),
            *(("asked", audit.Asked(backend.connect(url)).run) for url in conf.server),
        ]
        self._threads = [
            threading.Thread(target=run, args=(self._stop,), name=f"dragonflow-{name}", daemon=True)
            for name, run in runs
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Have the threads end."""
        self._stop.set()

    def wait(self) -> None:
        """Wait until the threads have ended, which a request that waits for news delays."""
        for thread in self._threads:
            thread.join(timeout=1)

    def reset(self) -> None:
        """Go on: settings are read at the start."""
