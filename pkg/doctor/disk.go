package doctor

import (
	"fmt"
	"os"
)

// Space of a file system, in bytes.
type Space struct{ Free, Total uint64 }

// How little is too little. A first load of the whole register writes some three gigabytes.
const (
	gib       = 1 << 30
	leastFree = gib
	lowShare  = 10 // percent
)

// checkDisk looks at the file systems of this machine that leadctl and a PostgreSQL beside it write to. That of a PostgreSQL
// elsewhere has to be watched there: the database tells nobody.
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
				"make room: a load of the register needs some 3 GiB, and a full disk stops PostgreSQL"
		case share < lowShare && s.Free < 5*gib:
			c.State, c.Fix = Warning, "make room before it is full"
		}
		checks = append(checks, c)
	}
	if len(checks) == 0 {
		return skippedChecks("this system does not tell", "disk")
	}
	return checks
}
