"""Reads objects from Neutron's database, in the form in which they are pushed."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from neutron.db import models_v2, segments_db
from neutron.db.models import address_group as address_group_models
from neutron.db.models import l3 as l3_models
from neutron.db.models import loggingapi as log_models
from neutron.db.models import port_forwarding as port_forwarding_models
from neutron.db.models import securitygroup as security_group_models
from neutron.db.qos import models as qos_models
from neutron.objects.qos import rule as qos_rules
from neutron.plugins.ml2 import models as ml2_models
from neutron.services.trunk import models as trunk_models
from neutron_lib import constants
from neutron_lib import context as neutron_context
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import api as db_api
from neutron_lib.db import standard_attr
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.plugins import directory

from networking_dragonflow import objects

_MODELS = {
    objects.NETWORK: models_v2.Network,
    objects.SUBNETPOOL: models_v2.SubnetPool,
    objects.SUBNET: models_v2.Subnet,
    objects.SECURITY_GROUP: security_group_models.SecurityGroup,
    objects.ADDRESS_GROUP: address_group_models.AddressGroup,
    objects.SECURITY_GROUP_RULE: security_group_models.SecurityGroupRule,
    objects.ROUTER: l3_models.Router,
    objects.PORT: models_v2.Port,
    objects.FLOATINGIP: l3_models.FloatingIP,
    objects.PORT_FORWARDING: port_forwarding_models.PortForwarding,
    objects.TRUNK: trunk_models.Trunk,
    objects.QOS_POLICY: qos_models.QosPolicy,
    objects.LOG: log_models.Log,
}

_OF_ROUTERS = {objects.ROUTER: "get_routers", objects.FLOATINGIP: "get_floatingips"}

_OF_SEGMENTS = ("network_type", "physical_network", "segmentation_id")

# Neutron's plugin of trunks has its name nowhere else.
TRUNK_PLUGIN = "trunk"

Key = tuple[str, str]


def served() -> list[str]:
    """Return the kinds that Neutron has with the plugins that are loaded, in the order of audits."""
    missing = set() if directory.get_plugin(plugin_constants.L3) else set(_OF_ROUTERS)
    if not directory.get_plugin(plugin_constants.PORTFORWARDING):
        missing.add(objects.PORT_FORWARDING)
    if not directory.get_plugin(TRUNK_PLUGIN):
        missing.add(objects.TRUNK)
    if not directory.get_plugin(plugin_constants.QOS):
        missing.add(objects.QOS_POLICY)
    if not directory.get_plugin(plugin_constants.LOG_API):
        missing.add(objects.LOG)
    return [kind for kind in objects.KINDS if kind not in missing]


def read(keys: Iterable[Key]) -> dict[Key, objects.Change]:
    """Return what the database has of the objects; those that it does not have have no entry."""
    by_kind: dict[str, list[str]] = {}
    for kind, id_ in keys:
        by_kind.setdefault(kind, []).append(id_)
    return {(c.kind, c.id): c for kind, ids in by_kind.items() for c in _changes(kind, ids)}


def guaranteed(policy: str) -> int:
    """Return the kilobits a second that a QoS policy guarantees who has it to send; 0 if none."""
    rules = qos_rules.QosMinimumBandwidthRule.get_objects(
        neutron_context.get_admin_context(), qos_policy_id=policy, direction=constants.EGRESS_DIRECTION
    )
    return max((int(rule.min_kbps) for rule in rules), default=0)


def page(kind: str, after: str, until: str) -> list[objects.Change]:
    """Return the objects behind an id, up to another if that is not "", in the order of ids."""
    model = _MODELS[kind]
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.id).filter(model.id > after)
        if until:
            query = query.filter(model.id <= until)
        ids = [row.id for row in query]
    return sorted(_changes(kind, ids), key=lambda change: change.id)


def last(kind: str, after: str, limit: int) -> str:
    """Return the id of the limit-th object behind an id, or "" where there are less."""
    model = _MODELS[kind]
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.id).filter(model.id > after).order_by(model.id)
        row = query.offset(limit - 1).first()
    return row.id if row else ""


def count(kind: str) -> int:
    """Return how many objects there are."""
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        return int(context.session.query(_MODELS[kind].id).count())


def ids(kind: str, after: str, limit: int) -> list[str]:
    """Return the first ids behind one, in order."""
    model = _MODELS[kind]
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.id).filter(model.id > after).order_by(model.id)
        return [row.id for row in query.limit(limit)]


def recent(kind: str, since: datetime, limit: int) -> list[objects.Change]:
    """Return objects that have been changed since then, the latest if there are too many."""
    model, attributes = _MODELS[kind], standard_attr.StandardAttribute
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.id).join(attributes, model.standard_attr_id == attributes.id)
        query = query.filter(attributes.updated_at >= since).order_by(attributes.updated_at.desc()).limit(limit)
        ids = [row.id for row in query]
    return sorted(_changes(kind, ids), key=lambda change: change.id)


def port_statuses(ids: list[str]) -> dict[str, tuple[str, str, bool]]:
    """Return the status and the owner of ports, and whether they are administratively up, by id."""
    port = models_v2.Port
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(port.id, port.status, port.device_owner, port.admin_state_up)
        return {row.id: (row.status, row.device_owner, row.admin_state_up) for row in query.filter(port.id.in_(ids))}


def failed_bindings(host: str) -> set[str]:
    """Return the ports that could not be bound to a host."""
    model = ml2_models.PortBinding
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.port_id)
        return {row.port_id for row in query.filter_by(host=host, vif_type=portbindings.VIF_TYPE_BINDING_FAILED)}


def bindings(context: Any, ports: list[str]) -> dict[str, list[objects.Object]]:
    """Return the bindings, as Neutron's API shows them, of those ports that have an inactive one."""
    model = ml2_models.PortBinding
    if not ports:
        return {}
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.port_id).filter(model.port_id.in_(ports), model.status == "INACTIVE")
        several = {row.port_id for row in query}
        if not several:
            return {}
        columns = (model.port_id, model.host, model.status, model.vnic_type, model.vif_type, model.profile)
        found: dict[str, list[objects.Object]] = {}
        for row in context.session.query(*columns).filter(model.port_id.in_(several)):
            found.setdefault(row.port_id, []).append(
                {
                    "host": row.host,
                    "status": row.status,
                    "vnic_type": row.vnic_type,
                    "vif_type": row.vif_type,
                    "profile": _profile(row.profile),
                }
            )
    return found


def links(segments: Iterable[objects.Object]) -> list[objects.Object]:
    """Return segments of a network, as ML2 has them, in the form of its attribute, with their ids."""
    return [
        {"id": one["id"]} | {f"provider:{name}": one[name] for name in _OF_SEGMENTS if one[name] is not None}
        for one in segments
    ]


def routed(context: Any, network: str) -> bool:
    """Tell whether subnets of a network are on segments of it."""
    model = models_v2.Subnet
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(model.id).filter(model.network_id == network, model.segment_id.isnot(None))
        return query.first() is not None


def _changes(kind: str, ids: list[str]) -> list[objects.Change]:
    if not ids:
        return []
    context = neutron_context.get_admin_context()
    if kind == objects.PORT_FORWARDING:
        shown = _port_forwardings(context, ids)
    else:
        shown = _getter(kind)(context, filters={"id": ids})
    if kind == objects.PORT:
        several = bindings(context, ids)
        shown = [port | {"bindings": several.get(port["id"])} for port in shown]
    elif kind == objects.NETWORK:
        segments = segments_db.get_networks_segments(context, ids)
        shown = [network | {"segments": links(segments[network["id"]])} for network in shown]
    return [objects.stored(kind, one) for one in shown]


def _getter(kind: str) -> Callable[..., list[objects.Object]]:
    if kind in _OF_ROUTERS:
        return getattr(directory.get_plugin(plugin_constants.L3), _OF_ROUTERS[kind])
    if kind == objects.TRUNK:
        return directory.get_plugin(TRUNK_PLUGIN).get_trunks
    if kind == objects.QOS_POLICY:
        return directory.get_plugin(plugin_constants.QOS).get_policies
    if kind == objects.LOG:
        return directory.get_plugin(plugin_constants.LOG_API).get_logs
    return getattr(directory.get_plugin(), f"get_{kind}s")


def _port_forwardings(context: Any, ids: list[str]) -> list[objects.Object]:
    model = port_forwarding_models.PortForwarding
    with db_api.CONTEXT_READER.using(context):
        rows = context.session.query(model).filter(model.id.in_(ids)).all()
        return [
            {
                "id": row.id,
                "revision_number": row.revision_number,
                "floatingip_id": row.floatingip_id,
                "internal_port_id": row.internal_neutron_port_id,
                "internal_ip_address": str(row.internal_ip_address),
                "protocol": row.protocol,
                "external_port_range": f"{row.external_port_start}:{row.external_port_end}",
                "internal_port_range": f"{row.internal_port_start}:{row.internal_port_end}",
            }
            for row in rows
        ]


def _profile(text: Any) -> Any:
    if not isinstance(text, str):
        return text or {}
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {}
