#!/bin/sh
# Configures a guest as dhclient-script(8) of a distribution does, and leaves
# what it was told in $DF_DIR/$DF_FILE.
set -u
dev=$interface

routes4() {
	if [ -n "${new_rfc3442_classless_static_routes:-}" ]; then # RFC 3442: then the option "routers" does not count
		set -- $new_rfc3442_classless_static_routes
		while [ $# -gt 0 ]; do
			bits=$1
			shift
			net= octets=0
			while [ $octets -lt $(((bits + 7) / 8)) ]; do
				net=$net${net:+.}$1
				octets=$((octets + 1))
				shift
			done
			while [ $octets -lt 4 ]; do
				net=$net${net:+.}0
				octets=$((octets + 1))
			done
			via=$1.$2.$3.$4
			shift 4
			if [ "$via" = 0.0.0.0 ]; then
				ip -4 route replace "$net/$bits" dev "$dev" scope link
			else
				ip -4 route replace "$net/$bits" via "$via" dev "$dev" onlink
			fi
		done
	else
		for router in ${new_routers:-}; do
			ip -4 route replace default via "$router" dev "$dev" onlink
			break
		done
	fi
}

bound4() {
	if [ -n "${old_ip_address:-}" ] && [ "$old_ip_address" != "$new_ip_address" ]; then
		ip -4 addr flush dev "$dev"
	fi
	[ -n "${new_interface_mtu:-}" ] && ip link set dev "$dev" mtu "$new_interface_mtu"
	ip -4 addr replace "$new_ip_address/$new_subnet_mask" dev "$dev" \
		valid_lft "$new_dhcp_lease_time" preferred_lft "$new_dhcp_lease_time"
	routes4
	for server in ${new_domain_name_servers:-}; do echo "nameserver $server"; done >"$DF_DIR/resolv.conf"
}

bound6() {
	for server in ${new_dhcp6_name_servers:-}; do echo "nameserver $server"; done >"$DF_DIR/resolv6.conf"
	[ -n "${new_ip6_address:-}" ] || return 0
	ip -6 addr replace "$new_ip6_address/$new_ip6_prefixlen" dev "$dev" \
		valid_lft "$new_max_life" preferred_lft "$new_preferred_life"
	while ip -6 addr show dev "$dev" tentative to "$new_ip6_address" | grep -v dadfailed | grep -q inet6; do
		sleep 0.02
	done
	if ip -6 addr show dev "$dev" to "$new_ip6_address" | grep -q dadfailed; then
		ip -6 addr del "$new_ip6_address/$new_ip6_prefixlen" dev "$dev"
		exit 3 # somebody has it: dhclient declines it
	fi
}

case $reason in
PREINIT | PREINIT6) ip link set dev "$dev" up ;;
BOUND | RENEW | REBIND | REBOOT) bound4 ;;
BOUND6 | RENEW6 | REBIND6) bound6 ;;
EXPIRE | FAIL | RELEASE | STOP) ip -4 addr flush dev "$dev" ;;
EXPIRE6 | RELEASE6 | STOP6)
	[ -n "${old_ip6_address:-}" ] && ip -6 addr del "$old_ip6_address/$old_ip6_prefixlen" dev "$dev"
	;;
esac
DF_TIME=$(date +%s.%N) env -0 >"$DF_DIR/$DF_FILE.new" && mv "$DF_DIR/$DF_FILE.new" "$DF_DIR/$DF_FILE"
exit 0
