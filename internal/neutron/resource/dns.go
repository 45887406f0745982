package resource

import (
	"fmt"
	"regexp"
	"strings"
)

var dnsLabel = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

// checkDNS checks a domain name (RFC 1035 section 2.3.1 with digits allowed in front, RFC 1123).
func checkDNS(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("'%s' exceeds the 255 character FQDN limit", show(name))
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if !dnsLabel.MatchString(label) {
			return fmt.Errorf("'%s' not a valid PQDN or FQDN. Reason: label '%s' is not valid", show(name), show(label))
		}
	}
	return nil
}

// dnsName accepts a host name; it is stored in lower case.
func dnsName(v any) (string, error) {
	s, err := NullableText(255)(v)
	if err == nil && s != "" {
		err = checkDNS(s)
	}
	return strings.ToLower(s), err
}

// dnsDomain accepts a fully qualified domain, which ends in a dot.
func dnsDomain(v any) (string, error) {
	s, err := dnsName(v)
	if err == nil && s != "" && !strings.HasSuffix(s, ".") {
		return "", fmt.Errorf("'%s' is not a FQDN", show(v))
	}
	return s, err
}
