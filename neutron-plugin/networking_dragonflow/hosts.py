"""The hosts of a cloud that is to be adopted, and the settings that a controller needs on each.

Agents of Open vSwitch tell Neutron how their hosts are connected. OVN keeps that on the hosts, where `dragonflow adopt`
finds it.
"""

import dataclasses
import json
import pathlib
from typing import Any

import sqlalchemy

_AGENT = "neutron-openvswitch-agent"
_L3_AGENT = "neutron-l3-agent"
_LOCAL_MODES = ("dvr", "dvr_no_external")


@dataclasses.dataclass(frozen=True)
class Host:
    """A host with ports or with an agent. What only an agent tells is None where there is no agent."""

    name: str
    ports: int
    tunnel_ip: str | None = None
    bridge_mappings: dict[str, str] | None = None
    datapath_type: str | None = None
    integration_bridge: str | None = None
    gateway: bool | None = None

    def settings(self) -> str:
        """Return the controller's settings as YAML."""
        mappings = ",".join(f"{name}:{bridge}" for name, bridge in sorted((self.bridge_mappings or {}).items()))
        known = {
            "chassis": self.name,
            "bridge": self.integration_bridge,
            "datapath-type": self.datapath_type,
            "tunnel-ip": self.tunnel_ip,
            "bridge-mappings": mappings,
            "gateway": "true" if self.gateway else "",
        }
        return "".join(f"{key}: {_scalar(value)}\n" for key, value in known.items() if value)


def hosts(connection: Any) -> list[Host]:
    """Return the hosts of a database of Neutron by their names."""
    bound = connection.execute(
        sqlalchemy.text("SELECT host, COUNT(DISTINCT port_id) FROM ml2_port_bindings WHERE host <> '' GROUP BY host")
    )
    found = {host: Host(host, ports) for host, ports in bound}
    agents = connection.execute(
        sqlalchemy.text("SELECT host, configurations FROM agents WHERE binary = :binary"), {"binary": _AGENT}
    )
    for host, configurations in agents:
        found[host] = _told(found.get(host, Host(host, 0)), _object(configurations))
    routing = connection.execute(
        sqlalchemy.text("SELECT host, configurations FROM agents WHERE binary = :binary"), {"binary": _L3_AGENT}
    )
    for host, configurations in routing:
        central = _object(configurations).get("agent_mode") not in _LOCAL_MODES
        found[host] = dataclasses.replace(found.get(host, Host(host, 0)), gateway=central)
    return [found[name] for name in sorted(found)]


def table(found: list[Host]) -> list[tuple[str, ...]]:
    """Return rows of words about the hosts, with a heading."""
    rows: list[tuple[str, ...]] = [("HOST", "PORTS", "TUNNEL-IP", "BRIDGE-MAPPINGS", "GATEWAY")]
    for host in found:
        told = host.bridge_mappings is not None
        mappings = ",".join(f"{name}:{bridge}" for name, bridge in sorted((host.bridge_mappings or {}).items()))
        gateway = {None: "?", True: "yes", False: "no"}[host.gateway]
        rows.append((host.name, str(host.ports), host.tunnel_ip or "?", mappings or ("-" if told else "?"), gateway))
    return rows if found else []


def write_settings(found: list[Host], folder: pathlib.Path) -> int:
    """Write a file of settings for each host of which an agent has told, and return how many they are."""
    folder.mkdir(parents=True, exist_ok=True)
    told = [host for host in found if host.bridge_mappings is not None]
    for host in told:
        # Names of hosts come from agents: one with a slash must not lead elsewhere.
        (folder / f"{host.name.replace('/', '_')}.yaml").write_text(host.settings())
    return len(told)


def _told(host: Host, configurations: dict[str, Any]) -> Host:
    mappings = configurations.get("bridge_mappings")
    return dataclasses.replace(
        host,
        tunnel_ip=configurations.get("tunneling_ip") or None,
        bridge_mappings=mappings if isinstance(mappings, dict) else {},
        datapath_type=configurations.get("datapath_type"),
        integration_bridge=configurations.get("integration_bridge"),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _scalar(value: str) -> str:
    # JSON's strings are YAML's: nothing that an agent says becomes another key.
    return value if value == "true" else json.dumps(value)
