package clilogin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Cache keeps sessions in files that only their owner reads, one for each issuer and client.
type Cache struct {
	Dir string           // made when it is missing
	Now func() time.Time // nil means time.Now
}

// UserCache is the cache in the person's own configuration folder.
func UserCache() (Cache, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return Cache{}, fault.New(fault.Invalid, "folder for the session: %w", err).WithHint("set HOME or XDG_CONFIG_HOME")
	}
	return Cache{Dir: filepath.Join(dir, "leadctl")}, nil
}

// Path is the file of a session.
func (c Cache) Path(issuer, client string) string {
	sum := sha256.Sum256([]byte(issuer + "\n" + client))
	return filepath.Join(c.Dir, fmt.Sprintf("session-%x.json", sum[:8]))
}

// Load reads a session; found is false when there is none. A file that others can read is refused with fault.Denied.
func (c Cache) Load(issuer, client string) (s Session, found bool, err error) {
	path := c.Path(issuer, client)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Session{}, false, nil
	}
	if err != nil {
		return Session{}, false, fault.New(fault.Invalid, "session file: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return Session{}, false, fault.New(fault.Denied, "session file %s: others can read it", path).WithHint("leadctl sso logout, then sign in again")
	}
	if err := json.Unmarshal(raw, &s); err != nil || s.Issuer != issuer || s.ClientID != client {
		return Session{}, false, nil // not ours, or cut short: the next sign-in replaces it
	}
	return s, true, nil
}

// Save writes a session whole or not at all.
func (c Cache) Save(s Session) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fault.New(fault.Invalid, "folder for the session: %w", err)
	}
	f, err := os.CreateTemp(c.Dir, "session-*.new") // mode 0600
	if err != nil {
		return fault.New(fault.Invalid, "session file: %w", err)
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.Path(s.Issuer, s.ClientID))
	}
	if err != nil {
		return errors.Join(fault.New(fault.Invalid, "session file: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// Take reads a session and forgets it, waiting for a renewal under way, which would bring it back.
func (c Cache) Take(issuer, client string) (s Session, found bool, err error) {
	if _, err := os.Stat(c.Path(issuer, client)); errors.Is(err, fs.ErrNotExist) {
		return Session{}, false, nil
	}
	unlock, err := c.lockSession(issuer, client)
	if err != nil {
		return Session{}, false, err
	}
	defer unlock()
	s, found, err = c.Load(issuer, client)
	return s, found, errors.Join(err, c.removeFile(issuer, client))
}

func (c Cache) removeFile(issuer, client string) error {
	err := os.Remove(c.Path(issuer, client))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Invalid, "session file: %w", err)
	}
	return nil
}

// lockSession is held over everything that follows from a session's refresh token.
func (c Cache) lockSession(issuer, client string) (unlock func(), err error) {
	unlock, err = lockedfile.MutexAt(c.Path(issuer, client) + ".lock").Lock()
	if err != nil {
		return nil, fault.New(fault.Invalid, "session lock: %w", err)
	}
	return unlock, nil
}

// expiryMargin is how long a token must still be good to be used.
const expiryMargin = 30 * time.Second

// Fresh gives a session whose access token is good for a while yet, renewing it first when it is not. Of several processes
// that find it expired one renews it and the others take what it got: a refresh token may be good only once.
// Unauthenticated: nobody is signed in, or the session is over.
func (c Cache) Fresh(ctx context.Context, issuer, client string, renew func(context.Context, Session) (Session, error)) (Session, error) {
	s, err := c.loadSignedIn(issuer, client)
	if err != nil || c.isFresh(s) {
		return s, err
	}
	unlock, err := c.lockSession(issuer, client)
	if err != nil {
		return Session{}, err
	}
	defer unlock()
	if s, err = c.loadSignedIn(issuer, client); err != nil || c.isFresh(s) {
		return s, err
	}
	next, err := renew(ctx, s)
	if fault.Is(err, fault.Unauthenticated) {
		return Session{}, errors.Join(notSignedIn(err, issuer), c.removeFile(issuer, client))
	}
	if err != nil {
		return Session{}, err
	}
	return next, c.Save(next)
}

func (c Cache) loadSignedIn(issuer, client string) (Session, error) {
	s, found, err := c.Load(issuer, client)
	if err == nil && !found {
		err = notSignedIn(nil, issuer)
	}
	return s, err
}

func (c Cache) isFresh(s Session) bool {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	return now().Add(expiryMargin).Before(s.Expires)
}

func notSignedIn(cause error, issuer string) error {
	err := fault.New(fault.Unauthenticated, "not signed in to %s", issuer).WithHint("leadctl sso login")
	if cause != nil {
		return err.Because(cause)
	}
	return err
}
