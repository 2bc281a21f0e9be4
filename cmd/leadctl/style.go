package main

import (
	"io"

	"github.com/charmbracelet/lipgloss"
)

// style colours text for one stream. It returns the text unchanged if the stream is not a terminal.
type style struct{ renderer *lipgloss.Renderer }

func newStyle(w io.Writer) style { return style{lipgloss.NewRenderer(w)} }

func (s style) good(text string) string {
	return s.renderer.NewStyle().Foreground(lipgloss.Color("2")).Render(text)
}
func (s style) bad(text string) string {
	return s.renderer.NewStyle().Foreground(lipgloss.Color("1")).Bold(true).Render(text)
}
func (s style) dim(text string) string { return s.renderer.NewStyle().Faint(true).Render(text) }
