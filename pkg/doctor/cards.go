package doctor

import (
	"context"

	"github.com/leadctl/leadctl/pkg/config"
	"github.com/leadctl/leadctl/pkg/console"
)

// Cards is Examine for the console's operators.
func Cards(ctx context.Context, cfg config.Config) (cards []console.Check) {
	for _, c := range Examine(ctx, cfg) {
		cards = append(cards, console.Check{Name: c.Name, State: c.State, Fact: c.Fact, Fix: c.Fix})
	}
	return cards
}
