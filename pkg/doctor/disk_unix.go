//go:build linux || darwin

package doctor

import "syscall"

// freeSpace is what is left for others than root.
func freeSpace(dir string) (Space, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	size := uint64(s.Bsize)
	return Space{Free: s.Bavail * size, Total: s.Blocks * size}, err
}
