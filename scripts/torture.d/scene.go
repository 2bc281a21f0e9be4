package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// scene is the run of one seed.
type scene struct {
	w     *world
	rng   *rand.Rand
	queue *[]string // failpoints at which no process has died yet

	mu     sync.Mutex
	healed bool
	kills  int
	faults int
	menu   []string
	died   []string
}

// playScene runs replicas, people and three kinds of faults concurrently. Then it heals everything and waits.
func (s *scene) playScene(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.w.o.chaos+s.w.o.healing)
	defer cancel()
	var people, replicas, trouble sync.WaitGroup
	upCtx, down := context.WithCancel(ctx)
	for _, name := range []string{"a", "b"} {
		r := s.w.newReplica(name, s.nextPoint)
		replicas.Go(func() { r.keepUp(upCtx, s.diedAt) })
	}
	for _, p := range s.w.people {
		people.Go(func() {
			sleepContext(ctx, time.Duration(rand.Int64N(int64(s.w.o.arrive)+1)))
			p.signIn(ctx, s.w)
		})
	}
	chaosCtx, end := context.WithTimeout(ctx, s.w.o.chaos)
	defer end()
	chosen := s.chooseFaults()
	errs := make(chan error, len(chosen))
	for _, f := range chosen {
		s.menu = append(s.menu, f.name)
		trouble.Go(func() { errs <- s.repeatFault(chaosCtx, ctx, f) })
	}
	trouble.Wait()
	s.healAll()
	people.Wait()
	err := s.w.waitForJobs(context.WithoutCancel(ctx)) // also after the deadline: the checker needs the final state
	down()
	for _, r := range s.w.replicas {
		r.killAndWait()
	}
	replicas.Wait()
	for range chosen {
		err = errors.Join(err, <-errs)
	}
	return err
}

// chooseFaults returns three kinds of faults by seed, or those that -scene names.
func (s *scene) chooseFaults() []fault {
	all := allFaults()
	if s.w.o.scene == sceneRevoke {
		all = faultsOfRevoke(all)
	} else if s.w.o.scene != "" {
		all = append(all, longFaults()...)
		return slices.DeleteFunc(all,
			func(f fault) bool { return !slices.Contains(strings.Split(s.w.o.scene, ","), f.name) })
	}
	s.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:3]
}

// repeatFault repeats one kind of fault, with pauses, until chaosCtx ends. ctx bounds its repairs.
func (s *scene) repeatFault(chaosCtx, ctx context.Context, f fault) error {
	for chaosCtx.Err() == nil {
		sleepContext(chaosCtx, time.Duration(200+s.pickNumber(1500))*time.Millisecond)
		if chaosCtx.Err() != nil {
			return nil
		}
		if err := f.do(s, ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		s.mu.Lock()
		s.faults++
		s.mu.Unlock()
	}
	return nil
}

func (s *scene) healAll() {
	s.mu.Lock()
	s.healed = true
	s.mu.Unlock()
	s.w.odoo.Heal()
	for _, r := range s.w.replicas {
		r.sendSignal(syscall.SIGCONT)
	}
}

// nextPoint returns the failpoint at which the next process dies; "" once the scene is healed.
func (s *scene) nextPoint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healed || len(*s.queue) == 0 || s.w.o.scene != "" {
		return ""
	}
	point := (*s.queue)[0]
	*s.queue = append((*s.queue)[1:], point)
	return point
}

func (s *scene) diedAt(point string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kills++
	s.died = append(s.died, point)
	for i, p := range *s.queue {
		if p == point {
			*s.queue = append((*s.queue)[:i], (*s.queue)[i+1:]...)
			return
		}
	}
}

func (s *scene) faultNames() string { return strings.Join(s.menu, ", ") }

func (s *scene) pickNumber(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func sleepContext(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
