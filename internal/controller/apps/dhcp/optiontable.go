package dhcp

// definition is an option that is known by name: dnsmasq's name, the IANA number, the type of its value.
type definition struct {
	name       string
	code       uint16
	kind       kind
	mayBeBlank bool // an empty value means: do not send it (Neutron's router and classless-static-route)
}

// codeNextServer is the number under which dnsmasq lists what is no option but the siaddr field.
const codeNextServer = 255

// definitions4 are the DHCPv4 options (RFC 2132 unless noted).
var definitions4 = []definition{
	{name: "netmask", code: 1, kind: oneAddress},
	{name: "time-offset", code: 2, kind: uint32s},
	{name: "router", code: 3, kind: addresses, mayBeBlank: true},
	{name: "time-server", code: 4, kind: addresses},
	{name: "dns-server", code: 6, kind: addresses},
	{name: "log-server", code: 7, kind: addresses},
	{name: "lpr-server", code: 9, kind: addresses},
	{name: "hostname", code: 12, kind: text},
	{name: "boot-file-size", code: 13, kind: uint16s},
	{name: "domain-name", code: 15, kind: text},
	{name: "swap-server", code: 16, kind: addresses},
	{name: "root-path", code: 17, kind: text},
	{name: "extension-path", code: 18, kind: text},
	{name: "ip-forward-enable", code: 19, kind: uint8s},
	{name: "non-local-source-routing", code: 20, kind: uint8s},
	{name: "policy-filter", code: 21, kind: addresses},
	{name: "max-datagram-reassembly", code: 22, kind: uint16s},
	{name: "default-ttl", code: 23, kind: uint8s},
	{name: "mtu", code: 26, kind: uint16s},
	{name: "all-subnets-local", code: 27, kind: uint8s},
	{name: "broadcast", code: 28, kind: oneAddress},
	{name: "router-discovery", code: 31, kind: uint8s},
	{name: "router-solicitation", code: 32, kind: addresses},
	{name: "static-route", code: 33, kind: addresses},
	{name: "trailer-encapsulation", code: 34, kind: uint8s},
	{name: "arp-timeout", code: 35, kind: uint32s},
	{name: "ethernet-encap", code: 36, kind: uint8s},
	{name: "tcp-ttl", code: 37, kind: uint8s},
	{name: "tcp-keepalive", code: 38, kind: uint32s},
	{name: "nis-domain", code: 40, kind: text},
	{name: "nis-server", code: 41, kind: addresses},
	{name: "ntp-server", code: 42, kind: addresses},
	{name: "vendor-encap", code: 43, kind: guess},
	{name: "netbios-ns", code: 44, kind: addresses},
	{name: "netbios-dd", code: 45, kind: addresses},
	{name: "netbios-nodetype", code: 46, kind: uint8s},
	{name: "netbios-scope", code: 47, kind: guess},
	{name: "x-windows-fs", code: 48, kind: addresses},
	{name: "x-windows-dm", code: 49, kind: addresses},
	{name: "requested-address", code: 50, kind: reserved},
	{name: "lease-time", code: 51, kind: uint32s},
	{name: "option-overload", code: 52, kind: reserved},
	{name: "message-type", code: 53, kind: reserved},
	{name: "server-identifier", code: 54, kind: reserved},
	{name: "parameter-request", code: 55, kind: reserved},
	{name: "message", code: 56, kind: reserved},
	{name: "max-message-size", code: 57, kind: reserved},
	{name: "T1", code: 58, kind: uint32s},
	{name: "T2", code: 59, kind: uint32s},
	{name: "vendor-class", code: 60, kind: guess},
	{name: "client-id", code: 61, kind: reserved},
	{name: "nis+-domain", code: 64, kind: text},
	{name: "nis+-server", code: 65, kind: addresses},
	{name: "tftp-server", code: 66, kind: text},
	{name: "bootfile-name", code: 67, kind: text},
	{name: "mobile-ip-home", code: 68, kind: addresses},
	{name: "smtp-server", code: 69, kind: addresses},
	{name: "pop3-server", code: 70, kind: addresses},
	{name: "nntp-server", code: 71, kind: addresses},
	{name: "irc-server", code: 74, kind: addresses},
	{name: "user-class", code: 77, kind: guess},
	{name: "rapid-commit", code: 80, kind: reserved}, // RFC 4039
	{name: "FQDN", code: 81, kind: reserved},         // RFC 4702
	{name: "agent-id", code: 82, kind: reserved},     // RFC 3046
	{name: "client-arch", code: 93, kind: uint16s},   // RFC 4578
	{name: "client-interface-id", code: 94, kind: guess},
	{name: "client-machine-id", code: 97, kind: guess},
	{name: "posix-timezone", code: 100, kind: text}, // RFC 4833
	{name: "tzdb-timezone", code: 101, kind: text},
	{name: "ipv6-only", code: 108, kind: uint32s},                               // RFC 8925
	{name: "domain-search", code: 119, kind: domains},                           // RFC 3397
	{name: "sip-server", code: 120, kind: guess},                                // RFC 3361
	{name: "classless-static-route", code: 121, kind: routes, mayBeBlank: true}, // RFC 3442
	{name: "vendor-id-encap", code: 125, kind: guess},                           // RFC 3925
	{name: "tftp-server-address", code: 150, kind: addresses},                   // RFC 5859
	{name: "path-prefix", code: 210, kind: text},                                // RFC 5071
	{name: "ms-classless-static-route", code: 249, kind: routes, mayBeBlank: true},
	{name: "wpad", code: 252, kind: text},
	{name: "server-ip-address", code: codeNextServer, kind: oneAddress},
}

// definitions6 are the DHCPv6 options (RFC 8415 unless noted).
var definitions6 = []definition{
	{name: "client-id", code: 1, kind: reserved},
	{name: "server-id", code: 2, kind: reserved},
	{name: "ia-na", code: 3, kind: reserved},
	{name: "ia-ta", code: 4, kind: reserved},
	{name: "iaaddr", code: 5, kind: reserved},
	{name: "oro", code: 6, kind: reserved},
	{name: "preference", code: 7, kind: uint8s},
	{name: "elapsed-time", code: 8, kind: reserved},
	{name: "relay-message", code: 9, kind: reserved},
	{name: "auth", code: 11, kind: reserved},
	{name: "unicast", code: 12, kind: reserved},
	{name: "status", code: 13, kind: reserved},
	{name: "rapid-commit", code: 14, kind: reserved},
	{name: "user-class", code: 15, kind: guess},
	{name: "vendor-class", code: 16, kind: guess},
	{name: "vendor-opts", code: 17, kind: guess},
	{name: "interface-id", code: 18, kind: reserved},
	{name: "sip-server-domain", code: 21, kind: domains}, // RFC 3319
	{name: "sip-server", code: 22, kind: addresses},
	{name: "dns-server", code: 23, kind: addresses}, // RFC 3646
	{name: "domain-search", code: 24, kind: domains},
	{name: "ia-pd", code: 25, kind: reserved},
	{name: "iaprefix", code: 26, kind: reserved},
	{name: "nis-server", code: 27, kind: addresses}, // RFC 3898
	{name: "nis+-server", code: 28, kind: addresses},
	{name: "nis-domain", code: 29, kind: domains},
	{name: "nis+-domain", code: 30, kind: domains},
	{name: "sntp-server", code: 31, kind: addresses}, // RFC 4075
	{name: "information-refresh-time", code: 32, kind: uint32s},
	{name: "FQDN", code: 39, kind: reserved},       // RFC 4704
	{name: "posix-timezone", code: 41, kind: text}, // RFC 4833
	{name: "tzdb-timezone", code: 42, kind: text},
	{name: "ntp-server", code: 56, kind: ntpServers}, // RFC 5908
	{name: "bootfile-url", code: 59, kind: text},     // RFC 5970
	{name: "bootfile-param", code: 60, kind: textList},
}
