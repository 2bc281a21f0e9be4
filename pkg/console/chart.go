package console

import (
	"slices"

	"github.com/leadctl/leadctl/pkg/leads"
)

// Sizes of the charts, in units of the SVG's viewBox. The page scales them.
const (
	chartWidth  = 640
	chartHeight = 150
	chartGap    = 3
	sparkWidth  = 240
	sparkHeight = 48
)

// rect is one bar, or a part of one.
type rect struct {
	X, Y, Width, Height float64
	Class               string
}

// bar is one column of the histogram: its parts by bucket, and the values of its tooltip.
type bar struct {
	Parts    []rect
	X, Width float64
	From, To int // points
	Count    int64
}

// tick is a mark on an axis.
type tick struct {
	X, Y  float64
	Label string
}

// histogram is the score distribution as shapes.
type histogram struct {
	Width, Height float64
	Bars          []bar
	Lines, Ticks  []tick
	Most          int64
}

// newHistogram returns a histogram that stacks each bar's buckets, the best on top. The tallest bar has the full
// height.
func newHistogram(s leads.Spread) histogram {
	h := histogram{Width: chartWidth, Height: chartHeight}
	for _, b := range s.Bars {
		h.Most = max(h.Most, sumCounts(b))
	}
	if h.Most == 0 {
		return h
	}
	step := float64(chartWidth) / leads.Bars
	for i, counts := range s.Bars {
		b := bar{X: float64(i) * step, Width: step, From: i * 100 / leads.Bars, To: (i + 1) * 100 / leads.Bars,
			Count: sumCounts(counts)}
		b.Parts = stackBuckets(counts, b.X+chartGap/2.0, step-chartGap, float64(h.Most))
		h.Bars = append(h.Bars, b)
	}
	h.Lines = []tick{{0, 0, formatNumber(h.Most)}, {0, chartHeight / 2, formatNumber(h.Most / 2)}}
	for p := 0; p <= 100; p += 25 {
		h.Ticks = append(h.Ticks, tick{X: float64(p) / 100 * chartWidth, Label: formatNumber(int64(p))})
	}
	return h
}

func stackBuckets(counts map[string]int64, x, width, most float64) (parts []rect) {
	y := float64(chartHeight)
	for _, name := range bucketsUpwards(counts) {
		height := float64(counts[name]) / most * chartHeight
		if height == 0 {
			continue
		}
		height = max(height, 1.5) // so that a single company is visible
		y = max(y-height, 0)
		parts = append(parts, rect{x, y, width, height, bucketClass(name)})
	}
	return parts
}

// bucketsUpwards returns the buckets from bottom to top: those of other services, then leadctl's from worst to best.
func bucketsUpwards(counts map[string]int64) (names []string) {
	own := leads.Buckets()
	for name := range counts {
		if !slices.Contains(own, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Reverse(own)
	return append(names, own...)
}

func bucketClass(name string) string {
	if slices.Contains(leads.Buckets(), name) {
		return name
	}
	return "other"
}

func sumCounts(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// spark is a small bar chart without axes.
type spark struct {
	Width, Height float64
	Bars          []rect
}

// newSpark returns a chart with one bar for each value, in order.
func newSpark(values []float64) spark {
	s := spark{Width: sparkWidth, Height: sparkHeight}
	if len(values) == 0 {
		return s
	}
	most := slices.Max(values)
	step := min(float64(sparkWidth)/float64(len(values)), 24)
	for i, v := range values {
		height := 2.0
		if most > 0 {
			height = max(height, v/most*sparkHeight)
		}
		s.Bars = append(s.Bars, rect{X: float64(i) * step, Y: sparkHeight - height, Width: max(step-2, 1),
			Height: height})
	}
	return s
}
