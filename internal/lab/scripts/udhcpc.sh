#!/bin/sh
# Configures a guest as a script for busybox' udhcpc does, and leaves what it
# was told in $DF_DIR/$DF_FILE.
set -u
dev=$interface
reason=$1
export reason

case $reason in
deconfig)
	ip -4 addr flush dev "$dev"
	ip link set dev "$dev" up
	;;
bound | renew)
	[ -n "${mtu:-}" ] && ip link set dev "$dev" mtu "$mtu"
	ip -4 addr replace "$ip/$mask" dev "$dev" valid_lft "$lease" preferred_lft "$lease"
	if [ -n "${staticroutes:-}" ]; then # RFC 3442: then the option "router" does not count
		set -- $staticroutes
		while [ $# -gt 1 ]; do
			if [ "$2" = 0.0.0.0 ]; then
				ip -4 route replace "$1" dev "$dev" scope link
			else
				ip -4 route replace "$1" via "$2" dev "$dev" onlink
			fi
			shift 2
		done
	else
		for gateway in ${router:-}; do
			ip -4 route replace default via "$gateway" dev "$dev" onlink
			break
		done
	fi
	for server in ${dns:-}; do echo "nameserver $server"; done >"$DF_DIR/resolv.conf"
	;;
esac
DF_TIME=$(date +%s.%N) env -0 >"$DF_DIR/$DF_FILE.new" && mv "$DF_DIR/$DF_FILE.new" "$DF_DIR/$DF_FILE"
