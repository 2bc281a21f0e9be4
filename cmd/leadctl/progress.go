package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is how often long work says where it is when nobody watches a terminal.
const progressEvery = 10 * time.Second

// progress tells on stderr how far long work is: a bar on a terminal, a plain line every ten seconds elsewhere.
// Its methods are for one goroutine.
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

// newProgress starts reporting on what ("rows", "tenants"); total is -1 when nobody knows.
func (a *app) newProgress(what string, total int64) *progress {
	p := &progress{out: a.stderr, unit: what, total: total, now: time.Now}
	p.startedAt = p.now()
	p.lastPrinted = p.startedAt
	if isTerminal(a.stderr) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(what),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// setDone says that done units of the work are done.
func (p *progress) setDone(done int64) {
	p.done = done
	if p.bar != nil {
		_ = p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop the work
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

// finish takes the bar off the screen. What came of the work is the command's result to print.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// printStep prints one finished step of a sequence on stderr: "✓ odoo_database 212ms", or "✗ …" with why.
func (a *app) printStep(name string, took time.Duration, failed error) {
	took = took.Round(time.Millisecond)
	if failed != nil {
		fmt.Fprintln(a.stderr, a.style.bad("✗"), name, a.style.dim(took.String()), stripControls(failed.Error()))
		return
	}
	fmt.Fprintln(a.stderr, a.style.good("✓"), name, a.style.dim(took.String()))
}

// setTotal corrects how many units there will be, as better estimates come in.
func (p *progress) setTotal(total int64) {
	if p.total = total; p.bar != nil && total > 0 {
		p.bar.ChangeMax64(total)
	}
}
