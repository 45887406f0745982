// Package telemetry is how a process tells the outside how it fares: metrics, and conditions that a
// person must see. Both are values that the process creates and passes on; there is no global registry.
//
// A package that has metrics declares them as collectors, with their whole names written out, and
// registers them where the process is wired. A package that can be in trouble registers a [Warning]
// with [Health] and raises it for as long as the trouble lasts.
package telemetry
