package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// Limits of the completion of tenant names. Completion must be immediate, so names are cached, and a database that does
// not answer within namesTimeout yields none.
const (
	namesMaxAge  = 5 * time.Minute
	namesTimeout = 700 * time.Millisecond
	maxNames     = 1000
)

// registerCompletion completes the values of a flag with words.
func registerCompletion(cmd *cobra.Command, flag string, words func() []string) {
	suggest := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	}
	err := cmd.RegisterFlagCompletionFunc(flag, suggest)
	if err != nil {
		panic(err)
	}
}

// completeTenants completes --tenant, and a first argument named TENANT, with tenant numbers and names. It applies to
// cmd and all commands below it.
func (a *app) completeTenants(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		a.completeTenants(sub)
	}
	names := func() []string { return a.tenantNames(context.Background()) }
	if cmd.Flags().Lookup("tenant") != nil {
		registerCompletion(cmd, "tenant", names)
	}
	if words := strings.Fields(cmd.Use); len(words) > 1 && strings.Trim(words[1], "[]") == "TENANT" {
		cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// tenantNames returns lines such as "42\tAcme" from the cache or from the database. It returns none if both fail.
func (a *app) tenantNames(ctx context.Context) (words []string) {
	cfg, _ := a.config(ctx)
	cache := namesCache(cfg)
	if words, ok := readNames(cache); ok {
		return words
	}
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	err := a.inSystem(ctx, "complete tenants", func(ctx context.Context, tx postgres.SystemTx) error {
		list, err := tenant.List(ctx, tx)
		for _, t := range list[:min(len(list), maxNames)] {
			words = append(words, t.ID.String()+"\t"+strings.ReplaceAll(stripControls(t.Name), "\n", " "))
		}
		return err
	})
	if err == nil {
		writeNames(cache, words)
	}
	return words
}

// namesCache returns the file that caches the tenant names of cfg's database, or "" when there is no cache folder. Only
// this user can read the file.
func namesCache(cfg config.Config) string {
	dir, err := os.UserCacheDir()
	if err != nil || cfg.Database.DSN == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(cfg.Database.DSN))
	return filepath.Join(dir, "leadctl", "tenants-"+hex.EncodeToString(sum[:8])+".json")
}

func readNames(file string) (words []string, ok bool) {
	info, err := os.Stat(file)
	if err != nil || time.Since(info.ModTime()) > namesMaxAge {
		return nil, false
	}
	text, err := os.ReadFile(file)
	return words, err == nil && json.Unmarshal(text, &words) == nil
}

// writeNames writes words to the cache file. It ignores errors: the words are shown anyway.
func writeNames(file string, words []string) {
	text, err := json.Marshal(words)
	if err != nil || file == "" || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	if os.WriteFile(file+".new", text, 0o600) == nil {
		_ = os.Rename(file+".new", file)
	}
}

// profileNames returns the profiles of the configuration file.
func (a *app) profileNames() []string {
	return config.Profiles(config.Source{File: a.configPath()})
}
