"""What stands in the way to Dragonflow, asked of databases with Neutron's own tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from neutron.db.migration.models import head
from neutron_lib.db import model_base

from networking_dragonflow import adoption, obstacles

FREE_VNI, TRANSIT_VNI = 17, 15728650


class Cloud:
    """A database of Neutron in a file, with what a test puts into it."""

    def __init__(self, folder: Path) -> None:
        assert head is not None  # its import makes all the tables known
        self.url = f"sqlite:///{folder / 'neutron.db'}"
        self.engine = sqlalchemy.create_engine(self.url)
        self.tables = model_base.BASEV2.metadata.tables
        model_base.BASEV2.metadata.create_all(self.engine)
        self.config = folder / "neutron.conf"
        self.config.write_text(f"[database]\nconnection = {self.url}\n")
        self._standard = 0

    def put(self, table: str, **values: Any) -> None:
        columns = self.tables[table].columns
        if "standard_attr_id" in columns:
            self._standard += 1
            self.put("standardattributes", id=self._standard, resource_type=table, revision_number=1)
            values["standard_attr_id"] = self._standard
        with self.engine.begin() as connection:
            connection.execute(self.tables[table].insert().values(**values))

    def network(self, id_: str, type_: str, vni: int | None = None, **more: Any) -> None:
        self.put("networks", id=id_, name=f"name of {id_}", mtu=1442, **more)
        self.put("networksegments", id=f"s-{id_}", network_id=id_, network_type=type_, segmentation_id=vni)

    def port(
        self, id_: str, host: str, vif: str = "ovs", vnic: str = "normal", owner: str = "", details: str = ""
    ) -> None:
        self.put(
            "ports",
            id=id_,
            network_id="n",
            mac_address=id_,
            admin_state_up=True,
            status="ACTIVE",
            device_id="d",
            device_owner=owner,
        )
        self.put(
            "ml2_port_bindings",
            port_id=id_,
            host=host,
            vif_type=vif,
            vnic_type=vnic,
            vif_details=details,
            profile="",
            status="ACTIVE",
        )

    def agent(self, host: str, binary: str, configurations: dict[str, Any]) -> None:
        now = sqlalchemy.func.current_timestamp()
        self.put(
            "agents",
            id=f"{host}/{binary}",
            host=host,
            binary=binary,
            agent_type=binary,
            topic="",
            admin_state_up=True,
            created_at=now,
            started_at=now,
            heartbeat_timestamp=now,
            configurations=json.dumps(configurations),
            load=0,
        )

    def found(self) -> dict[str, list[str]]:
        with self.engine.connect() as connection:
            return {f.title: [id_ for id_, _ in f.objects] for f in adoption.findings(connection)}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    yield made
    made.engine.dispose()


def test_every_question_is_one_that_a_database_understands(cloud: Cloud) -> None:
    # The tables of Neutron's other projects are not there; make them, so that their questions are asked, too.
    with cloud.engine.begin() as connection:
        for one in obstacles.OBSTACLES:
            for name in one.needs:
                table, _, column = name.partition(".")
                if table not in cloud.tables:
                    connection.execute(sqlalchemy.text(f"CREATE TABLE {table} ({column} VARCHAR(36))"))
                    connection.execute(sqlalchemy.text(f"INSERT INTO {table} VALUES ('x')"))  # noqa: S608
        inspector = sqlalchemy.inspect(connection)
        for one in obstacles.OBSTACLES:
            for name in one.needs:
                table, _, column = name.partition(".")
                assert not column or column in {c["name"] for c in inspector.get_columns(table)}, one.title
    assert len(cloud.found()) == 7  # and nothing else in a cloud that is empty


def test_finds_networks_that_no_chassis_carries(cloud: Cloud) -> None:
    for type_ in ("geneve", "vxlan", "vlan", "flat", "gre", "local"):
        cloud.network(type_, type_, FREE_VNI)
    cloud.network("transit", "geneve", TRANSIT_VNI)
    cloud.network("a-vlan-of-any-number", "vlan", TRANSIT_VNI)
    cloud.network("transparent", "geneve", 1, vlan_transparent=True)
    assert cloud.found() == {
        "networks of a type that chassis do not carry": ["gre", "local"],
        "networks with an identifier that routers use between chassis": ["transit"],
        "networks that carry their guests' own VLAN tags": ["transparent"],
    }


def test_finds_ports_that_are_elsewhere(cloud: Cloud) -> None:
    cloud.network("n", "geneve", 1)
    cloud.port("fine", "h1", details='{"port_filter": true, "ovs_hybrid_plug": false}')
    cloud.port("fine-vhost", "h1", vif="vhostuser")
    cloud.port("hybrid", "h1", details='{"port_filter": true, "ovs_hybrid_plug": true}')
    cloud.port("sriov", "h2", vif="hw_veb", vnic="direct")
    cloud.port("dhcp", "h2", owner="network:dhcp")
    assert cloud.found() == {
        "ports behind a Linux bridge of iptables": ["hybrid"],
        "ports with a vnic that is not in Open vSwitch": ["sriov"],
        "ports that Nova has plugged into something else than Open vSwitch": ["sriov"],
        "ports of DHCP and metadata agents": ["dhcp"],
    }


def test_finds_routers_of_agents(cloud: Cloud) -> None:
    for id_, distributed, ha in (("plain", False, False), ("dvr", True, False), ("vrrp", False, True)):
        cloud.put("routers", id=id_, name=id_)
        cloud.put("router_extra_attributes", router_id=id_, distributed=distributed, ha=ha, ha_vr_id=0)
    assert cloud.found() == {
        "routers that are highly available by VRRP": ["vrrp"],
        "routers that agents distribute": ["dvr"],
    }


def test_command_ends_with_one_if_something_stops_and_shows_it(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adoption.main(["--config-file", str(cloud.config)]) == 0
    assert capsys.readouterr().out == "Nothing stands in the way.\n"
    for number in range(5):
        cloud.network(f"local-{number}", "local")
    assert adoption.main(["--config-file", str(cloud.config)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "stops   5 networks of a type that chassis do not carry",
        "        do: move their ports to networks of the types geneve, vxlan, vlan or flat",
        "        local-0  local",
        "        local-1  local",
        "        local-2  local",
        "        and 2 more; --json shows them",
    ]
    adoption.main(["--config-file", str(cloud.config), "--json"])
    assert len(json.loads(capsys.readouterr().out)["findings"][0]["objects"]) == 5


def test_servers_may_have_other_transit_identifiers(cloud: Cloud) -> None:
    cloud.network("transit", "vxlan", TRANSIT_VNI)
    assert adoption.main(["--config-file", str(cloud.config)]) == 1
    assert adoption.main(["--config-file", str(cloud.config), "--transit-vnis", "100-200"]) == 0


def test_command_ends_with_two_where_it_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "neutron.conf"
    config.write_text("[DEFAULT]\n")
    assert adoption.main(["--config-file", str(config)]) == 2
    assert "name Neutron's settings with --config-file" in capsys.readouterr().err
    config.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/none/neutron.db\n")
    assert adoption.main(["--config-file", str(config)]) == 2
    assert "unable to open database file" in capsys.readouterr().err


def test_writes_what_agents_tell_of_their_hosts(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.network("n", "geneve", 1)
    cloud.port("p1", "h1")
    cloud.port("p2", "without-agent")
    bridges = {"physnet1": "br-ex", "physnet0": "br-vlan"}
    cloud.agent(
        "h1",
        "neutron-openvswitch-agent",
        {
            "bridge_mappings": bridges,
            "tunneling_ip": "192.0.2.1",
            "datapath_type": "system",
            "integration_bridge": "br-int",
        },
    )
    cloud.agent("h1", "neutron-l3-agent", {"agent_mode": "dvr_snat"})
    cloud.agent("h2", "neutron-openvswitch-agent", {"bridge_mappings": {}, "tunneling_ip": "192.0.2.2"})
    cloud.agent("h2", "neutron-l3-agent", {"agent_mode": "dvr"})
    assert adoption.main(["--config-file", str(cloud.config), "--settings", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "h1.yaml").read_text() == (
        'chassis: "h1"\nbridge: "br-int"\ndatapath-type: "system"\ntunnel-ip: "192.0.2.1"\n'
        'bridge-mappings: "physnet0:br-vlan,physnet1:br-ex"\ngateway: true\n'
    )
    assert (tmp_path / "out" / "h2.yaml").read_text() == 'chassis: "h2"\ntunnel-ip: "192.0.2.2"\n'
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["h1.yaml", "h2.yaml"]
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "HOST           PORTS  TUNNEL-IP  BRIDGE-MAPPINGS                  GATEWAY",
        "h1             1      192.0.2.1  physnet0:br-vlan,physnet1:br-ex  yes",
        "h2             0      192.0.2.2  -                                no",
        "without-agent  1      ?          ?                                ?",
    ]
