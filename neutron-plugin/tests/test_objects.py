"""What is pushed of an object."""

from networking_dragonflow import objects

PORT = {
    "id": "c1",
    "revision_number": 7,
    "status": "ACTIVE",
    "updated_at": "2026-01-01T00:00:00Z",
    "fixed_ips": [{"subnet_id": "s2", "ip_address": "10.0.0.5"}, {"subnet_id": "s1", "ip_address": "fd00::5"}],
    "security_groups": ["b", "a"],
    "device_owner": "compute:nova",
    "binding:profile": {},
    "admin_state_up": False,
}


def test_order_and_what_servers_do_not_read_change_no_digest() -> None:
    other = PORT | {
        "fixed_ips": list(reversed(PORT["fixed_ips"])),  # type: ignore[call-overload]
        "security_groups": ["a", "b"],
        "status": "DOWN",
        "updated_at": None,
        "dns_name": None,
    }
    assert objects.stored("port", PORT).digest == objects.stored("port", other).digest


def test_what_servers_read_changes_the_digest() -> None:
    assert objects.stored("port", PORT).digest != objects.stored("port", PORT | {"device_owner": "x"}).digest


def test_the_order_of_name_servers_is_theirs() -> None:
    subnet = {"id": "s", "dns_nameservers": ["10.0.0.2", "10.0.0.1"]}
    assert objects.body("subnet", subnet)["dns_nameservers"] == ["10.0.0.2", "10.0.0.1"]


def test_false_is_something() -> None:
    assert objects.body("port", PORT)["admin_state_up"] is False


def test_bindings_are_told_if_one_is_inactive() -> None:
    active = {"host": "c1", "status": "ACTIVE"}
    inactive = {"host": "c2", "status": "INACTIVE"}
    assert "bindings" not in objects.body("port", PORT | {"bindings": [active]})
    assert objects.body("port", PORT | {"bindings": [inactive, active]})["bindings"] == [active, inactive]


def test_a_tag_distributes_snat() -> None:
    router = {"id": "r", "tags": ["blue"]}
    assert objects.body("router", router) == {"id": "r"}
    assert objects.body("router", router | {"tags": ["blue", "distributed-snat"]})["distributed_snat"] is True


def test_a_change_as_servers_read_it() -> None:
    change = objects.stored("port", PORT, "12")
    assert change.wire() == {
        "kind": "port",
        "id": "c1",
        "revision": 7,
        "digest": change.digest,
        "generation": "12",
        "object": change.body,
    }
    assert objects.deleted("port", "c1", 8).wire() == {"kind": "port", "id": "c1", "revision": 8, "deleted": True}
