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
	"github.com/leadctl/leadctl/pkg/sso"
)

// browserTimeout is how long SignInWithBrowser waits for the person to sign in.
const browserTimeout = 10 * time.Minute

const callbackPath = "/callback"

// SignInWithBrowser signs in by the authorization code flow with PKCE. It listens on a loopback port (0 selects a free
// one), calls visit with the address to open in a browser, and waits up to ten minutes for the redirect.
//
// Faults: Denied when the person or the provider refuses or the time has passed; Unauthenticated when the tokens cannot
// be verified; Conflict when the port is in use; Operator when the provider does not support PKCE with S256.
func (c *Client) SignInWithBrowser(ctx context.Context, port int, visit func(address string)) (Session, error) {
	if methods := c.discovery.ChallengeMethods; len(methods) > 0 && !slices.Contains(methods, "S256") {
		return Session{}, fault.New(fault.Operator, "identity provider %s: does not support PKCE with S256",
			c.cfg.SSO.Issuer).
			WithHint("allow the PKCE method S256 for client %s at the provider", c.cfg.ClientID)
	}
	ctx, cancel := context.WithTimeout(ctx, browserTimeout)
	defer cancel()
	callback, err := startCallbackServer(ctx, port, c.discovery)
	if err != nil {
		return Session{}, err
	}
	defer callback.close()
	nonce, verifier := rand.Text(), oauth2.GenerateVerifier()
	request := c.oauth
	request.RedirectURL = callback.redirectURI
	options := append(c.authOptions(verifier), oauth2.SetAuthURLParam("nonce", nonce))
	visit(request.AuthCodeURL(callback.state, options...))
	code, err := callback.waitForCode(ctx)
	if err != nil {
		return Session{}, err
	}
	tok, err := request.Exchange(c.withHTTPClient(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Session{}, oauthFault(err, "sign-in")
	}
	return c.verifySession(ctx, tok, nonce)
}

// callbackServer listens on a loopback port for the redirect that ends one sign-in.
type callbackServer struct {
	redirectURI string
	host        string // host:port, the only Host header that is accepted
	provider    sso.Discovery
	state       string
	result      chan callbackResult // receives the first redirect with the right state
	server      *http.Server
}

type callbackResult struct {
	code string
	err  error
}

func startCallbackServer(ctx context.Context, port int, provider sso.Discovery) (*callbackServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fault.New(fault.Conflict, "loopback port %d: cannot listen: %w", port, err).
			WithHint("omit --port, or choose a port that is free")
	}
	host := listener.Addr().String()
	s := &callbackServer{redirectURI: "http://" + host + callbackPath, host: host, provider: provider,
		state: rand.Text()}
	s.result = make(chan callbackResult, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, s.handleCallback)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // returns when close is called
	return s, nil
}

// close stops the server. A response that is being written has one second to finish.
func (s *callbackServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
}

func (s *callbackServer) waitForCode(ctx context.Context) (string, error) {
	select {
	case a := <-s.result:
		return a.code, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", fault.New(fault.Denied, "sign-in: no redirect from the browser within %s", browserTimeout).
				WithHint("register the redirect URI http://127.0.0.1/* for the client at the provider")
		}
		return "", ctx.Err()
	}
}

// handleCallback accepts the first redirect that has the right state. It answers any other with 400 and ignores it: a
// web page can send browsers here, but it does not know the state, so it can neither complete nor cancel a sign-in.
func (s *callbackServer) handleCallback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	known := subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(s.state)) == 1
	if !known || r.Host != s.host || !s.provider.HasAnswered(q) {
		writePage(w, http.StatusBadRequest, "This address does not belong to the sign-in that leadctl is waiting for.")
		return
	}
	a, text := callbackResult{code: q.Get("code")}, "Signed in. This page can be closed."
	if a.code == "" {
		reply := quoteProvider(q.Get("error"), q.Get("error_description"))
		a.err = fault.New(fault.Denied, "sign-in: the identity provider answered %s", reply)
		text = "Not signed in. The terminal shows the reason."
	}
	select {
	case s.result <- a:
		writePage(w, http.StatusOK, text)
	default:
		writePage(w, http.StatusBadRequest, "This sign-in has already ended.")
	}
}

// writePage writes a page that contains only text. It must contain nothing from the request.
func writePage(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!doctype html><html lang=en><meta charset=utf-8><title>leadctl</title><p>%s</p>", text)
}

// OpenBrowser opens address, an http or https URL, in the user's browser. It fails when there is no display or no
// browser.
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
