// Package logging makes the slog.Logger of a process and carries attributes (request id, tenant) in contexts.
//
// It owns the format of a log line. It holds no logger: cmd/leadctl makes one with New and passes it on, so no package
// has a global logger. It does not look for secrets; callers must not log any.
package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
)

// Text is the format name for text lines. Every other name means JSON, one object per line.
const Text = "text"

// New returns a logger that writes records of level and above to w and adds the attributes that With put into their
// context. If w is a Queue, the log says where lines are missing.
func New(w io.Writer, level slog.Level, format string) *slog.Logger {
	log := slog.New(newHandler(w, &slog.HandlerOptions{Level: level}, format))
	if q, ok := w.(*Queue); ok {
		q.reportTo(func(n uint64) { log.Warn("log lines dropped: their reader did not read them", "lines", n) })
	}
	return log
}

func newHandler(w io.Writer, opts *slog.HandlerOptions, format string) handler {
	if format == Text {
		return handler{slog.NewTextHandler(w, opts)}
	}
	return handler{slog.NewJSONHandler(w, opts)}
}

// Discard returns a logger that writes nothing, for tests and for callers without a logger.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

type attrsKey struct{}

// With returns a context whose log lines carry attrs and the attributes that ctx already has. A later attribute
// replaces an earlier one with the same key.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	kept := slices.DeleteFunc(slices.Clone(attrsOf(ctx)), func(old slog.Attr) bool {
		return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == old.Key })
	})
	return context.WithValue(ctx, attrsKey{}, append(kept, attrs...))
}

// Value returns the attribute that ctx carries under key, or "".
func Value(ctx context.Context, key string) string {
	for _, a := range attrsOf(ctx) {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

func attrsOf(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return attrs
}

// handler adds the context's attributes to every record that passes through.
type handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs := attrsOf(ctx); len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler. The embedded method would return a handler without the context's attributes.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
