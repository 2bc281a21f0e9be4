package main

import (
	"io"

	"github.com/charmbracelet/lipgloss"
)

// style is how leadctl looks on one stream. On a stream that is no terminal it does nothing.
type style struct{ renderer *lipgloss.Renderer }

func newStyle(w io.Writer) style { return style{lipgloss.NewRenderer(w)} }

func (s style) good(text string) string {
	return s.renderer.NewStyle().Foreground(lipgloss.Color("2")).Render(text)
}
func (s style) bad(text string) string {
	return s.renderer.NewStyle().Foreground(lipgloss.Color("1")).Bold(true).Render(text)
}
func (s style) dim(text string) string { return s.renderer.NewStyle().Faint(true).Render(text) }
