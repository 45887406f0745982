"""The mechanism driver."""

import subprocess
import sys

# Other tests use the database's classes, so this needs a process in which nobody has.
_FRESH = """
from neutron.conf import common
from neutron.db import models_v2
from networking_dragonflow import mechanism

common.register_core_common_config_opts()
mechanism.DragonflowDriver().initialize()
print(models_v2.Port.port_forwardings, models_v2.Port.distributed_port_binding)
"""


def test_a_fresh_process_can_be_asked_for_a_port() -> None:
    command = [sys.executable, "-c", _FRESH]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    assert asked.stdout == "Port.port_forwardings Port.distributed_port_binding\n", asked.stderr
