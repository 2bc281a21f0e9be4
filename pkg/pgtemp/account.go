//go:build unix

package pgtemp

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/leadctl/leadctl/pkg/fault"
)

// durableTemp is the directory for files that must survive a reboot and belong to a user without a home directory.
const durableTemp = "/var/tmp"

// account is the user that the server runs as.
type account struct {
	uid        int
	credential *syscall.Credential // nil for the user of this process
}

// serverAccount returns the user of this process. Under root, which PostgreSQL refuses to run as, it returns the user
// postgres, or the user nobody if postgres does not exist.
func serverAccount() (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uid}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return account{int(uid), &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return account{}, fault.New(fault.Operator,
		"users postgres and nobody: neither exists, and PostgreSQL refuses to run as root").
		WithHint("run leadctl as an ordinary user, or add a user named postgres; " +
			"tests can use a server that LEADCTL_TEST_POSTGRES_DSN names")
}

// templatePath returns the path of the archive of a new cluster of version v. It returns "" if a file with that path
// exists that is not a regular file of a with mode 0600.
func templatePath(a account, v version) string {
	path := filepath.Join(durableTemp, "leadctl-pgtpl-"+strconv.Itoa(a.uid)+"-"+v.String()+".tar")
	info, err := os.Lstat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Mode().Perm() != 0o600 || !ownedBy(info, a.uid)) {
		return ""
	}
	return path
}

func ownedBy(info fs.FileInfo, uid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid
}
