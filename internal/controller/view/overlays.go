package view

// Overlay says that tunnels alone carry a network, and that this chassis has them: who is on the network is a port of
// the model, also outside.
type Overlay struct{ NetworkID string }

// Overlays holds the networks that tunnels alone carry, by id. The app provider
// derives it.
var Overlays = NewDerived("Overlay", func(o Overlay) string { return o.NetworkID })

// LeadsOutside reports whether routers may leave the cloud by an external network from this chassis: by a physical network
// that carries it, or by tunnels to those who are on it.
func LeadsOutside(r *Reader, network string) bool {
	if _, wired := Get(r, Wires, network); wired == Present {
		return true
	}
	_, tunnelled := Get(r, Overlays, network)
	return tunnelled == Present
}
