"""Security groups, their rules, address groups and pools of subnets, of which ML2 tells no driver."""

from typing import Any

from neutron_lib.callbacks import events, registry, resources

from networking_dragonflow import commits, objects

_KINDS = {
    resources.SECURITY_GROUP: objects.SECURITY_GROUP,
    resources.SECURITY_GROUP_RULE: objects.SECURITY_GROUP_RULE,
    resources.ADDRESS_GROUP: objects.ADDRESS_GROUP,
}


def subscribe() -> None:
    """Follow the events of this process."""
    for resource in _KINDS:
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE):
            registry.subscribe(_changed, resource, event)
        registry.subscribe(_deleted, resource, events.AFTER_DELETE)
    registry.subscribe(_scope_changed, resources.SUBNETPOOL_ADDRESS_SCOPE, events.AFTER_UPDATE)


def _changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    # Read it then: what events carry is partly of before the commit.
    commits.touch(payload.context, _KINDS[resource], payload.resource_id)
    if resource == resources.SECURITY_GROUP and event == events.AFTER_CREATE:
        for rule in payload.latest_state.get("security_group_rules") or []:
            commits.touch(
                payload.context, objects.SECURITY_GROUP_RULE, rule["id"]
            )  # default rules have no events of their own
    if resource == resources.SECURITY_GROUP_RULE:
        # A rule's change is one of its group, too, which has a higher revision then.
        commits.touch(payload.context, objects.SECURITY_GROUP, payload.latest_state["security_group_id"])


def _deleted(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    commits.delete(payload.context, _KINDS[resource], payload.resource_id)
    if resource == resources.SECURITY_GROUP:
        for rule in payload.metadata.get("security_group_rule_ids") or []:
            commits.delete(payload.context, objects.SECURITY_GROUP_RULE, rule)
    elif resource == resources.SECURITY_GROUP_RULE and payload.metadata.get("security_group_id"):
        commits.touch(payload.context, objects.SECURITY_GROUP, payload.metadata["security_group_id"])


def _scope_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    commits.touch(payload.context, objects.SUBNETPOOL, payload.resource_id)
