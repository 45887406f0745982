// Package operate answers an operator's questions about one chassis: what happens to a packet and why
// ([Why], [Tables.Walk]), what was dropped ([Drops]), which flows concern a port ([Flows]), how the
// chassis is ([Status]).
//
// The answers are pure functions over what the chassis wants and what its switch counted. Each is a
// struct, for programs as JSON, with a method that writes a table for people. What reads an engine or a
// view must be called where these may be read; what it returns keeps nothing of them. Package local
// carries the questions from the command line to a running controller.
package operate
