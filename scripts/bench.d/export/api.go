package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/leadctl/leadctl/pkg/devidp"
	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

// clients is the number of concurrent requests, for leadctl and for pgbench.
const clients = 8

// measureAPI measures requests to a real daemon, each with a real token.
func (b *bench) measureAPI(ctx context.Context) error {
	tokens, stopIDP, err := b.issueTokens(ctx)
	if err != nil {
		return err
	}
	defer stopIDP()
	ten, err := b.startDaemon(b.ten, tokens.issuer)
	if err != nil {
		return err
	}
	defer ten.stop()
	many, err := b.startDaemon(b.many, tokens.issuer)
	if err != nil {
		return err
	}
	defer many.stop()
	if err := b.measureUnchanged(ten.base, tokens.byTenant[0]); err != nil {
		return err
	}

	var few, ref, same, all []float64
	for range b.rounds {
		for _, step := range []struct {
			into *[]float64
			run  func() (float64, error)
		}{
			{&few, func() (float64, error) { return b.measureRequests(ten.base, tokens.byTenant[:tenTenants]) }},
			{&same, func() (float64, error) { return b.measureRequests(many.base, tokens.byTenant[:tenTenants]) }},
			{&all, func() (float64, error) { return b.measureRequests(many.base, tokens.byTenant) }},
			{&ref, b.runPgbench},
		} {
			n, err := step.run()
			if err != nil {
				return err
			}
			*step.into = append(*step.into, n)
		}
	}
	gauge.Figure{Name: "export-api-200", Ours: gauge.Median(few), Ref: gauge.Median(ref), Unit: "/s", Reach: 0.5,
		More: true}.Print()
	took := func(perSecond []float64) float64 { return 1000 * clients / gauge.Median(perSecond) }
	gauge.Figure{Name: fmt.Sprintf("export-tenants-%d", b.tenants), Ours: took(same), Ref: took(few), Unit: "ms",
		Reach: 1.2}.Print()
	// No verdict: each request is for another tenant, so this reads the rows of all tenants, the reference only of ten.
	gauge.Figure{Name: fmt.Sprintf("export-spread-%d", b.tenants), Ours: took(all), Ref: took(few), Unit: "ms"}.Print()
	return nil
}

type tenantTokens struct {
	issuer   string
	byTenant []string // the token of tenant 1 comes first
}

// issueTokens starts an identity provider and lets it issue a token for each tenant.
func (b *bench) issueTokens(ctx context.Context) (tenantTokens, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return tenantTokens{}, nil, err
	}
	t := tenantTokens{issuer: "http://" + l.Addr().String()}
	cfg := devidp.Config{Issuer: t.issuer, Clients: []devidp.Client{{ID: "bench"}}, TokenLifetime: 2 * time.Hour}
	for i := range b.tenants {
		name := strconv.Itoa(i + 1)
		cfg.Users = append(cfg.Users, devidp.User{ID: name, Name: name, Email: name + "@bench.example",
			EmailVerified: true, TenantID: name, Roles: []string{"viewer"}})
	}
	idp, err := devidp.New(cfg)
	if err != nil {
		return t, nil, err
	}
	server := &http.Server{Handler: idp, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	for _, u := range cfg.Users {
		token, err := idp.IssueToken(ctx, u.ID, "bench")
		if err != nil {
			return t, nil, err
		}
		t.byTenant = append(t.byTenant, token)
	}
	return t, func() { _ = server.Close() }, nil
}

// daemon is a running `leadctl serve`.
type daemon struct {
	base string // base of its URLs
	cmd  *exec.Cmd
}

func (d daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

// startDaemon starts a daemon and waits until it is ready.
func (b *bench) startDaemon(dsn, issuer string) (daemon, error) {
	api, metrics := freePort(), freePort()
	keyset := filepath.Join(b.dir, "keyset-"+strings.ReplaceAll(api, ":", "-")+".json")
	initialise := exec.Command(b.leadctl, "secrets", "init", keyset)
	if out, err := initialise.CombinedOutput(); err != nil {
		return daemon{}, fmt.Errorf("keyset: %w: %s", err, out)
	}
	cmd := exec.Command(b.leadctl, "serve", "--listen", api, "--log-level", "error")
	cmd.Env = append(gauge.Env(dsn), "NEXIUS_ISSUER="+issuer, "NEXIUS_CLIENT_ID=bench", "LEADCTL_KEYSET_FILE="+keyset,
		"LEADCTL_API_METRICS_LISTEN="+metrics, "DISABLE_SCHEDULER=1", "DISABLE_STARTUP_INGEST=1",
		"LEADCTL_DATABASE_MAX_CONNS="+strconv.Itoa(clients))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return daemon{}, err
	}
	d := daemon{"http://" + api, cmd}
	for range 300 {
		if resp, err := http.Get(d.base + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return d, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.stop()
	return daemon{}, fmt.Errorf("leadctl serve is not ready after 30 s")
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

// measureRequests returns the number of answered requests per second, each with the token of a random tenant.
func (b *bench) measureRequests(base string, tokens []string) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true},
		Timeout: time.Minute}
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	start := time.Now()
	for range clients {
		wait.Go(func() {
			for time.Since(start) < b.countFor && failed.Load() == nil {
				if err := requestPage(client, base, tokens[rand.IntN(len(tokens))]); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	wait.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

func requestPage(client *http.Client, base, token string) error {
	req, err := http.NewRequest(http.MethodGet, base+"/export/latest_scores.json?limit="+strconv.Itoa(pageLimit), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n < 100*pageLimit) {
		err = fmt.Errorf("GET %s: %s, %d bytes", req.URL, resp.Status, n)
	}
	return err
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// runPgbench returns the number of the same transactions per second.
func (b *bench) runPgbench() (float64, error) {
	// Like leadctl, with enable_sort off: otherwise the plan for the first tenant is used for all.
	begin := asTenant(":t::text", `, set_config('enable_sort', 'off', true)`)
	script := fmt.Sprintf("\\set t random(1, %d)\n%s\n%s;\nCOMMIT;\n", tenTenants, begin,
		strings.ReplaceAll(pageStatement(), "\n", ""))
	file := filepath.Join(b.dir, "pgbench.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return 0, err
	}
	out, err := exec.Command(gauge.Tool("pgbench"), "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2",
		"-T", strconv.Itoa(int(b.countFor.Seconds())), "-f", file, b.ten).CombinedOutput()
	found := tps.FindSubmatch(out)
	if err != nil || found == nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
