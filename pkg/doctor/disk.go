package doctor

import (
	"fmt"
	"os"
)

// Space of a file system, in bytes.
type Space struct{ Free, Total uint64 }

// Limits of checkDisk. The first load of the whole register writes about 3 GiB.
const (
	gib       = 1 << 30
	leastFree = gib
	lowShare  = 10 // percent
)

// checkDisk checks the file systems that leadctl and a PostgreSQL on this machine write to. It cannot check the file
// system of a PostgreSQL elsewhere, because no query returns its free space.
func checkDisk(o Options) (checks []Check) {
	free := o.Free
	if free == nil {
		free = freeSpace
	}
	seen := map[Space]bool{}
	for _, dir := range []string{os.TempDir(), "/var/lib/postgresql", "."} {
		s, err := free(dir)
		if err != nil || s.Total == 0 || seen[s] {
			continue
		}
		seen[s] = true
		share := s.Free * 100 / s.Total
		c := Check{Name: "disk", State: OK, Fact: fmt.Sprintf("%s: %.1f of %.1f GiB free (%d %%)", dir,
			float64(s.Free)/gib, float64(s.Total)/gib, share)}
		switch {
		case s.Free < leastFree:
			c.State, c.Fix = Failed,
				"free disk space: a load of the register needs about 3 GiB, and a full disk stops PostgreSQL"
		case share < lowShare && s.Free < 5*gib:
			c.State, c.Fix = Warning, "free disk space before it is full"
		}
		checks = append(checks, c)
	}
	if len(checks) == 0 {
		return skippedChecks("free space cannot be read on this system", "disk")
	}
	return checks
}
