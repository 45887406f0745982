// Package lawtest is where the repository checks its own rules: what may import what, where goroutines
// start, how large a file may grow, that every package is documented and every link leads somewhere.
//
// Everything is in its tests. A law is data: a name, the reason for it, a function that finds what
// breaks it, and an example that must be found. To see what holds, read the files law_*_test.go; to
// add a law, add it to the list in laws_test.go. An exception is an entry with its reason in
// exceptions_test.go.
package lawtest
