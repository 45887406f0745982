package lab

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
)

// EchoOptions change an echo request; what is zero is as usual.
type EchoOptions struct {
	TTL int
	// Size is that of the IP packet, which must not be fragmented.
	Size int
}

// EchoReply is what came back within a second. At most one of the flags is set; a router's MTU is that of a message
// about a packet that is too big.
type EchoReply struct {
	Answered, Exceeded, Unreachable bool
	From                            netip.Addr
	MTU                             int
}

// The lengths of headers before what ping(8) calls a packet's size.
const (
	echo4Headers = 20 + 8
	echo6Headers = 40 + 8
)

// EchoRequest sends one echo request and says what came of it.
func (n *Namespace) EchoRequest(ctx context.Context, to netip.Addr, o EchoOptions) (EchoReply, error) {
	argv := []string{"ping", "-n", "-c", "1", "-W", "1"}
	if o.TTL > 0 {
		argv = append(argv, "-t", strconv.Itoa(o.TTL))
	}
	if o.Size > 0 {
		headers := echo4Headers
		if to.Is6() {
			headers = echo6Headers
		}
		argv = append(argv, "-M", "do", "-s", strconv.Itoa(o.Size-headers))
		if err := n.forgetPaths(ctx); err != nil {
			return EchoReply{}, err
		}
	}
	p, err := n.Start([]string{"LC_ALL=C"}, append(argv, to.String())...)
	if err != nil {
		return EchoReply{}, err
	}
	waitErr := p.Wait(ctx) // ping(8) fails when there is no answer: the text says it, too
	reply, err := parseEcho(p.Output())
	if err != nil {
		return EchoReply{}, fmt.Errorf("%w: %w", err, waitErr)
	}
	return reply, nil
}

// forgetPaths has the kernel forget what it learned about paths: it would not send a packet that it knows to be too big.
func (n *Namespace) forgetPaths(ctx context.Context) error {
	for _, family := range []string{"-4", "-6"} {
		if _, err := n.Run(ctx, "ip", family, "route", "flush", "cache"); err != nil {
			return err
		}
	}
	return nil
}

var (
	echoMessage = regexp.MustCompile(`(?m)^From (\S+?):? icmp_seq=1 (.*)$`)
	echoMTU     = regexp.MustCompile(`mtu ?= ?(\d+)`)
	echoHops    = regexp.MustCompile(`^Time (to live )?exceeded`)
)

// parseEcho reads what iputils' ping says of one request.
func parseEcho(text string) (r EchoReply, err error) {
	stats, err := parsePing(text)
	if err != nil {
		return EchoReply{}, err
	}
	if r.Answered = stats.Received > 0; r.Answered {
		return r, nil
	}
	m := echoMessage.FindStringSubmatch(text)
	if m == nil {
		return r, nil
	}
	if r.From, err = netip.ParseAddr(m[1]); err != nil {
		return EchoReply{}, fmt.Errorf("ping's message: %w", err)
	}
	mtu := echoMTU.FindStringSubmatch(m[2])
	switch {
	case mtu != nil:
		r.MTU, err = strconv.Atoi(mtu[1])
	case echoHops.MatchString(m[2]):
		r.Exceeded = true
	default:
		r.Unreachable = true
	}
	return r, err
}
