package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is the time between two progress lines when stderr is not a terminal.
const progressEvery = 10 * time.Second

// progress shows on stderr how far a long task is: a bar on a terminal, a line every progressEvery elsewhere.
// Its methods must be called from one goroutine.
type progress struct {
	out   io.Writer
	unit  string
	total int64 // -1 when unknown
	now   func() time.Time

	bar         *progressbar.ProgressBar // nil off a terminal
	done        int64
	lastPrinted time.Time

	startedAt time.Time
}

// newProgress starts to show progress in unit, such as "rows". total is -1 when it is unknown.
func (a *app) newProgress(unit string, total int64) *progress {
	p := &progress{out: a.stderr, unit: unit, total: total, now: time.Now}
	p.startedAt = p.now()
	p.lastPrinted = p.startedAt
	if isTerminal(a.stderr) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetDescription(unit),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// setDone shows that done units of the total are done.
func (p *progress) setDone(done int64) {
	p.done = done
	if p.bar != nil {
		_ = p.bar.Set64(done) // the work goes on when the bar cannot be drawn
		return
	}
	if now := p.now(); now.Sub(p.lastPrinted) >= progressEvery {
		p.lastPrinted = now
		fmt.Fprintln(p.out, p.statusLine())
	}
}

func (p *progress) statusLine() string {
	rate := float64(p.done) / max(p.now().Sub(p.startedAt).Seconds(), 1)
	if p.total > 0 {
		return fmt.Sprintf("%d of %d %s (%d%%), %.0f a second", p.done, p.total, p.unit, p.done*100/p.total, rate)
	}
	return fmt.Sprintf("%d %s, %.0f a second", p.done, p.unit, rate)
}

// finish removes the bar from the screen. The command prints the result.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// printStep prints one finished step on stderr: "✓ odoo_database 212ms", or "✗ odoo_database 212ms REASON".
func (a *app) printStep(name string, took time.Duration, failed error) {
	took = took.Round(time.Millisecond)
	if failed != nil {
		fmt.Fprintln(a.stderr, a.style.bad("✗"), name, a.style.dim(took.String()), stripControls(failed.Error()))
		return
	}
	fmt.Fprintln(a.stderr, a.style.good("✓"), name, a.style.dim(took.String()))
}

// setTotal changes the total when a better estimate is known.
func (p *progress) setTotal(total int64) {
	if p.total = total; p.bar != nil && total > 0 {
		p.bar.ChangeMax64(total)
	}
}
