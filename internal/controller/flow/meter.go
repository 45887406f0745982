package flow

// MeterUnit says what a meter counts.
type MeterUnit uint8

// The units.
const (
	KilobitsPerSecond MeterUnit = iota
	PacketsPerSecond
)

// MeterEntry is a row of a switch's meter table: what is beyond the rate is dropped. It is comparable.
type MeterEntry struct {
	ID    uint32
	Unit  MeterUnit
	Rate  uint32
	Burst uint32 // kilobits or packets, 0: the switch's default
}

// NewMeter returns a meter that drops what exceeds rate.
func NewMeter(id uint32, unit MeterUnit, rate, burst uint32) MeterEntry {
	if id == 0 || id > MaxMeter || unit > PacketsPerSecond || rate == 0 {
		panicf("meter %#x with rate %d in unit %d", id, rate, unit)
	}
	return MeterEntry{id, unit, rate, burst}
}
