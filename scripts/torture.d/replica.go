package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// replica is one `leadctl serve`, which is restarted whenever it ends.
type replica struct {
	w    *world
	name string
	port string

	next func() string // returns the failpoint of the next process; nil means none

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	point  string // failpoint at which the running process dies
}

func (w *world) newReplica(name string, next func() string) *replica {
	r := &replica{w: w, name: name, port: freePort(), next: next}
	w.replicas = append(w.replicas, r)
	return r
}

func (r *replica) baseURL() string { return "http://127.0.0.1:" + r.port }

// startProcess starts a process and waits until it is ready or has ended.
func (r *replica) startProcess(ctx context.Context, point string) error {
	log, err := os.OpenFile(filepath.Join(r.w.dir, r.name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(r.w.o.leadctl, "serve")
	cmd.Env = append(r.w.replicaEnv(r.port), "LEADCTL_FAILPOINTS_SEEN="+r.seenFile())
	if point != "" {
		cmd.Env = append(cmd.Env, "LEADCTL_FAILPOINTS="+point+"=kill")
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.w.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	r.mu.Lock()
	r.cmd, r.exited, r.point = cmd, exited, point
	r.mu.Unlock()
	for ctx.Err() == nil {
		select {
		case <-exited:
			return nil
		case <-time.After(50 * time.Millisecond):
		}
		if isReady(ctx, r.baseURL()+"/readyz") {
			return nil
		}
	}
	return ctx.Err()
}

func isReady(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// keepUp restarts the process until ctx ends. It calls died with the failpoint that ended a process.
func (r *replica) keepUp(ctx context.Context, died func(point string)) {
	for ctx.Err() == nil {
		point := ""
		if r.next != nil {
			point = r.next()
		}
		if err := r.startProcess(ctx, point); err != nil {
			return
		}
		select {
		case <-r.exitSignal():
		case <-ctx.Done():
			return
		}
		if point != "" && r.diedAt(point) {
			died(point)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (r *replica) exitSignal() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exited
}

// diedAt reports whether point is the last failpoint that the replica's processes recorded.
func (r *replica) diedAt(point string) bool {
	points, err := r.passedFailpoints()
	return err == nil && len(points) > 0 && points[len(points)-1] == point
}

func (r *replica) seenFile() string { return filepath.Join(r.w.dir, r.name+".seen") }

// passedFailpoints returns the failpoints that the replica's processes passed, each with its count in its process.
func (r *replica) passedFailpoints() ([]string, error) {
	b, err := os.ReadFile(r.seenFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failpoints of %s: %w", r.name, err)
	}
	return strings.Split(string(bytes.TrimSpace(b)), "\n"), nil
}

// sendSignal sends a signal to the process, if one is running.
func (r *replica) sendSignal(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd != nil {
		_ = r.cmd.Process.Signal(s) // it fails only when the process has ended
	}
}

func (r *replica) killAndWait() {
	r.sendSignal(syscall.SIGCONT)
	r.sendSignal(syscall.SIGKILL)
	if gone := r.exitSignal(); gone != nil {
		<-gone
	}
}
