"""What servers tell: ports that are wired or not, floating IPs that are served or not, chassis that live or not."""

import contextlib
import datetime
import threading
import time
from typing import Any, Protocol

from neutron.db import provisioning_blocks
from neutron.objects import agent as agent_objects
from neutron.objects import trunk as trunk_objects
from neutron_lib import constants, exceptions
from neutron_lib import context as neutron_context
from neutron_lib.callbacks import resources
from neutron_lib.db import api as db_api
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory
from oslo_config import cfg
from oslo_log import log
from oslo_utils import timeutils

from networking_dragonflow import addresses, backend, binding, database, objects
from networking_dragonflow.server import RefusedError, UnavailableError

LOG = log.getLogger(__name__)

_WAIT = 5
_PAUSE = 1.0
_CHUNK = 500


class Tells(Protocol):
    """A client of servers."""

    def status(self, cursor: str | None, wait: int) -> dict[str, Any]:
        """Return what has changed since the cursor."""


class Listener:
    """Hears from a server and makes Neutron's database say so. For one thread."""

    def __init__(self, server: Tells, heartbeat: float) -> None:
        """Listen to server; tell of agents that live every heartbeat seconds."""
        self._server, self._heartbeat = server, heartbeat
        self._cursor: str | None = None
        self._agents: dict[str, dict[str, Any]] = {}
        self._ports: dict[str, str] = {}
        self._floatingips: dict[str, str] = {}
        self._trunks: dict[str, str] = {}
        self._addresses: dict[str, dict[str, Any]] = {}
        self._tried: dict[str, set[str]] = {}
        self._refreshed = 0.0

    def run(self, stop: threading.Event) -> None:
        """Listen until stop."""
        failing = False
        while not stop.is_set():
            try:
                self.hear()
                failing = False
                continue
            except (UnavailableError, RefusedError) as e:
                if not failing:
                    LOG.warning("dragonflow: no server tells how ports and chassis are, trying on: %s", e)
            except Exception:  # one bad moment of the database must not end it
                LOG.exception("dragonflow: what a server told could not be stored, listening anew")
                self._cursor = None
            failing = True
            stop.wait(_PAUSE)

    def hear(self) -> None:
        """Take what is new, waiting for it for a while."""
        news = self._server.status(self._cursor, _WAIT)
        if news.get("complete"):
            self._forget()
        for agent in news.get("agents") or []:
            self._agents[agent["host"]] = agent
            self._agent(agent, new=True)
        self._statuses(self._ports, news.get("ports"))
        self._statuses(self._floatingips, news.get("floatingips"))
        self._statuses(self._trunks, news.get("trunks"))
        for removed in news.get("removed") or []:
            self._removed(removed["kind"], removed["id"])
        self._hear_addresses(news)
        self._show_ports([port["id"] for port in news.get("ports") or []])
        self._show_floatingips([fip["id"] for fip in news.get("floatingips") or []])
        self._show_trunks([trunk["id"] for trunk in news.get("trunks") or []])
        self._cursor = news.get("cursor")
        if time.monotonic() - self._refreshed > self._heartbeat:
            self._refresh()

    def _forget(self) -> None:
        self._agents.clear()
        self._ports.clear()
        self._floatingips.clear()
        self._trunks.clear()
        self._addresses.clear()

    @staticmethod
    def _statuses(known: dict[str, str], news: list[dict[str, Any]] | None) -> None:
        for one in news or []:
            known[one["id"]] = one["status"]

    def _removed(self, kind: str, id_: str) -> None:
        if kind == "port":
            self._ports.pop(id_, None)
        elif kind == "floatingip":
            self._floatingips.pop(id_, None)
        elif kind == "trunk":
            self._trunks.pop(id_, None)
        elif kind == "agent":
            for host in [host for host, agent in self._agents.items() if agent["id"] == id_]:
                del self._agents[host]
                self._delete_agent(host)

    def _hear_addresses(self, news: dict[str, Any]) -> None:
        known = dict(self._addresses)
        for address in news.get("addresses") or []:
            self._addresses[address["id"]] = address
        for removed in news.get("removed") or []:
            if removed["kind"] == "address":
                self._addresses.pop(removed["id"], None)
        if news.get("complete") or known != self._addresses:
            addresses.settle(self._addresses)

    def _refresh(self) -> None:
        """Say that chassis still live, and what may have been missed because a port was being bound."""
        self._refreshed = time.monotonic()
        for agent in self._agents.values():
            if agent["alive"]:
                self._agent(agent, new=False)
                self._bind_again(agent["host"])
        self._show_ports(list(self._ports))
        self._show_floatingips(list(self._floatingips))
        self._show_trunks(list(self._trunks))
        addresses.settle(self._addresses)

    def _bind_again(self, host: str) -> None:
        """Bind ports whose binding failed although their chassis lives, once each.

        Neutron does so when it sees an agent revive; but a port may have been on its way just then, and which agents
        have died may not have been told because this process had.
        """
        failed = database.failed_bindings(host)
        fresh = failed - self._tried.get(host, set())
        self._tried[host] = failed
        if fresh:
            LOG.info("dragonflow: %d ports on %s, which lives, are not bound: binding them again", len(fresh), host)
            binding.bind_again(neutron_context.get_admin_context(), host)

    def _agent(self, agent: dict[str, Any], *, new: bool) -> None:
        context, plugin = neutron_context.get_admin_context(), directory.get_plugin()
        state = {
            "agent_type": binding.AGENT_TYPE,
            "binary": binding.AGENT_BINARY,
            "host": agent["host"],
            "topic": "N/A",
            "configurations": agent.get("configurations") or {},
            "availability_zone": agent.get("availability_zone"),
        }
        if new and agent["alive"]:
            state["start_flag"] = True
        plugin.create_or_update_agent(context, state)
        if not agent["alive"]:
            self._declare_dead(context, agent["host"])

    @staticmethod
    def _declare_dead(context: Any, host: str) -> None:
        # Neutron knows dead agents by their silence only; the server knows it sooner, by a lease.
        row = agent_objects.Agent.get_object(context, agent_type=binding.AGENT_TYPE, host=host)
        if row is not None:
            silence = datetime.timedelta(seconds=cfg.CONF.agent_down_time + 1)
            row.heartbeat_timestamp = timeutils.utcnow() - silence
            row.update()

    @staticmethod
    def _delete_agent(host: str) -> None:
        context = neutron_context.get_admin_context()
        row = agent_objects.Agent.get_object(context, agent_type=binding.AGENT_TYPE, host=host)
        if row is not None:
            row.delete()

    def _show_ports(self, ids: list[str]) -> None:
        context = neutron_context.get_admin_context()
        for start in range(0, len(ids), _CHUNK):
            stored = database.port_statuses(ids[start : start + _CHUNK])
            for id_, (status, owner, up) in stored.items():
                wanted = self._ports.get(id_, status)
                if wanted == constants.PORT_STATUS_ACTIVE and not up:
                    wanted = constants.PORT_STATUS_DOWN
                if wanted != status:
                    _show_port(context, id_, wanted, owner)

    def _show_floatingips(self, ids: list[str]) -> None:
        plugin = directory.get_plugin(plugin_constants.L3)
        if plugin is None:
            return
        context = neutron_context.get_admin_context()
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            for fip in plugin.get_floatingips(context, filters={"id": chunk}, fields=["id", "status"]):
                wanted = self._floatingips.get(fip["id"], fip["status"])
                if wanted != fip["status"]:
                    with contextlib.suppress(exceptions.NotFound):
                        _show_floatingip(fip["id"], wanted)
                        backend.touch(objects.FLOATINGIP, fip["id"])  # it has a higher revision now

    def _show_trunks(self, ids: list[str]) -> None:
        if directory.get_plugin(database.TRUNK_PLUGIN) is None:
            return
        context = neutron_context.get_admin_context()
        for start in range(0, len(ids), _CHUNK):
            for trunk in trunk_objects.Trunk.get_objects(context, id=ids[start : start + _CHUNK]):
                if self._trunks.get(trunk.id, trunk.status) != trunk.status:
                    with contextlib.suppress(exceptions.NotFound):
                        _show_trunk(trunk.id, self._trunks[trunk.id])
                        backend.touch(objects.TRUNK, trunk.id)  # it has a higher revision now


@db_api.retry_db_errors
def _show_floatingip(id_: str, status: str) -> None:
    """Give a floating IP a status, again if somebody changes or deletes it at the same moment."""
    plugin = directory.get_plugin(plugin_constants.L3)
    plugin.update_floatingip_status(neutron_context.get_admin_context(), id_, status)


@db_api.retry_db_errors
def _show_trunk(id_: str, status: str) -> None:
    """Give a trunk a status, again if somebody changes or deletes it at the same moment."""
    trunk = trunk_objects.Trunk.get_object(neutron_context.get_admin_context(), id=id_)
    if trunk is not None:
        trunk.update(status=status)


def _show_port(context: Any, id_: str, status: str, owner: str) -> None:
    """Give a port a status; those that chassis wire become ACTIVE when nobody else has anything to do for them."""
    if not binding.wired_by_chassis({"device_owner": owner}):
        directory.get_plugin().update_port_status(context, id_, status)
    elif status == constants.PORT_STATUS_ACTIVE:
        provisioning_blocks.provisioning_complete(context, id_, resources.PORT, provisioning_blocks.L2_AGENT_ENTITY)
    else:
        provisioning_blocks.add_provisioning_component(
            context, id_, resources.PORT, provisioning_blocks.L2_AGENT_ENTITY
        )
        directory.get_plugin().update_port_status(context, id_, status)
