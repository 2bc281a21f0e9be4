package tcpproxy

import (
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// Fault is what happens to data from the server to the client.
type Fault struct {
	Delay      time.Duration // wait before each piece of data
	Jitter     time.Duration // random time that is added to Delay or subtracted from it
	Drop       bool          // discard the data. When the fault ends, connections that lost data are closed
	Limit      int           // close a connection after this number of bytes; 0 means no limit
	CutOneIn   int           // forward only a part of one in this number of pieces, and close its connection
	ResetAfter time.Duration // reset each connection after this time; 0 means never
	BothWays   bool          // Delay, Drop, Limit and CutOneIn apply to data from the client too
}

// AddFault begins a fault for existing and new connections. end ends it. Faults at the same time add up.
func (p *Proxy) AddFault(f Fault) (end func()) {
	a := &activeFault{Fault: f, resets: map[*connection]*time.Timer{}, lossy: map[*connection]bool{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, a)
	for c := range p.open {
		a.attachTo(c)
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = slices.DeleteFunc(p.faults, func(o *activeFault) bool { return o == a })
		for c := range a.lossy {
			c.close()
		}
		for c := range a.resets {
			a.detachFrom(c)
		}
	}
}

// activeFault is a fault with the connections that it has affected. Proxy.mu guards the maps.
type activeFault struct {
	Fault
	resets map[*connection]*time.Timer
	lossy  map[*connection]bool // data was dropped
}

func (a *activeFault) attachTo(c *connection) {
	if a.ResetAfter > 0 {
		a.resets[c] = time.AfterFunc(a.ResetAfter, c.resetBoth)
	}
}

func (a *activeFault) detachFrom(c *connection) {
	if reset := a.resets[c]; reset != nil {
		reset.Stop()
	}
	delete(a.resets, c)
	delete(a.lossy, c)
}

// connection is a pair of connections, to the client and to the server.
type connection struct{ client, server net.Conn }

func (c *connection) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func (c *connection) resetBoth() {
	for _, side := range []net.Conn{c.client, c.server} {
		if tcp, ok := side.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // Close then sends RST
		}
	}
	c.close()
}

// direction is one direction of a connection.
type direction struct {
	*connection
	from, to net.Conn
	passed   map[*activeFault]int // bytes since the fault began
}

// applyFaults returns the part of piece to forward. goOn is false when the connection must be closed then.
func (p *Proxy) applyFaults(d *direction, piece []byte) (forward []byte, goOn bool) {
	faults, delay := p.faultsOf(d)
	time.Sleep(delay)
	for _, a := range faults {
		d.passed[a] += len(piece)
		switch excess := d.passed[a] - a.Limit; {
		case a.Drop:
			return nil, true
		case a.Limit > 0 && excess >= 0:
			return piece[:len(piece)-excess], false
		case a.CutOneIn > 0 && rand.IntN(a.CutOneIn) == 0:
			p.cuts.Add(1)
			return piece[:rand.IntN(len(piece))], false
		}
	}
	return piece, true
}

// faultsOf returns the current faults of a direction, and the sum of their delays.
func (p *Proxy) faultsOf(d *direction) (faults []*activeFault, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.faults {
		if d.from == d.client && !a.BothWays {
			continue
		}
		if a.Drop {
			a.lossy[d.connection] = true
		}
		if delay += a.Delay; a.Jitter > 0 {
			delay += rand.N(2*a.Jitter) - a.Jitter
		}
		faults = append(faults, a)
	}
	return faults, delay
}
