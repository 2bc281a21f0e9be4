//go:build linux || darwin

package doctor

import "syscall"

// freeSpace returns the space that is free for users other than root.
func freeSpace(dir string) (Space, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	size := uint64(s.Bsize)
	return Space{Free: s.Bavail * size, Total: s.Blocks * size}, err
}
