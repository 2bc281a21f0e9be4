package httpapi

import (
	"embed"
	"log/slog"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leadctl/leadctl/pkg/web"
)

// swaggerUI is Swagger UI 5.35.0 (Apache-2.0, with its licence). It is embedded so that /docs loads nothing from
// another server.
//
//go:embed swaggerui
var swaggerUI embed.FS

// docsPolicy lets the page run its own files only. Swagger UI sets style attributes and shows embedded images.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// registerDocs serves the OpenAPI document and the page that shows it. Both are open: they contain no tenant's data.
func (s *Server) registerDocs(mux *http.ServeMux, api huma.API) {
	document := sync.OnceValues(api.OpenAPI().MarshalJSON)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		web.SetRoute(r.Context(), "GET /openapi.json", slog.LevelInfo)
		doc, err := document()
		if err != nil {
			web.ProblemOf(r.Context(), err).Write(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(doc)
	})
	for path, file := range docsFiles() {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			web.SetRoute(r.Context(), "GET /docs", slog.LevelInfo)
			w.Header().Set("Content-Security-Policy", docsPolicy)
			w.Header().Set("Referrer-Policy", "no-referrer")
			http.ServeFileFS(w, r, swaggerUI, "swaggerui/"+file)
		})
	}
}

// docsFiles maps each path of the documentation to its file in swaggerUI.
func docsFiles() map[string]string {
	return map[string]string{
		"/docs":                      "page.html",
		"/docs/swagger-ui.css":       "swagger-ui.css",
		"/docs/swagger-ui-bundle.js": "swagger-ui-bundle.js",
		"/docs/init.js":              "init.js",
	}
}
