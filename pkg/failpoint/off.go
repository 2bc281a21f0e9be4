//go:build !failpoint

package failpoint

// Hit is a place where a fault can be asked for. Without the tag it is nothing.
func Hit(_, _ string) {}
