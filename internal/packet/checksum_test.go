package packet

import (
	"math/rand/v2"
	"testing"
)

// naiveSum is RFC 1071 section 1 word by word.
func naiveSum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		if s += w; s > 0xffff {
			s -= 0xffff
		}
	}
	return uint16(s)
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
		if r.IntN(4) == 0 {
			b[i] = 0xff
		}
	}
	return b
}

func TestChecksumAgreesWithNaiveSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 200 {
		b := randomBytes(r, n)
		if got, want := Checksum(b), ^naiveSum(b); got != want {
			t.Fatalf("checksum of %x = %#04x, want %#04x", b, got, want)
		}
		cut := r.IntN(n+1) &^ 1
		if got := Sum(0).Add(b[:cut]).Add(b[cut:]).Checksum(); got != Checksum(b) {
			t.Fatalf("checksum of %x in two pieces = %#04x, in one %#04x", b, got, Checksum(b))
		}
	}
}

func TestUpdateChecksum(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		b := randomBytes(r, 2*(2+r.IntN(20)))
		b[0] = 0x45 // as a header: the sum is never zero
		before := Checksum(b)
		at := 2 + 2*r.IntN(len(b)/2-1)
		old := be16(b[at:])
		put16(b[at:], uint16(r.Uint32()))
		if got := UpdateChecksum(before, old, be16(b[at:])); got != Checksum(b) {
			t.Fatalf("updated %#04x, computed %#04x", got, Checksum(b))
		}
		before = Checksum(b)
		end := at + 2 + 2*r.IntN((len(b)-at)/2)
		prev := append([]byte(nil), b[at:end]...)
		copy(b[at:end], randomBytes(r, end-at))
		if got := UpdateChecksumBytes(before, prev, b[at:end]); got != Checksum(b) {
			t.Fatalf("updated by %d bytes %#04x, computed %#04x", end-at, got, Checksum(b))
		}
	}
}
