package httpapi

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	spoolMemory = 1 << 20 // bytes of one download that wait in memory
	spoolDisk   = 2 << 30 // bytes of all downloads that wait in files
)

// spool carries a download from the database to its reader, so that a slow reader holds no transaction. What the reader
// has not taken waits in memory and then in a temporary file without a name, which ends with the process. If there is
// no room for the file, Write waits for the reader. One goroutine may write while another reads.
type spool struct {
	disk *semaphore.Weighted // free bytes for the files of all downloads

	mu      sync.Mutex
	changed *sync.Cond
	memory  bytes.Buffer // read before the file
	file    *os.File
	named   bool  // the file has a name, which Close removes
	read    int64 // bytes of the file that were read
	written int64 // bytes of the file that were written
	full    bool  // the file takes no more
	end     error // what Read returns after the last byte
	closed  bool
}

func newSpool(disk *semaphore.Weighted) *spool {
	s := &spool{disk: disk}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// Write implements io.Writer. Its error is io.ErrClosedPipe after Close.
func (s *spool) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		switch {
		case s.read == s.written && s.memory.Len()+len(b) <= max(spoolMemory, len(b)):
			s.emptyFile()
			s.memory.Write(b)
		case s.full || !s.writeFile(b):
			s.full = true
			s.changed.Wait()
			continue
		}
		s.changed.Broadcast()
		return len(b), nil
	}
	return 0, io.ErrClosedPipe
}

// emptyFile makes room in a file that was read to its end.
func (s *spool) emptyFile() {
	s.disk.Release(s.written)
	s.written, s.read, s.full = 0, 0, false
}

// writeFile appends b to the file and reports whether there was room for it.
func (s *spool) writeFile(b []byte) bool {
	if !s.disk.TryAcquire(int64(len(b))) {
		return false
	}
	err := s.openFile()
	if err == nil {
		_, err = s.file.WriteAt(b, s.written)
	}
	if err != nil {
		s.disk.Release(int64(len(b)))
		return false
	}
	s.written += int64(len(b))
	return true
}

func (s *spool) openFile() (err error) {
	if s.file != nil {
		return nil
	}
	if s.file, err = os.CreateTemp("", "leadctl-download-"); err == nil {
		s.named = os.Remove(s.file.Name()) != nil // on Windows, an open file keeps its name
	}
	return err
}

// Finish makes Read end after the last byte: with io.EOF, or with err.
func (s *spool) Finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end = err; err == nil {
		s.end = io.EOF
	}
	s.changed.Broadcast()
}

// Read implements io.Reader. It waits for data.
func (s *spool) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.memory.Len() == 0 && s.read == s.written && s.end == nil {
		s.changed.Wait()
	}
	defer s.changed.Broadcast()
	switch {
	case s.memory.Len() > 0:
		return s.memory.Read(b)
	case s.read < s.written:
		n, err := s.file.ReadAt(b[:min(int64(len(b)), s.written-s.read)], s.read)
		s.read += int64(n)
		return n, err
	}
	return 0, s.end
}

// Close ends a waiting Write and frees the file.
func (s *spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
	s.emptyFile()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.named {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}
