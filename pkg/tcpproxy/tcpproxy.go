// Package tcpproxy is a TCP proxy for tests. It can disconnect, and it can delay, drop, limit, cut and reset the
// traffic of its connections.
//
// It owns the faults of a network. It does not own the faults of a server: odoo/odootest and acra/acratest answer
// wrongly on request.
package tcpproxy

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// Proxy forwards connections from a loopback port to a target. Its methods may be called at any time.
type Proxy struct {
	Addr string // host:port to connect to

	network, target string
	running         sync.WaitGroup
	received, cuts  atomic.Int64

	mu       sync.Mutex
	listener net.Listener // nil while disconnected
	faults   []*activeFault
	open     map[*connection]bool
}

// Start starts a proxy for target: host:port, or the path of a Unix socket. Close it when it is not needed any more.
func Start(target string) (*Proxy, error) {
	p := &Proxy{Addr: "127.0.0.1:0", network: "tcp", target: target, open: map[*connection]bool{}}
	if strings.HasPrefix(target, "/") {
		p.network = "unix"
	}
	return p, p.Connect()
}

// StartPostgres starts a proxy for the PostgreSQL server of a DSN, which must be a URL. through is the DSN to use
// instead.
func StartPostgres(dsn string) (p *Proxy, through string, err error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, "", err
	}
	target, q := u.Host, u.Query()
	if dir := q.Get("host"); dir != "" {
		target = dir + "/.s.PGSQL." + q.Get("port")
	}
	if p, err = Start(target); err != nil {
		return nil, "", err
	}
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = p.Addr, q.Encode()
	return p, u.String(), nil
}

// Connect accepts connections on p.Addr again after Disconnect.
func (p *Proxy) Connect() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.Addr)
	if err != nil {
		return err
	}
	p.listener, p.Addr = listener, listener.Addr().String()
	p.running.Go(func() { p.acceptAll(listener) })
	return nil
}

// Disconnect closes all connections and refuses new ones until Connect is called.
func (p *Proxy) Disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.open {
		c.close()
	}
}

// Close disconnects the proxy and waits until its goroutines have ended.
func (p *Proxy) Close() {
	p.Disconnect()
	p.running.Wait()
}

// Received returns the number of pieces of data that clients have sent. A short request is one piece.
func (p *Proxy) Received() int64 { return p.received.Load() }

// Cuts returns the number of connections that Fault.CutOneIn has cut.
func (p *Proxy) Cuts() int64 { return p.cuts.Load() }

func (p *Proxy) acceptAll(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.forwardBoth(client) })
	}
}

// forwardBoth connects to the target and forwards in both directions until one of them ends.
func (p *Proxy) forwardBoth(client net.Conn) {
	server, err := net.Dial(p.network, p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &connection{client: client, server: server}
	defer p.removeConnection(c)
	if !p.addConnection(c) {
		return
	}
	var directions sync.WaitGroup
	for _, d := range []direction{{from: client, to: server}, {from: server, to: client}} {
		d.connection, d.passed = c, map[*activeFault]int{}
		directions.Go(func() { p.forwardData(&d) })
	}
	directions.Wait()
}

// addConnection registers a connection. It returns false when the proxy has been disconnected meanwhile.
func (p *Proxy) addConnection(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
	for _, a := range p.faults {
		a.attachTo(c)
	}
	return p.listener != nil
}

func (p *Proxy) removeConnection(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.faults {
		a.detachFrom(c)
	}
	c.close()
	delete(p.open, c)
}

// forwardData copies data in one direction. It closes the connection when it ends.
func (p *Proxy) forwardData(d *direction) {
	defer d.close()
	buf := make([]byte, 32<<10)
	for {
		n, err := d.from.Read(buf)
		if n > 0 {
			if d.from == d.client {
				p.received.Add(1)
			}
			piece, goOn := p.applyFaults(d, buf[:n])
			if _, failed := d.to.Write(piece); failed != nil || !goOn {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
