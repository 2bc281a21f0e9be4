//go:build !failpoint

package failpoint

// Hit marks a failpoint. Without the build tag it does nothing.
func Hit(_, _ string) {}
