"""The settings of the section [dragonflow]."""

from typing import Any

from oslo_config import cfg

GROUP = "dragonflow"

OPTIONS = [
    cfg.ListOpt(
        "server",
        default=["unix:/run/dragonflow/neutron.sock"],
        help="Where dragonflow servers take what Neutron has (their --neutron-listen): unix:PATH or https://HOST:PORT. "
        "The first that answers is used.",
    ),
    cfg.StrOpt("ca_file", help="Certificate authorities of the servers, for https."),
    cfg.StrOpt("cert_file", help="The client's certificate, for https."),
    cfg.StrOpt("key_file", help="The key of the client's certificate, for https."),
    cfg.IntOpt("timeout", default=10, min=1, help="Seconds after which a server that does not answer is given up."),
    cfg.IntOpt(
        "journal_limit",
        default=10000,
        min=1,
        help="How many objects a process keeps that it could not push yet. What is beyond, the audit pushes.",
    ),
    cfg.IntOpt("audit_recent", default=15, min=1, help="Seconds between comparisons of what has changed lately."),
    cfg.IntOpt("audit_full", default=60, min=5, help="Seconds between comparisons of everything."),
    cfg.IntOpt("heartbeat", default=20, min=1, help="Seconds after which agents that live are shown as seen again."),
]


def register(conf: Any = cfg.CONF) -> Any:
    """Make the section known, once or more often, and return it."""
    conf.register_opts(OPTIONS, group=GROUP)
    return getattr(conf, GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the settings for oslo-config-generator."""
    return [(GROUP, OPTIONS)]
