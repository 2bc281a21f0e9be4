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

// Hit runs the action that LEADCTL_FAILPOINTS sets for this failpoint: "NAME[@N]=ACTION[;…]". N counts the process's
// calls of Hit with this name from 1, the default. ACTION is kill, stop (SIGSTOP) or a duration to sleep. If
// LEADCTL_FAILPOINTS_SEEN is set, Hit first appends NAME@N as one line to that file.
func Hit(side, effect string) { loadPlan().hitPoint(side + " " + effect) }

// plan holds the actions that the environment sets for this process.
type plan struct {
	mu      sync.Mutex
	hits    map[string]int    // by name
	actions map[string]string // by "NAME@N"
	seen    *os.File
}

var loadPlan = sync.OnceValue(func() *plan {
	p := &plan{hits: map[string]int{}, actions: map[string]string{}}
	for _, rule := range strings.Split(os.Getenv("LEADCTL_FAILPOINTS"), ";") {
		if name, action, ok := strings.Cut(rule, "="); ok {
			if !strings.Contains(name, "@") {
				name += "@1"
			}
			p.actions[name] = action
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

func (p *plan) hitPoint(name string) {
	p.mu.Lock()
	p.hits[name]++
	name += "@" + strconv.Itoa(p.hits[name])
	if p.seen != nil {
		fmt.Fprintln(p.seen, name)
	}
	action := p.actions[name]
	p.mu.Unlock()
	runAction(action)
}

func runAction(action string) {
	switch action {
	case "":
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	default:
		pause, err := time.ParseDuration(action)
		if err != nil {
			panic("LEADCTL_FAILPOINTS: action " + action + ": want kill, stop or a duration")
		}
		time.Sleep(pause)
	}
}
