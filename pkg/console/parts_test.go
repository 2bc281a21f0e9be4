package console

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/leads"
)

func TestHistogram(t *testing.T) {
	t.Parallel()
	s := leads.Spread{Total: 1004}
	s.Bars[0] = map[string]int64{"low": 1000, "high": 1}
	s.Bars[19] = map[string]int64{"high": 2, "foreign": 1}
	h := newHistogram(s)
	require.EqualValues(t, 1001, h.Most)
	require.Len(t, h.Bars, leads.Bars)
	require.Len(t, h.Bars[0].Parts, 2)
	require.Equal(t, []string{"other", "high"}, []string{h.Bars[19].Parts[0].Class, h.Bars[19].Parts[1].Class})
	for _, b := range h.Bars {
		for _, p := range b.Parts {
			require.GreaterOrEqual(t, p.Height, 1.5, "a single company is visible")
			require.GreaterOrEqual(t, p.Y, 0.0)
			require.LessOrEqual(t, p.Y+p.Height, chartHeight+1.5)
			require.GreaterOrEqual(t, p.X, b.X)
			require.LessOrEqual(t, p.X+p.Width, b.X+b.Width)
		}
	}
	require.Empty(t, newHistogram(leads.Spread{}).Bars)
	require.Empty(t, newSpark(nil).Bars)
	require.Len(t, newSpark([]float64{0, 0}).Bars, 2)
}

func TestFormatting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { t := now.Add(-d); return &t }
	var never *time.Time
	for want, got := range map[string]string{
		"0": formatNumber(0), "999": formatNumber(999), "1,000": formatNumber(1000), "-12,345": formatNumber(-12345),
		"1,234,567": formatNumber(1234567),
		"just now":  formatAgo(now, at(3*time.Second)), "59 seconds ago": formatAgo(now, at(59*time.Second)),
		"1 minute ago": formatAgo(now, at(time.Minute)),
		"2 days ago":   formatAgo(now, at(50*time.Hour)), "in 1 hour": formatAgo(now, at(-time.Hour)),
		"never": formatAgo(now, never),
		"1 ms":  formatDuration(0), "250 ms": formatDuration(250 * time.Millisecond),
		"1.5 s":     formatDuration(1500 * time.Millisecond),
		"42 s":      formatDuration(42 * time.Second),
		"3 min 5 s": formatDuration(185 * time.Second), "2 h 1 min": formatDuration(121 * time.Minute),
		"0 %": formatShare(0, 5), "< 1 %": formatShare(1, 1000), "50 %": formatShare(1, 2),
	} {
		require.Equal(t, want, got)
	}
}
