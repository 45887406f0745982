"""QoS: what is offered is what chassis carry out, and policies are pushed with their rules."""

from types import SimpleNamespace

import pytest
from neutron.db import segments_db

from networking_dragonflow import commits, objects, qos


def test_rules_that_nothing_carries_out_are_refused() -> None:
    driver = qos.DragonflowQosDriver()

    def supported(**rule: object) -> bool:
        return bool(driver.is_rule_supported(SimpleNamespace(get=rule.get, rule_type=rule["rule_type"])))

    assert supported(rule_type="bandwidth_limit", max_kbps=1000, max_burst_kbps=0, direction="ingress")
    assert supported(rule_type="dscp_marking", dscp_mark=26)
    assert supported(rule_type="minimum_bandwidth", min_kbps=1000, direction="egress")
    assert not supported(rule_type="minimum_bandwidth", min_kbps=1000, direction="ingress")
    assert not supported(rule_type="minimum_packet_rate", min_kpps=1, direction="any")
    assert sorted(qos.RULES) == ["bandwidth_limit", "dscp_marking", "minimum_bandwidth", "packet_rate_limit"]


def test_bandwidths_are_guaranteed_on_physical_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    types = {"vlan": ["vlan"], "tunnel": ["geneve"], "both": ["geneve", "flat"]}
    monkeypatch.setattr(
        segments_db,
        "get_network_segments",
        lambda _context, network: [{"network_type": t} for t in types[network]],
    )
    driver = qos.DragonflowQosDriver()
    guarantee, limit = SimpleNamespace(rule_type="minimum_bandwidth"), SimpleNamespace(rule_type="bandwidth_limit")
    assert [n for n in types if driver.validate_rule_for_network(None, guarantee, n)] == ["vlan", "both"]
    assert driver.validate_rule_for_network(None, limit, "tunnel")
    assert not driver.validate_rule_for_port(None, guarantee, SimpleNamespace(network_id="tunnel"))
    assert driver.validate_rule_for_port(None, guarantee, SimpleNamespace(network_id="vlan"))


def test_every_change_of_a_policy_is_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, str]] = []
    monkeypatch.setattr(commits, "touch", lambda _context, kind, id_: told.append(("touch", kind, id_)))
    monkeypatch.setattr(commits, "delete", lambda _context, kind, id_: told.append(("delete", kind, id_)))
    driver, policy = qos.DragonflowQosDriver(), SimpleNamespace(id="p")
    driver.create_policy(None, policy)
    driver.update_policy(None, policy)
    driver.delete_policy(None, policy)
    assert told == [("touch", "qos_policy", "p"), ("touch", "qos_policy", "p"), ("delete", "qos_policy", "p")]


def test_a_policy_is_what_its_rules_say_and_not_their_names() -> None:
    def policy(rule: str) -> objects.Object:
        return {
            "id": "p",
            "name": "gold",
            "description": "of no interest",
            "rules": [
                {"id": rule, "qos_policy_id": "p", "type": "dscp_marking", "dscp_mark": 26},
                {"id": "r", "type": "bandwidth_limit", "direction": "egress", "max_kbps": 2000, "max_burst_kbps": 0},
            ],
        }

    assert objects.body(objects.QOS_POLICY, policy("a")) == {
        "id": "p",
        "name": "gold",
        "rules": [
            {"type": "bandwidth_limit", "direction": "egress", "max_kbps": 2000, "max_burst_kbps": 0},
            {"type": "dscp_marking", "dscp_mark": 26},
        ],
    }
    bodies = [objects.body(objects.QOS_POLICY, policy(rule)) for rule in ("a", "z")]
    assert objects.digest(bodies[0]) == objects.digest(bodies[1])


def test_all_that_chassis_carry_out_of_rules_is_pushed() -> None:
    rules = [{"type": kind, **dict.fromkeys(parameters, 7)} for kind, parameters in qos.RULES.items()]
    pushed = objects.body(objects.QOS_POLICY, {"id": "p", "rules": [{"id": "r", **rule} for rule in rules]})["rules"]
    assert sorted(pushed, key=lambda rule: rule["type"]) == sorted(rules, key=lambda rule: rule["type"])
