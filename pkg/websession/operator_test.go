package websession_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/websession"
)

// An operator signs a person out by name: every session and token of that person, and of no other.
func TestAnOperatorSignsAPersonOut(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"alice", "Alice@Acme.example"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			desk, phone := r.signIn(t), r.signIn(t)
			other, err := r.Exchange(t.Context(), r.reissue(t, desk.ID, with("sub", "mallory")))
			require.NoError(t, err)
			_, err = r.db.Owner.Exec(t.Context(), `INSERT INTO tenants (tenant_id, name) VALUES (1, 'Acme')`)
			require.NoError(t, err)
			for user, subject := range map[string]string{"alice@acme.example": desk.Identity.Subject,
				"alice@acme.example (again)": "again", "mallory@acme.example": "mallory"} {
				_, err = r.db.Owner.Exec(t.Context(),
					`INSERT INTO tenant_users (tenant_id, user_id, issuer, subject) VALUES (1, $1, $2, $3)`, user,
					r.issuer, subject)
				require.NoError(t, err)
			}
			out := func(person string) (ended []websession.Ended, err error) {
				err = r.db.App.InSystem(t.Context(), "test",
					func(ctx context.Context, tx postgres.SystemTx) (err error) {
						ended, err = websession.SignOut(ctx, tx, person, time.Now(), tester)
						return err
					})
				return ended, err
			}
			_, err = out("unknown@acme.example")
			require.True(t, fault.Is(err, fault.NotFound), "%v", err)
			require.Equal(t, 3, r.sessions(t))

			ended, err := out(by)
			require.NoError(t, err)
			require.Contains(t, ended, websession.Ended{Issuer: r.issuer, Subject: "alice", Sessions: 2})
			if by != "alice" {
				require.Contains(t, ended, websession.Ended{Issuer: r.issuer, Subject: "again"},
					"another identity with the same address")
			}
			for _, tokens := range []websession.Tokens{desk, phone} {
				r.over(t, tokens)
				require.True(t, r.revoked(t, tokens.ID))
			}
			require.True(t, r.revoked(t, r.reissue(t, desk.ID, with("iat", time.Now().Unix()-20))),
				"a token of the same person outside every session")
			require.False(t, r.revoked(t, other.ID))
			require.Equal(t, 1, r.sessions(t), "mallory's")
			require.False(t, r.revoked(t, r.signIn(t).ID), "a new session's token is accepted at once")
		})
	}
}
