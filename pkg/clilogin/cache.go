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

// Cache keeps sessions in files that only their owner can read, one for each issuer and client.
type Cache struct {
	Dir string           // created if missing
	Now func() time.Time // nil means time.Now
}

// UserCache returns the cache in the user's configuration folder.
func UserCache() (Cache, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return Cache{}, fault.New(fault.Invalid, "session folder: %w", err).WithHint("set HOME or XDG_CONFIG_HOME")
	}
	return Cache{Dir: filepath.Join(dir, "leadctl")}, nil
}

// Path returns the file of the session of client at issuer.
func (c Cache) Path(issuer, client string) string {
	sum := sha256.Sum256([]byte(issuer + "\n" + client))
	return filepath.Join(c.Dir, fmt.Sprintf("session-%x.json", sum[:8]))
}

// Load reads a session; found is false when there is none, or when the file is incomplete or of another issuer or
// client. It fails with fault.Denied when other users can read the file.
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
		return Session{}, false, fault.New(fault.Denied, "session file %s: other users can read it", path).
			WithHint("run `leadctl sso logout`, then `leadctl sso login`")
	}
	if err := json.Unmarshal(raw, &s); err != nil || s.Issuer != issuer || s.ClientID != client {
		return Session{}, false, nil // the next sign-in replaces the file
	}
	return s, true, nil
}

// Save replaces the session's file in one step: readers see the old session or the new one.
func (c Cache) Save(s Session) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fault.New(fault.Invalid, "session folder: %w", err)
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

// Take reads a session and removes its file. It first waits for a renewal in another process, which would otherwise
// write the file again.
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

// lockSession locks a session against other processes. It is held while the refresh token is used or removed.
func (c Cache) lockSession(issuer, client string) (unlock func(), err error) {
	unlock, err = lockedfile.MutexAt(c.Path(issuer, client) + ".lock").Lock()
	if err != nil {
		return nil, fault.New(fault.Invalid, "session lock: %w", err)
	}
	return unlock, nil
}

// expiryMargin is how long an access token must remain valid for Fresh to return it without renewal.
const expiryMargin = 30 * time.Second

// Fresh returns a session whose access token is valid for at least expiryMargin, and renews it first if needed. When
// several processes find the same session expired, one renews it and the others read the result: a provider may accept
// a refresh token only once. It fails with fault.Unauthenticated when there is no session or the provider has ended it.
func (c Cache) Fresh(
	ctx context.Context, issuer, client string, renew func(context.Context, Session) (Session, error),
) (Session, error) {
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
