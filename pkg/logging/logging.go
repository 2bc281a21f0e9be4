// Package logging makes the one slog.Logger of a process and carries attributes (request id, tenant) through contexts.
//
// It owns the format of a log line. It does not own a logger: cmd/leadctl makes one with New and hands it to whoever
// writes, so no package has a global one. Nothing secret may be handed to it; it does not look for secrets.
package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
)

// Text is the format for people; every other format name means JSON, one object a line.
const Text = "text"

// New makes a logger that writes to w from level on and adds the attributes that With put into a record's context.
func New(w io.Writer, level slog.Level, format string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == Text {
		return slog.New(handler{slog.NewTextHandler(w, opts)})
	}
	return slog.New(handler{slog.NewJSONHandler(w, opts)})
}

// Discard is a logger that writes nothing, for tests and for callers without one.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

type attrsKey struct{}

// With returns a context whose log lines carry attrs besides those that ctx already has. A later attribute with
// the same key takes the place of the earlier one.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	kept := slices.DeleteFunc(slices.Clone(attrsOf(ctx)), func(old slog.Attr) bool {
		return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == old.Key })
	})
	return context.WithValue(ctx, attrsKey{}, append(kept, attrs...))
}

// Value is the attribute that ctx's log lines carry under key, "" for none.
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

// WithAttrs implements slog.Handler; without it the derived logger would lose the context's attributes.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
