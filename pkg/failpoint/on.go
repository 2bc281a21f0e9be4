//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Hit does what LEADCTL_FAILPOINTS asks for at this point: "NAME[@N]=ACTION[;…]", where N is the how manieth passing (1 by
// default) and ACTION is kill, stop (until somebody continues the process) or a duration to wait for. With
// LEADCTL_FAILPOINTS_SEEN each passing is one line of that file, written before the action.
func Hit(side, effect string) { points().hit(side + " " + effect) }

// plan is what the environment asked of this process.
type plan struct {
	mu     sync.Mutex
	passed map[string]int
	wanted map[string]string // "NAME@N" → action
	seen   *os.File
}

func points() *plan { return once() }

var once = sync.OnceValue(func() *plan {
	p := &plan{passed: map[string]int{}, wanted: map[string]string{}}
	for _, rule := range strings.Split(os.Getenv("LEADCTL_FAILPOINTS"), ";") {
		if name, action, ok := strings.Cut(rule, "="); ok {
			if !strings.Contains(name, "@") {
				name += "@1"
			}
			p.wanted[name] = action
		}
	}
	if path := os.Getenv("LEADCTL_FAILPOINTS_SEEN"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(fmt.Sprintf("LEADCTL_FAILPOINTS_SEEN: %v", err))
		}
		p.seen = f
	}
	return p
})

func (p *plan) hit(name string) {
	p.mu.Lock()
	p.passed[name]++
	name += "@" + strconv.Itoa(p.passed[name])
	if p.seen != nil {
		fmt.Fprintln(p.seen, name)
	}
	action := p.wanted[name]
	p.mu.Unlock()
	act(action)
}

func act(action string) {
	switch action {
	case "":
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens here
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	default:
		pause, err := time.ParseDuration(action)
		if err != nil {
			panic("LEADCTL_FAILPOINTS: action " + action + " is none of kill, stop and a duration")
		}
		time.Sleep(pause)
	}
}
