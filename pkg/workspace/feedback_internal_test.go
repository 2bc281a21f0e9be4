package workspace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFeedbackCursorMissesNoLateChange: changes are read again until none can appear before the newest one.
func TestFeedbackCursorMissesNoLateChange(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	odoo := at.Add(-3 * time.Hour) // Odoo's clock differs
	var c feedbackCursor
	require.True(t, c.since().IsZero(), "the first reading reads all")
	c = c.next(odoo, at)
	require.Equal(t, odoo.Add(-feedbackOverlap), c.since(), "a transaction may still be open")
	c = c.next(time.Time{}, at.Add(time.Minute))
	require.Equal(t, odoo.Add(-feedbackOverlap), c.since())
	c = c.next(odoo, at.Add(FeedbackEvery))
	require.Equal(t, odoo.Add(time.Second), c.since(), "nothing can appear before the newest change")
	c = c.next(odoo.Add(time.Hour), at.Add(2*FeedbackEvery))
	require.Equal(t, odoo.Add(time.Hour-feedbackOverlap), c.since())
}
