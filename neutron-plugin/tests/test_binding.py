"""Where ports can be bound."""

from typing import Any

import pytest

from networking_dragonflow import binding, database

TUNNEL = {"id": "s1", "network_type": "geneve", "physical_network": None}
VLAN = {"id": "s2", "network_type": "vlan", "physical_network": "physnet1"}


class Context:
    """As much of ML2's PortContext as binding looks at."""

    def __init__(self, *segments: dict[str, Any], vnic_type: str = "normal", **agent: Any) -> None:
        self.current = {"id": "c0000000-0000-4000-8000-000000000001", "binding:vnic_type": vnic_type}
        self.segments_to_bind = segments
        self.agent: dict[str, Any] = {"host": "c1", "alive": True, "configurations": {"tunnel_types": ["geneve"]}}
        self.agent |= agent
        self.bound: tuple[Any, ...] | None = None

    def host_agents(self, agent_type: str) -> list[dict[str, Any]]:
        return [self.agent] if agent_type == "Open vSwitch agent" else []

    def set_binding(self, *binding: Any) -> None:
        self.bound = binding


def test_binds_the_first_segment_that_the_chassis_has() -> None:
    context = Context(VLAN, TUNNEL)
    binding.bind(context)
    assert context.bound is not None
    segment, vif_type, details = context.bound
    assert (segment, vif_type) == ("s1", "ovs")
    assert details["port_filter"] is True
    assert details["bridge_name"] == "br-int"


def test_a_physical_network_must_be_there() -> None:
    context = Context(VLAN, configurations={"physical_networks": ["physnet1"]})
    binding.bind(context)
    assert context.bound is not None
    assert context.bound[0] == "s2"


def test_a_chassis_that_takes_sockets_gets_vhost_user() -> None:
    context = Context(TUNNEL, configurations={"tunnel_types": ["geneve"], "vhostuser_socket_dir": "/run/vhost"})
    binding.bind(context)
    assert context.bound is not None
    assert context.bound[1] == "vhostuser"
    assert context.bound[2]["vhostuser_socket"] == "/run/vhost/vhuc0000000-00"


@pytest.mark.parametrize(
    "context",
    [
        Context(TUNNEL, alive=False),
        Context(VLAN),
        Context(TUNNEL, configurations={}),
        Context(TUNNEL, vnic_type="direct"),
        Context(),
    ],
    ids=["dead", "another physical network", "no tunnels", "another vnic type", "no segment"],
)
def test_binds_nothing(context: Context) -> None:
    binding.bind(context)
    assert context.bound is None


@pytest.mark.parametrize("attribute", ["qos_policy_id", "qos_network_policy_id"])
def test_a_guarantee_needs_a_chassis_that_gives_it(monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    monkeypatch.setattr(database, "guaranteed", lambda policy: {"gold": 1000, "silver": 0}[policy])
    without = {"physical_networks": ["physnet1"], "tunnel_types": ["geneve"]}

    def bound(policy: str, configurations: dict[str, Any]) -> Any:
        context = Context(TUNNEL, VLAN, configurations=configurations)
        context.current[attribute] = policy
        binding.bind(context)
        return context.bound and context.bound[0]

    assert bound("silver", without) == "s2"
    assert bound("gold", without) is None
    assert bound("gold", without | {"bandwidths": None}) is None
    assert bound("gold", without | {"bandwidths": {"physnet2": 10}}) is None
    assert bound("gold", without | {"bandwidths": {"physnet1": 10}}) == "s2"


def test_ports_of_routers_are_on_every_chassis() -> None:
    assert binding.wired_by_chassis({"device_owner": "compute:nova"})
    assert binding.wired_by_chassis({"device_owner": ""})
    assert not binding.wired_by_chassis({"device_owner": "network:router_interface"})
    assert not binding.wired_by_chassis({"device_owner": "network:router_gateway"})
    assert not binding.wired_by_chassis({"device_owner": "network:floatingip"})
