//go:build unix

package pgtemp

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/leadctl/leadctl/pkg/fault"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]version{
		"postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n": {15, 14, "15.14"},
		"postgres (PostgreSQL) 18.3\n":                           {18, 3, "18.3"},
		"postgres (PostgreSQL) 19beta1\n":                        {19, -1, "19beta1"},
	} {
		got, err := parseVersion(answer)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, answer := range []string{"", "psql 15", "postgres (PostgreSQL) ", "postgres (PostgreSQL) devel"} {
		_, err := parseVersion(answer)
		require.Error(t, err, answer)
	}
}

// fakeInstallation returns a directory with a script that claims to be postgres of version v.
func fakeInstallation(t *testing.T, v string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + v + "'\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres"), []byte(script), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "initdb"), nil, 0o755))
	return dir
}

func TestFindBinariesPrefersNewestOfFirstPlace(t *testing.T) {
	t.Parallel()
	old, newer := fakeInstallation(t, "14.20"), fakeInstallation(t, "17.1")
	nine, ten := fakeInstallation(t, "16.9"), fakeInstallation(t, "16.10")
	clientOnly := t.TempDir()

	places := [][]string{{old, clientOnly, "/nonexistent"}, {nine, ten, old}, {newer}}
	b, err := findBinaries(t.Context(), Options{}, places)
	require.NoError(t, err)
	require.Equal(t, ten, b.dir)

	b, err = findBinaries(t.Context(), Options{BinDir: nine}, [][]string{{newer}})
	require.NoError(t, err)
	require.Equal(t, nine, b.dir)
}

func TestUnusableBinDir(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), fakeInstallation(t, "14.20")} {
		_, err := Start(t.Context(), Options{BinDir: dir})
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		require.ErrorContains(t, err, dir)
		require.NotEmpty(t, fault.Hint(err))
	}
}

// serveRepository serves a jar with tiny.txz, which holds a bin folder with a script that prints postgres's version. It
// serves the checksum of what checksummed returns for the jar.
func serveRepository(t *testing.T, checksummed func(jar []byte) []byte) (url string) {
	t.Helper()
	archive, err := os.ReadFile("testdata/tiny.txz")
	require.NoError(t, err)
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	f, err := w.Create("postgres.txz")
	require.NoError(t, err)
	_, err = f.Write(archive)
	require.NoError(t, err)
	require.NoError(t, w.Close())

	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.Contains(r.URL.Path, string(fetchedVersion)):
			http.NotFound(rw, r)
		case strings.HasSuffix(r.URL.Path, ".jar.sha256"):
			fmt.Fprintf(rw, "%x", sha256.Sum256(checksummed(jar.Bytes())))
		default:
			_, _ = rw.Write(jar.Bytes())
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestFetchedOnceThenCached(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "not", "there", "yet")
	url := serveRepository(t, func(jar []byte) []byte { return jar })
	var both errgroup.Group
	for range 2 {
		both.Go(func() error {
			b, err := fetchedBinaries(t.Context(), Options{CacheDir: cache}, url)
			if err == nil && b.version.String() != "18.3" {
				err = fmt.Errorf("version %s", b.version)
			}
			return err
		})
	}
	require.NoError(t, both.Wait())

	b, err := fetchedBinaries(t.Context(), Options{CacheDir: cache, Log: t.Fatalf}, "http://127.0.0.1:1")
	require.NoError(t, err, "the cache is used without a request")
	info, err := os.Stat(filepath.Join(b.dir, "postgres"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
}

func TestFetchRejectsWrongChecksum(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	url := serveRepository(t, func(jar []byte) []byte { return jar[1:] })
	_, err := fetchedBinaries(t.Context(), Options{CacheDir: cache}, url)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorContains(t, err, "checksum")
	require.Contains(t, fault.Hint(err), "POSTGRES_DSN")
	left, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCacheWritableByOthersIsNotUsed(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	home := filepath.Join(cache, "postgres-"+string(fetchedVersion))
	require.NoError(t, os.Mkdir(home, 0o700))
	require.NoError(t, os.Chmod(home, 0o777))
	require.NoError(t, os.Rename(fakeInstallation(t, "18.3"), filepath.Join(home, "bin")))
	url := serveRepository(t, func(jar []byte) []byte { return jar })
	_, err := fetchedBinaries(t.Context(), Options{CacheDir: cache}, url)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}
