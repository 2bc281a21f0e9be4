package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// person signs in for the first time, waits for the workspace, and saves a rule.
type person struct {
	id, email, token string

	mu       sync.Mutex
	tenants  map[string]bool // tenants named in answers
	ready    bool
	took     time.Duration // from the first attempt to ready
	rule     bool          // the rule was acknowledged
	restarts int           // further sign-ins, each after an error
	broken   []string      // violations that the person saw
}

// statusRank orders the statuses of onboarding. An error may come anywhere before ready, and has rank 0.
func statusRank(status string) int {
	return map[string]int{"provisioning": 1, "syncing": 2, "ready": 3}[status]
}

// signIn does everything that a person does. It repeats calls without an answer until ctx ends.
func (p *person) signIn(ctx context.Context, w *world) {
	start := time.Now()
	p.tenants = map[string]bool{}
	p.firstLogin(ctx, w)
	reached := 0
	for ctx.Err() == nil {
		var st struct {
			Status string      `json:"status"`
			Tenant json.Number `json:"tenant_id"`
		}
		if p.callReplica(ctx, w, http.MethodGet, "/onboarding/status", "", &st) != http.StatusOK {
			pauseBetweenCalls(ctx)
			continue
		}
		p.tenants[st.Tenant.String()] = true
		switch now := statusRank(st.Status); {
		case st.Status == "error":
			p.restarts++
			reached = 0
			p.firstLogin(ctx, w)
		case now < reached:
			p.broken = append(p.broken, fmt.Sprintf("%s: status went back to %s", p.id, st.Status))
			reached = now
		default:
			reached = now
		}
		if st.Status == "ready" {
			p.took = time.Since(start)
			p.broken = append(p.broken, w.readyTooEarly(p)...)
			p.leaveRule(ctx, w)
			p.mu.Lock()
			p.ready = ctx.Err() == nil
			p.mu.Unlock()
			return
		}
		pauseBetweenCalls(ctx)
	}
}

// firstLogin calls first_login until a replica acknowledges it.
func (p *person) firstLogin(ctx context.Context, w *world) {
	for ctx.Err() == nil {
		var st struct {
			Tenant json.Number `json:"tenant_id"`
		}
		if p.callReplica(ctx, w, http.MethodPost, "/onboarding/first_login", "", &st) == http.StatusAccepted {
			p.tenants[st.Tenant.String()] = true
			return
		}
		pauseBetweenCalls(ctx)
	}
}

// leaveRule saves a rule with the person's name until a replica acknowledges it.
func (p *person) leaveRule(ctx context.Context, w *world) {
	body := `{"name": "rule of ` + p.id + `", "payload": {"industries": ["manufacturing"]}}`
	for ctx.Err() == nil {
		if p.callReplica(ctx, w, http.MethodPost, "/icp/rules", body, nil) == http.StatusOK {
			p.rule = true
			return
		}
		pauseBetweenCalls(ctx)
	}
}

// callReplica sends a request to a random replica and records it in the history. It returns the status, 0 when there is
// no answer.
func (p *person) callReplica(ctx context.Context, w *world, method, path, body string, into any) int {
	r := w.replicas[rand.IntN(len(w.replicas))]
	done := w.history.startCall(p.id, method+" "+path, r.name)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.baseURL()+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		done(0, "")
		return 0
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && into != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		done(0, string(text))
		return 0
	}
	done(resp.StatusCode, string(text))
	if resp.StatusCode == http.StatusInternalServerError {
		p.mu.Lock()
		p.broken = append(p.broken, fmt.Sprintf("%s: %s %s answered 500: %s", p.id, method, path, text))
		p.mu.Unlock()
	}
	return resp.StatusCode
}

func pauseBetweenCalls(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(100+rand.IntN(200)) * time.Millisecond):
	}
}

// history records every call with its answer, one JSON object a line.
type history struct {
	mu     sync.Mutex
	file   *os.File
	logins []time.Duration // durations of acknowledged calls of first_login
}

func newHistory(path string) (*history, error) {
	f, err := os.Create(path)
	return &history{file: f}, err
}

func (h *history) startCall(who, what, where string) func(status int, answer string) {
	start := time.Now()
	return func(status int, answer string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		took := time.Since(start)
		if strings.HasSuffix(what, "first_login") && status == http.StatusAccepted {
			h.logins = append(h.logins, took)
		}
		_ = json.NewEncoder(h.file).Encode(map[string]any{"at": start.UTC(), "took_ms": took.Milliseconds(), "who": who,
			"what": what, "replica": where, "status": status, "answer": answer})
	}
}

func (h *history) close() { _ = h.file.Close() }
