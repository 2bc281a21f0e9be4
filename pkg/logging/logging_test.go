package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/logging"
)

func logLine(t *testing.T, log func(ctx context.Context, l *slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log(t.Context(), logging.New(&out, slog.LevelInfo, "json"))
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got), "one line, one object: %s", out.String())
	return got
}

func TestContextAttributesReachTheLine(t *testing.T) {
	t.Parallel()
	got := logLine(t, func(ctx context.Context, l *slog.Logger) {
		ctx = logging.With(ctx, slog.String("request_id", "r1"), slog.Int("tenant", 1))
		ctx = logging.With(ctx, slog.Int("tenant", 2))
		l.With("component", "jobs").InfoContext(ctx, "done")
	})
	require.Equal(t, "r1", got["request_id"])
	require.Equal(t, 2.0, got["tenant"], "the later value wins")
	require.Equal(t, "jobs", got["component"])
}

func TestSiblingsDoNotShareAttributes(t *testing.T) {
	t.Parallel()
	parent := logging.With(t.Context(), slog.String("a", "1"), slog.String("b", "1"), slog.String("c", "1"))
	left, right := logging.With(parent, slog.String("side", "left")), logging.With(parent, slog.String("side", "right"))
	for want, ctx := range map[string]context.Context{"left": left, "right": right} {
		got := logLine(t, func(_ context.Context, l *slog.Logger) { l.InfoContext(ctx, "x") })
		require.Equal(t, want, got["side"])
	}
}

func TestControlCharactersStayInsideTheLine(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", logging.Text} {
		var out bytes.Buffer
		logging.New(&out, slog.LevelInfo, format).Info("x", "name", "a\r\nlevel=ERROR\x1b[31m")
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")), format)
		require.NotContains(t, out.String(), "\x1b", format)
	}
}

func TestLevelAndFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := logging.New(&out, slog.LevelWarn, logging.Text)
	l.Info("hidden")
	require.Empty(t, out.String())
	l.Warn("shown")
	require.Contains(t, out.String(), "level=WARN msg=shown")
	logging.Discard().Error("nowhere")
}
