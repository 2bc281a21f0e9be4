package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
)

func TestPasswordsAreMasked(t *testing.T) {
	t.Parallel()
	const hidden = "********"
	for dsn, want := range map[string]string{
		"postgres://u:s3cret@db/x":                         "postgres://u:" + hidden + "@db/x",
		"postgres://u:s3/c@r:et@db/x":                      "postgres://u:" + hidden + "@db/x",
		"postgres://:s3cret@db/x":                          "postgres://:" + hidden + "@db/x",
		"postgres://u@db/x":                                "postgres://u@db/x",
		"postgres://db/x?user=u&password=s3cret&a=b":       "postgres://db/x?user=u&password=" + hidden + "&a=b",
		"postgresql://odoo:s3cret@db:5432/{db_name}":       "postgresql://odoo:" + hidden + "@db:5432/{db_name}",
		"host=db password=s3cret dbname=x":                 "host=db password=" + hidden + " dbname=x",
		`host=db PASSWORD = 's3 \' cret' dbname=x`:         "host=db PASSWORD = " + hidden + " dbname=x",
		"host=db sslpassword=s3cret password='s3 cret":     "host=db sslpassword=" + hidden + " password=" + hidden,
		"host=/run/postgresql user=leadctl dbname=leadctl": "host=/run/postgresql user=leadctl dbname=leadctl",
	} {
		cfg, err := config.Load(newSource(t, "", map[string]string{"POSTGRES_DSN": dsn}))
		require.NoError(t, err)
		require.Equal(t, want, shownSetting(cfg, "database.dsn").Value)
	}
}
