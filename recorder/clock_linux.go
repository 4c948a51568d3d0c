package recorder

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
)

// readClocks reads the machine's clocks as nearly at once as user space can: CLOCK_MONOTONIC
// first and last, the others in between, the best of a few tries. Perf's clock is left out,
// with 0, where perf_event_open is refused.
func readClocks() (format.Clocks, error) {
	const tries = 5
	var best format.Clocks
	for i := range tries {
		var first, boot, real, last unix.Timespec
		for _, c := range []struct {
			id int32
			to *unix.Timespec
		}{
			{unix.CLOCK_MONOTONIC, &first}, {unix.CLOCK_BOOTTIME, &boot}, {unix.CLOCK_REALTIME, &real}, {unix.CLOCK_MONOTONIC, &last},
		} {
			if err := unix.ClockGettime(c.id, c.to); err != nil {
				return best, fmt.Errorf("read clock %d: %w", c.id, err)
			}
		}
		between := uncertainty(uint64(last.Nano() - first.Nano()))
		if i == 0 || between < best.Uncertainty {
			best = format.Clocks{
				Monotonic: uint64(first.Nano()), Boottime: uint64(boot.Nano()), Realtime: uint64(real.Nano()),
				Uncertainty: between,
			}
		}
	}
	if perf, at, within, err := readPerfClock(); err == nil {
		// Both clocks run at the same pace over the microseconds in between.
		best.Perf = perf - at + best.Monotonic
		best.PerfUncertainty = within
	}
	return best, nil
}

// uncertainty is how long a reading took, in ns, as far as the record has room for it: up to
// 4.3 s. The machine may have been stopped for longer.
func uncertainty(ns uint64) uint32 { return uint32(min(ns, math.MaxUint32)) }

// anchor ties Go's clock, which is read without a system call, to CLOCK_MONOTONIC, which Go
// does not tell: both advance alike.
var anchor = sync.OnceValue(func() (a struct {
	time time.Time
	mono uint64
}) {
	// The shortest of a few readings is off by less than a microsecond.
	best := time.Duration(math.MaxInt64)
	for range 5 {
		var ts unix.Timespec
		before := time.Now()
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
			return a
		}
		if took := time.Since(before); took < best {
			best, a.time, a.mono = took, before.Add(took/2), uint64(ts.Nano())
		}
	}
	return a
})

// Now returns CLOCK_MONOTONIC in ns: the clock of every record's Time.
func Now() uint64 {
	a := anchor()
	return a.mono + uint64(time.Since(a.time))
}
