"""Logs of security groups: the driver of Neutron's plugin, which says what chassis log.

Logs are pushed when they are committed, see `commits`: Neutron tells drivers of those only that are on.
"""

from neutron.services.logapi.common import sg_validate  # noqa: F401 (joins Neutron's checks by being there)
from neutron.services.logapi.drivers import base
from neutron_lib.api.definitions import portbindings
from neutron_lib.services.logapi import constants
from oslo_config import cfg

NAME = "dragonflow"


class DragonflowLogDriver(base.DriverBase):
    """Offers logs of security groups. Nothing of it needs an agent."""

    def __init__(self) -> None:
        """Wait for Neutron's plugin, which comes after ML2's drivers."""
        super().__init__(
            NAME,
            (portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER),
            (portbindings.VNIC_NORMAL,),
            (constants.SECURITY_GROUP,),
            requires_rpc=False,
        )

    @property
    def is_loaded(self) -> bool:
        """Tell whether ML2 has the mechanism driver."""
        return NAME in cfg.CONF.ml2.mechanism_drivers
