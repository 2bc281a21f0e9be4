package httpapi

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"
)

// TestSpool: what is written is read, in order, whether it waits in memory, in a file, or for the reader.
func TestSpool(t *testing.T) {
	want := make([]byte, 5<<20)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	for name, size := range map[string]int64{"roomy": spoolDisk, "small": 2 << 20, "none": 0} {
		t.Run(name, func(t *testing.T) {
			disk := semaphore.NewWeighted(size)
			s := newSpool(disk)
			go func() {
				for rest := want; len(rest) > 0; {
					n, err := s.Write(rest[:min(len(rest), 1+rand.IntN(200_000))])
					if err != nil {
						return
					}
					rest = rest[n:]
				}
				s.Finish(nil)
			}()
			var got bytes.Buffer
			for {
				n, err := io.CopyN(&got, s, 1+rand.Int64N(300_000))
				if n == 0 || err != nil {
					require.ErrorIs(t, err, io.EOF)
					break
				}
			}
			require.True(t, bytes.Equal(want, got.Bytes()))
			require.NoError(t, s.Close())
			require.True(t, disk.TryAcquire(size), "the file's bytes are free again")
		})
	}
	t.Run("no temporary folder", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir()+"/none")
		s := newSpool(semaphore.NewWeighted(spoolDisk))
		go func() {
			_, _ = s.Write(want[:spoolMemory])
			_, _ = s.Write(want[spoolMemory:])
			s.Finish(errors.New("end"))
		}()
		var got bytes.Buffer
		_, err := got.ReadFrom(s)
		require.ErrorContains(t, err, "end")
		require.True(t, bytes.Equal(want, got.Bytes()))
		require.NoError(t, s.Close())
	})
	t.Run("reader gone", func(t *testing.T) {
		s := newSpool(semaphore.NewWeighted(0))
		_, err := s.Write(want[:spoolMemory])
		require.NoError(t, err)
		ended := make(chan error)
		go func() { _, err := s.Write(want); ended <- err }()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-ended, io.ErrClosedPipe)
	})
}
