"""The command neutron-dragonflow-check: what stands in the way of a cloud of ML2/OVS or ML2/OVN to Dragonflow.

It reads Neutron's settings and database and changes nothing, neither there nor anywhere else.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from typing import Any

import sqlalchemy
from oslo_config import cfg

from networking_dragonflow import hosts, obstacles

# The servers' default of transit-vnis.
_TRANSIT = (15728640, 16777215)
_EXAMPLES = 3

_EPILOG = """examples:
  neutron-dragonflow-check
  neutron-dragonflow-check --config-file /etc/neutron/neutron.conf --json
  neutron-dragonflow-check --settings /tmp/chassis   writes one dragonflow.yaml for each host of an OVS agent

It ends with 0 if nothing stops the adoption, with 1 if something does, with 2 if it could not tell.
"""


@dataclasses.dataclass(frozen=True)
class Finding:
    """Objects that stand in the way."""

    weight: str
    title: str
    remedy: str
    objects: list[tuple[str, str]]


def findings(connection: Any, transit: tuple[int, int] = _TRANSIT) -> list[Finding]:
    """Ask everything of a database of Neutron and return what was found, what stops first."""
    inspector = sqlalchemy.inspect(connection)
    tables = set(inspector.get_table_names())

    def has(name: str) -> bool:
        table, _, column = name.partition(".")
        return table in tables and (not column or column in {c["name"] for c in inspector.get_columns(table)})

    found = []
    for one in obstacles.OBSTACLES:
        if not all(has(name) for name in one.needs):
            continue
        query = sqlalchemy.text(one.query)
        values = {"first_transit": transit[0], "last_transit": transit[1]}
        rows = connection.execute(query, {name: values[name] for name in query.compile().params})
        objects = sorted((str(row[0]), str(row[1] or "")) for row in rows)
        if objects:
            found.append(Finding(one.weight, one.title, one.remedy, objects))
    return sorted(found, key=lambda finding: obstacles.WEIGHTS.index(finding.weight))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _arguments(arguments)
    try:
        engine = sqlalchemy.create_engine(_database(options.config_file))
        with engine.connect() as connection:
            found, chassis = findings(connection, options.transit_vnis), hosts.hosts(connection)
        if options.settings:
            written = hosts.write_settings(chassis, pathlib.Path(options.settings))
            print(f"{written} files written to {options.settings}", file=sys.stderr)  # noqa: T201 (a command)
    except (sqlalchemy.exc.SQLAlchemyError, cfg.Error, OSError) as e:
        print(f"neutron-dragonflow-check: {e}", file=sys.stderr)  # noqa: T201
        return 2
    print(_as_json(found, chassis) if options.json else _as_text(found, chassis))  # noqa: T201
    return 1 if any(one.weight == obstacles.STOPS for one in found) else 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "neutron-dragonflow-check",
        description="Tell what stands in the way of this cloud to Dragonflow. Reads Neutron's settings and database;"
        " changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config-file", action="append", help="Neutron's settings; without, where Neutron looks for them"
    )
    parser.add_argument(
        "--transit-vnis", type=_range, default=_TRANSIT, metavar="FIRST-LAST", help="the servers' transit-vnis"
    )
    parser.add_argument(
        "--settings", metavar="FOLDER", help="write HOST.yaml for each host of an Open vSwitch agent there"
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    return parser.parse_args(arguments)


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last)


def _database(files: list[str] | None) -> str:
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("connection", secret=True)], group="database")
    conf([], project="neutron", default_config_files=files)
    if not conf.database.connection:
        raise cfg.ConfigFileValueError("no [database] connection: name Neutron's settings with --config-file")
    return str(conf.database.connection)


def _as_json(found: list[Finding], chassis: list[hosts.Host]) -> str:
    return json.dumps(
        {"findings": [dataclasses.asdict(f) for f in found], "hosts": [dataclasses.asdict(h) for h in chassis]},
        indent=2,
    )


def _as_text(found: list[Finding], chassis: list[hosts.Host]) -> str:
    lines: list[str] = []
    for one in found:
        lines.append(f"{one.weight.ljust(6)}  {len(one.objects)} {one.title}")
        lines.append(f"        do: {one.remedy}")
        lines += [f"        {id_}  {name}".rstrip() for id_, name in one.objects[:_EXAMPLES]]
        if len(one.objects) > _EXAMPLES:
            lines.append(f"        and {len(one.objects) - _EXAMPLES} more; --json shows them")
    if not found:
        lines = ["Nothing stands in the way."]
    return "\n".join([*lines, "", *_aligned(hosts.table(chassis))]).rstrip()


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(word) for word in column) for column in zip(*rows, strict=True)]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
