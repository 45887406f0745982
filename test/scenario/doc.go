// Package scenario plays short texts about clouds of several chassis: a topology, actions, and what is expected. Each
// line is a statement; "#" begins a comment.
//
//	chassis c1 c2
//	network blue 10.0.1.0/24 2001:db8:1::/64
//	network red 10.0.2.0/24
//	router r blue red
//	guest a on c1 in blue dhcp
//	guest b on c2 in red
//	ping a b 0 lost
//	traffic t a b
//	kill controller c1
//	start controller c1
//	ends t 0 lost
//
// The same text runs on two platforms: package real has machines out of network namespaces with real DHCP clients on
// switches with real packets, and the dragonflow program in a process for each chassis; package fast has all of it in one
// process but the switches, needs no root, and takes a second.
//
// Outside is a host on the provider's network; it becomes a router when another one is behind it:
//
//	gateways g1 g2
//	network x 203.0.113.0/24 vlan 9 external nodhcp
//	outside w in x at 203.0.113.1
//	beyond o behind w at 198.51.100.9
//	gateway w 10.0.1.0/24 via 203.0.113.5
//	uplink r x at 203.0.113.5 nosnat
//	leader G r
//	kill chassis G
//
// What does not arrive is explained: dragonflow why is asked about each packet that is expected to be lost, must say that
// it is not delivered, and, behind the word "because", the reason:
//
//	tcp b a:80 silent because no rule of groups [web] allows tcp/80 from 10.0.1.7
//
// What security groups let pass or drop is looked for in the file of the chassis of the guest behind "of":
//
//	log l group web event DROP
//	logged tcp a b:81 DROP of b by l
//	logging l off
//	unlogged tcp a b:81 of b
//
// What QoS policies limit is measured with more than they let pass, and what they mark is looked at where it arrives:
//
//	policy p
//	limit p egress kbit 2000 burst 600
//	mark p 26
//	apply p guest a
//	rate a b kbit 2000 burst 600 marked 26
//
// On package fast every kind of frame that the machines send is traced, too: dragonflow trace agrees with the switches.
//
// An expectation waits until it holds, and then looks closer: a ping "0 lost" is one that was answered at last, and then
// three in a row. Where the switches have a fault that has flows of their datapaths stay stale, they forget these after the
// first wait, and the question is asked once more. What a change must not interrupt is watched by traffic that runs meanwhile.
package scenario
