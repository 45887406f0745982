// Package flow holds the values that describe what a switch shall do: matches, actions, instructions,
// flows, groups and meters.
//
// A value is its OpenFlow 1.4 wire form (ONF TS-015, with the Nicira extensions of Open vSwitch), kept
// in a string in the one form in which Open vSwitch gives it back. So values are comparable with ==, work
// as map keys, are safe for concurrent use, cost nothing to encode, and equal what a dump of the switch
// says if and only if nothing changed.
//
// Builders check what they are given. What they refuse is a programming error (a value wider than its
// field, a match on a TCP port without a protocol), so they panic with a text that names the field; the
// engine contains the panic to the owner being evaluated. Decoders of bytes from a switch
// never panic: what they do not know they keep raw.
//
// The package imports nothing but the standard library.
package flow
