package openstack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's account of processes, the same on all of Linux' common architectures.
const tick = time.Second / 100

// Processor is the time that the parts that run now have used of processors, by name, with all processes of each.
func (s *Stack) Processor() (map[string]time.Duration, error) {
	groups := map[int]string{}
	for _, d := range s.daemons {
		groups[d.process.PID()] = d.name
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	used := map[string]time.Duration{}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		group, ticks, err := account(string(text))
		if err != nil {
			return nil, err
		}
		if name, ok := groups[group]; ok {
			used[name] += time.Duration(ticks) * tick
		}
	}
	return used, nil
}

// account reads a process' group, and its time with that of its children that have ended, of what proc(5) calls stat.
func account(stat string) (group, ticks int, err error) {
	const fields, state, pgrp, utime, cstime = 15, 2, 4, 13, 16
	_, behind, _ := strings.Cut(stat, ") ")
	words := strings.Fields(behind)
	if len(words) < fields {
		return 0, 0, fmt.Errorf("stat of a process: %q", stat)
	}
	number := func(field int) int {
		n, wrong := strconv.Atoi(words[field-state])
		if wrong != nil {
			err = wrong
		}
		return n
	}
	for field := utime; field <= cstime; field++ {
		ticks += number(field)
	}
	return number(pgrp), ticks, err
}
