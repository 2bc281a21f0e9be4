package schema_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/pgtest"
)

var update = flag.Bool("update", false, "rewrite docs/schema.sql")

const schemaDoc = "../../docs/schema.sql"

const schemaDocHead = `-- The schema that leadctl's migrations create.
-- Generated: go test ./pkg/schema -run TestSchemaDoc -update
--
-- Requires the roles leadctl_owner, leadctl_app and leadctl_system. River's job tables are in the schema river.

`

// TestSchemaDoc: docs/schema.sql is the schema that the migrations make.
func TestSchemaDoc(t *testing.T) {
	t.Parallel()
	doc := schemaDocHead + describeSchema(t, pgtest.New(t).Owner)
	if *update {
		require.NoError(t, os.WriteFile(schemaDoc, []byte(doc), 0o644))
	}
	have, err := os.ReadFile(schemaDoc)
	require.NoError(t, err)
	require.Equal(t, string(have), doc,
		"docs/schema.sql is out of date: go test ./pkg/schema -run TestSchemaDoc -update")
}

// TestDescriptionCreatesTheSchema: the description is SQL that creates a schema with the same description.
func TestDescriptionCreatesTheSchema(t *testing.T) {
	t.Parallel()
	text := describeSchema(t, pgtest.New(t).Owner)
	copied := openConn(t, pgtest.Empty(t))
	mustExec(t, copied, text)
	require.Equal(t, text, describeSchema(t, copied))
}

// TestDescriptionIsComplete: the description changes with every kind of object. A comparison of descriptions would not
// notice what they leave out.
func TestDescriptionIsComplete(t *testing.T) {
	t.Parallel()
	conn := openConn(t, pgtest.Empty(t))
	for _, thing := range []string{
		"CREATE TABLE public.a (id integer NOT NULL)",
		"ALTER TABLE public.a ADD COLUMN b text DEFAULT 'x'",
		"ALTER TABLE public.a ALTER COLUMN b SET NOT NULL",
		"ALTER TABLE public.a ADD PRIMARY KEY (id)",
		"ALTER TABLE public.a ADD CHECK (id > 0) NOT VALID",
		"CREATE INDEX a_b ON public.a (b)",
		"CREATE SEQUENCE public.s OWNED BY public.a.id",
		"ALTER TABLE public.a ENABLE ROW LEVEL SECURITY",
		"ALTER TABLE public.a FORCE ROW LEVEL SECURITY",
		"CREATE POLICY p ON public.a FOR SELECT USING (id = 1)",
		"ALTER POLICY p ON public.a USING (id = 2)",
		"GRANT SELECT ON public.a TO PUBLIC",
		"GRANT UPDATE (b) ON public.a TO PUBLIC",
		"CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
		"CREATE VIEW public.v AS SELECT id FROM public.a",
		"CREATE TABLE public.c (a integer REFERENCES public.a)",
		"ALTER TABLE public.c ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY",
		"ALTER TABLE public.c ADD COLUMN g bigint GENERATED ALWAYS AS (a + 1) STORED",
		"COMMENT ON TABLE public.c IS 'it''s'",
		"GRANT USAGE ON SEQUENCE public.s TO PUBLIC",
	} {
		before := describeSchema(t, conn)
		mustExec(t, conn, thing)
		after := describeSchema(t, conn)
		require.NotEqual(t, before, after, thing)
		require.NotContains(t, after, "%!", thing)
	}
	text := describeSchema(t, conn)
	again := openConn(t, pgtest.Empty(t))
	mustExec(t, again, text)
	require.Equal(t, text, describeSchema(t, again))
	require.True(t, strings.HasSuffix(text, ";\n"))
}
