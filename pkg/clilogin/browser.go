package clilogin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
)

// browserTimeout is how long somebody may take to sign in.
const browserTimeout = 10 * time.Minute

const callbackPath = "/callback"

// SignInWithBrowser signs in by authorization code with PKCE. It listens on a loopback port (0: any that is free), calls visit with
// the address to open, and waits until the browser comes back, ten minutes at most. Faults: Denied when the person or the
// provider says no, Unauthenticated for an answer that proves nothing.
func (c *Client) SignInWithBrowser(ctx context.Context, port int, visit func(address string)) (Session, error) {
	if methods := c.discovery.ChallengeMethods; len(methods) > 0 && !slices.Contains(methods, "S256") {
		return Session{}, fault.New(fault.Operator, "identity provider %s: offers PKCE without S256", c.cfg.SSO.Issuer)
	}
	ctx, cancel := context.WithTimeout(ctx, browserTimeout)
	defer cancel()
	door, err := startCallbackServer(ctx, port, c.cfg.SSO.Issuer)
	if err != nil {
		return Session{}, err
	}
	defer door.close()
	nonce, verifier := rand.Text(), oauth2.GenerateVerifier()
	request := c.oauth
	request.RedirectURL = door.redirectURI
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)}
	if c.cfg.Audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", c.cfg.Audience))
	}
	visit(request.AuthCodeURL(door.state, options...))
	code, err := door.waitForCode(ctx)
	if err != nil {
		return Session{}, err
	}
	tok, err := request.Exchange(c.withHTTPClient(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Session{}, oauthFault(err, "sign-in")
	}
	return c.verifySession(ctx, tok, nonce)
}

// callbackServer is the loopback listener that one sign-in comes back to.
type callbackServer struct {
	redirectURI string // the redirect URI
	host        string
	issuer      string
	state       string
	result      chan callbackResult // the first one that knows the state
	server      *http.Server
}

type callbackResult struct {
	code string
	err  error
}

func startCallbackServer(ctx context.Context, port int, issuer string) (*callbackServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fault.New(fault.Conflict, "loopback port %d: %w", port, err).WithHint("leave --port out, or choose another")
	}
	host := listener.Addr().String()
	d := &callbackServer{redirectURI: "http://" + host + callbackPath, host: host, issuer: issuer, state: rand.Text(), result: make(chan callbackResult, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, d.handleCallback)
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(listener) }() // ends with close
	return d, nil
}

// close lets the page that is being shown go out first.
func (d *callbackServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		_ = d.server.Close()
	}
}

func (d *callbackServer) waitForCode(ctx context.Context) (string, error) {
	select {
	case a := <-d.result:
		return a.code, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", fault.New(fault.Denied, "sign-in: nobody came back within %s", browserTimeout).
				WithHint("the redirect URI http://127.0.0.1/* has to be registered for the client")
		}
		return "", ctx.Err()
	}
}

// handleCallback takes the first answer that knows the state. Any other is shown the door and changes nothing: a page on the
// web can send browsers here, but it can neither finish nor break off a sign-in.
func (d *callbackServer) handleCallback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	known := subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(d.state)) == 1
	if iss := q.Get("iss"); !known || r.Host != d.host || iss != "" && iss != d.issuer {
		writePage(w, http.StatusBadRequest, "This is not the sign-in that leadctl is waiting for.")
		return
	}
	a, text := callbackResult{code: q.Get("code")}, "Signed in. This page can be closed."
	if a.code == "" {
		a.err = fault.New(fault.Denied, "sign-in: the identity provider says %s", quoteProvider(q.Get("error"), q.Get("error_description")))
		text = "Not signed in. The terminal says why."
	}
	select {
	case d.result <- a:
		writePage(w, http.StatusOK, text)
	default:
		writePage(w, http.StatusBadRequest, "This sign-in is over.")
	}
}

// writePage answers with a text of ours; nothing of the request is in it.
func writePage(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!doctype html><html lang=en><meta charset=utf-8><title>leadctl</title><p>%s</p>", text)
}

// OpenBrowser shows address in the person's browser. An error means that there is none to be found.
func OpenBrowser(address string) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("not a web address")
	}
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		cmd = exec.Command("open", address)
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", address)
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return errors.New("no display")
		}
		cmd = exec.Command("xdg-open", address)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
