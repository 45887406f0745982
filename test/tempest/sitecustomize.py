"""Takes ten seconds of sleep out of each deletion of a subnet, which Debian has put into Tempest's client."""

import sys

if any("subunit_runner" in argument for argument in getattr(sys, "orig_argv", [])):
    from tempest.lib.services.network import subnets_client

    class _Time:
        @staticmethod
        def sleep(_seconds):
            pass

    subnets_client.time = _Time
