package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// span is a time without access: from the acknowledgement of the revocation to the begin of its end.
type span struct {
	who          string // a person, or the number of a tenant
	since, until time.Time
}

// effect is something that only a person or tenant with access gets: a successful answer, a whole download, a pushed
// lead.
type effect struct {
	who, what string
	begun, at time.Time // begun is zero for work of which only the effect is seen
}

// record is what the checker reads.
type record struct {
	mu      sync.Mutex
	spans   []span
	effects []effect
}

func (r *record) addSpan(s span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, s)
}

func (r *record) addEffect(who, what string, begun, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.effects = append(r.effects, effect{who, what, begun, at})
}

// hasEffect reports whether a call of a person or tenant succeeded that began after a time.
func (r *record) hasEffect(who string, after time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.effects, func(e effect) bool { return e.who == who && e.begun.After(after) })
}

// late returns a line for each effect in a time without access that began in it, or came too late after its begin.
func (r *record) late() (found []string) {
	for _, s := range r.spans {
		for _, e := range r.effects {
			if e.who != s.who || e.at.Before(s.since) || e.at.After(s.until) {
				continue
			}
			if after := e.at.Sub(s.since); e.begun.After(s.since) || after > within {
				found = append(found, fmt.Sprintf("%s: %s %s after the end of access (begun at %s, ended at %s)", e.who,
					e.what, after, e.begun.Format(time.TimeOnly), s.since.Format(time.TimeOnly)))
			}
		}
	}
	return found
}

// summary counts what happened and gives the longest time that work went on.
func (r *record) summary() string {
	long, slowest := 0, time.Duration(0)
	for _, s := range r.spans {
		if s.until.Sub(s.since) > within {
			long++
		}
		for _, e := range r.effects {
			if e.who == s.who && e.at.After(s.since) && e.at.Before(s.until) {
				slowest = max(slowest, e.at.Sub(s.since))
			}
		}
	}
	kinds := map[string]int{}
	for _, e := range r.effects {
		kinds[e.what]++
	}
	return fmt.Sprintf("%d revocations, %d of them for more than %s; %v; the last effect came %s after one",
		len(r.spans), long, within, kinds, slowest.Round(time.Millisecond))
}

// keepCalling signs in and changes a rule, again and again, with a new token each time.
func (p *person) keepCalling(ctx context.Context, w *world, seen *record) {
	for ctx.Err() == nil {
		p.token = w.issueToken(ctx, p)
		for _, c := range []struct{ method, path, body string }{
			{http.MethodPost, "/onboarding/first_login", ""},
			{http.MethodGet, "/whoami", ""},
			{http.MethodPost, "/icp/rules", `{"name": "busy", "payload": {"keywords": ["none"]}}`},
		} {
			begun := time.Now()
			if status := p.callReplica(ctx, w, c.method, c.path, c.body, nil); status >= 200 && status < 300 {
				seen.addEffect(p.id, c.path, begun, time.Now())
			}
		}
		pauseBetweenCalls(ctx)
	}
}

// slowClient reads through small buffers, so that little of an answer is on its way while the reader pauses.
func slowClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if tcp, ok := conn.(*net.TCPConn); ok {
				err = tcp.SetReadBuffer(64 << 10)
			}
			return conn, err
		}}}
}

// keepDownloading downloads all leads, so slowly that a download takes longer than a revocation may.
func (p *person) keepDownloading(ctx context.Context, w *world, seen *record) {
	client := slowClient()
	for ctx.Err() == nil {
		r := w.replicas[rand.IntN(len(w.replicas))]
		req, err := http.NewRequestWithContext(ctx, http.MethodGet,
			r.baseURL()+"/export/latest_scores.csv?limit=all", nil)
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.issueToken(ctx, p))
		begun := time.Now()
		resp, err := client.Do(req)
		if err == nil {
			if resp.StatusCode == http.StatusOK {
				seen.addEffect(p.id, "a download begins", begun, time.Now())
			}
			if readSlowly(ctx, resp) {
				seen.addEffect(p.id, "a whole download", begun, time.Now())
			}
			resp.Body.Close()
		}
		pauseBetweenCalls(ctx)
	}
}

// readSlowly reads the answer and reports whether it is whole.
func readSlowly(ctx context.Context, resp *http.Response) bool {
	for ctx.Err() == nil {
		_, err := io.CopyN(io.Discard, resp.Body, 128<<10)
		if err != nil {
			return resp.StatusCode == http.StatusOK && resp.Trailer.Get("X-Row-Count") != ""
		}
		sleepContext(ctx, 100*time.Millisecond)
	}
	return false
}

// keepPushing changes the tenant's scores and pushes them, again and again. A suspended tenant's push fails.
func (p *person) keepPushing(ctx context.Context, w *world) {
	for ctx.Err() == nil {
		_ = executeSQL(ctx, w.ownerDSN, `UPDATE lead_scores SET score = random(), scored_at = now()
			WHERE tenant_id = `+p.tenant())
		_ = w.once(ctx, "odoo", "push", "--tenant", p.tenant(), "--limit", "0")
		pauseBetweenCalls(ctx)
	}
}

// notePushes adds the effects of pushes in Odoo.
func (w *world) notePushes(ctx context.Context, seen *record) error {
	conn, err := pgx.Connect(ctx, w.ownerDSN)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	tenants := map[string]string{}
	rows, err := conn.Query(ctx, `SELECT db_name, tenant_id::text FROM odoo_connections`)
	if err != nil {
		return err
	}
	var database, tenant string
	if _, err := pgx.ForEachRow(rows, []any{&database, &tenant}, func() error {
		tenants[database] = tenant
		return nil
	}); err != nil {
		return err
	}
	for _, e := range w.odoo.Ledger() {
		if e.Model == "crm.lead" {
			seen.addEffect(tenants[e.Database], "a pushed lead", time.Time{}, e.At)
		}
	}
	return nil
}
