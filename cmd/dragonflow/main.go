// Command dragonflow is the whole of Dragonflow in one binary; see dragonflow --help.
package main

func main() {}
