package logging_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/logging"
	"github.com/leadctl/leadctl/pkg/logging/logtest"
)

// A reader that stops reading delays no line's writer; the log says how many lines it lost once it reads again.
func TestStuckReaderDelaysNoLine(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	q := logging.NewQueue(writer)
	log := logging.New(q, slog.LevelInfo, "json")
	const lines = 2000
	for range lines {
		log.Info(strings.Repeat("x", 1000))
	}
	dropped, now := q.Dropped()
	require.Greater(t, dropped, uint64(500), "2 MB do not fit")
	require.Less(t, dropped, uint64(1500), "the buffer is used")
	require.True(t, now)

	var got logtest.Journal
	go func() { _, _ = io.Copy(&got, reader) }()
	require.Eventually(t, func() bool { return strings.Contains(got.String(), "log lines dropped") }, 10*time.Second,
		time.Millisecond)
	log.Info("last")
	q.Close(time.Minute)
	require.NoError(t, writer.Close())
	require.Eventually(t, func() bool { return strings.Contains(got.String(), `"last"`) }, 10*time.Second,
		time.Millisecond)
	total, now := q.Dropped()
	require.Equal(t, dropped, total)
	require.False(t, now)
	require.Equal(t, lines-int(dropped)+2, strings.Count(got.String(), "\n"))
}

type failing struct{ broken atomic.Bool }

func (f *failing) Write(b []byte) (int, error) {
	if f.broken.Load() {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

func TestFailedWritesAreCounted(t *testing.T) {
	t.Parallel()
	w := &failing{}
	w.broken.Store(true)
	q := logging.NewQueue(w)
	log := logging.New(q, slog.LevelInfo, "json")
	log.Info("a")
	log.Info("b")
	lost := func(n uint64, losing bool) func() bool {
		return func() bool { dropped, now := q.Dropped(); return dropped == n && now == losing }
	}
	require.Eventually(t, lost(2, true), 10*time.Second, time.Millisecond)
	w.broken.Store(false)
	log.Info("c")
	require.Eventually(t, lost(2, false), 10*time.Second, time.Millisecond)
	q.Close(time.Minute)
}

func TestCloseWaitsForTheReaderOnlySoLong(t *testing.T) {
	t.Parallel()
	_, writer := io.Pipe()
	q := logging.NewQueue(writer)
	logging.New(q, slog.LevelInfo, "json").Info("never read")
	q.Close(10 * time.Millisecond)
	q.Close(10 * time.Millisecond)
	_, err := q.Write([]byte("late"))
	require.NoError(t, err)
	dropped, _ := q.Dropped()
	require.Equal(t, uint64(1), dropped)
}
