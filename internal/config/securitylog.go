package config

import (
	"math"
	"path/filepath"
)

// SecurityLog is how a controller writes what security groups let pass or drop: Neutron has these as network_log.
type SecurityLog struct {
	File  string `key:"security-log-file" default:"none: the process's log" help:"file that gets a line of JSON for each packet that a log of security groups asks for; rotated by moving it away or by copytruncate"`
	Rate  int    `key:"security-log-rate" help:"packets of each port that are logged in a second, at least 100; what is beyond is not logged"`
	Burst int    `key:"security-log-burst" help:"packets of each port that are logged at once, at least 25"`
}

const (
	leastLogRate  = 100
	leastLogBurst = 25
)

func defaultSecurityLog() SecurityLog { return SecurityLog{Rate: leastLogRate, Burst: leastLogBurst} }

func (*SecurityLog) title() string { return "Controller: logs of security groups" }

func (l *SecurityLog) problems() map[string]string {
	found := map[string]string{}
	if l.File != "" && !filepath.IsAbs(l.File) {
		found["security-log-file"] = "must be an absolute path"
	}
	if l.Rate < leastLogRate || l.Rate > math.MaxInt32 {
		found["security-log-rate"] = "must be at least 100"
	}
	if l.Burst < leastLogBurst || l.Burst > math.MaxInt32 {
		found["security-log-burst"] = "must be at least 25"
	}
	return found
}
